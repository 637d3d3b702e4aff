"""Hanging: whether work is left in a simulation, and where it hangs."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any

from ..actors.cell import Phase, condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..actors.worker import Suspended
    from .nodes import SimulatedNode
    from .simulation import Simulation

SHOWN = 8


def is_calm(node: SimulatedNode) -> bool:
    """Whether a node runs, and has nothing to do but wait for a time, a person, an actor or code."""
    life = node.life
    if life is None or life.recorder.over or life.runtime.busy or not node.grove.is_calm(life):
        return False
    return not any(_can_go_on(cell) for cell in life.runtime.cells.by_name.values())


def _can_go_on(cell: Any) -> bool:
    return cell.head != cell.tail and cell.phase is not Phase.BLOCKED


def describe(sim: Simulation) -> str:
    """What is left, as lines of a report."""
    lines = [line for node in sim.nodes for line in _of_node(node)]
    if sim.clients_running:
        lines.append(f"{sim.clients_running} operations of the plan have not ended")
    more = [f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "".join(f"\n  {line}" for line in [*lines[:SHOWN], *more])


def _of_node(node: SimulatedNode) -> Iterator[str]:
    life = node.life
    if life is None or life.recorder.over:
        yield f"{node.title} is down"
        return
    for worker in life.runtime.workers.suspended:
        if worker.hand is not None:
            yield _where(worker.hand)
    for cell in life.runtime.cells.by_name.values():
        if _can_go_on(cell) and cell.worker is None:
            why = f": {cell.error}" if cell.error else ""
            yield f"{cell.name} has {cell.tail - cell.head} messages and is {condition(cell)}{why}"


def _where(hand: Suspended) -> str:
    frame = innermost(hand.coroutine)
    at = "" if frame is None else f", line {frame.f_lineno} of {frame.f_code.co_filename.rpartition('/')[2]}"
    return f"{hand.cell.name} is in the middle of {hand.turn.mail.show()}, in {hand.spec.name}{at}"


def innermost(coroutine: Any) -> FrameType | None:
    """Where a suspended handler waits, as far as it is not inside trio."""
    frame: FrameType | None = None
    while coroutine is not None:
        here = getattr(coroutine, "cr_frame", None)
        if here is None or str(here.f_globals.get("__name__", "")).startswith("trio."):
            break
        frame, coroutine = here, coroutine.cr_await
    return frame
