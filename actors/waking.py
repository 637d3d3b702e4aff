"""Waking: a fresh object from the bytes of the last turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actor import Actor
    from .cell import Cell
    from .endings import Endings
    from .handler import HandlerSpec
    from .runtime import Runtime
    from .turn import Turn


class WakeFailed(Exception):
    """`started` raised, or changed what it may not; the cause says what."""


def wake(cell: Cell, runtime: Runtime) -> Actor:
    """Build the actor of a cell from its state, transient fields rebuilt.

    Raises:
        Exception: the state does not fit the class any more, or a factory failed.
    """
    kind = cell.kind
    assert kind is not None
    cell.actor = actor = kind.build(kind.state.decode(cell.state, runtime.post))
    return actor


async def wake_and_handle(endings: Endings, turn: Turn, spec: HandlerSpec, values: tuple[Any, ...]) -> Any:
    """Run `started` and then the handler, as one turn."""
    cell = turn.cell
    kind, actor = cell.kind, cell.actor
    assert kind is not None
    assert actor is not None
    turn.starting = True
    try:
        await actor.started()
        if kind.encode(actor) != cell.state:
            raise TypeError(
                f"started() of {kind.name} changed declared fields; it may only prepare transient ones, "
                "since nothing it does is saved: change state in a handler"
            )
    except (Exception, SystemExit) as error:
        raise WakeFailed(str(error)) from error
    finally:
        turn.starting = False
    if cell.starts:
        endings.started(cell)
    return await spec.function(actor, *values)
