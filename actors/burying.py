"""Burying: how a message becomes a dead letter, all its bytes kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mailbox.records import Dead, key, pack
from ..mailbox.store import Table
from .texts import show_traceback, storable

if TYPE_CHECKING:
    from .ledger import Ledger


def bury(
    ledger: Ledger,
    raw: bytes,
    box: str,
    type: str,
    reason: str,
    error: BaseException | None = None,
    text: str = "",
    attempts: int = 0,
    failed_at: int = 0,
    life: int = 0,
    restarts: int = 0,
    replays: int = 0,
) -> None:
    """Write a dead letter with the open batch.

    Args:
        ledger: of the node.
        raw: the envelope as it is, or what is left of it.
        box: name of its mailbox.
        type: declared name of the actor there; empty if nobody lives there.
        reason: one word; see `Dead`.
        error: what its last turn raised.
        text: what is wrong, if no error says it.
        attempts: turns that failed.
        failed_at: when the first of them did, ns; 0 for now.
        life: of the actor there.
        restarts: of that actor, by its supervisor.
        replays: how often the message had been taken back before.
    """
    now = ledger.now_ns()
    number, ledger.counters.next_dead = ledger.counters.next_dead, ledger.counters.next_dead + 1
    letter = Dead(
        box=box,
        type=type,
        envelope=ledger.bodies.stow_bytes(raw),
        reason=reason,
        error=error.__class__.__qualname__ if error else "",
        text=text or (storable(error) if error else ""),
        traceback=show_traceback(error),
        attempts=attempts,
        failed_at=failed_at or now,
        died_at=now,
        life=life,
        restarts=restarts,
        replays=replays,
    )
    ledger.write(Table.DEAD, key(number), pack(letter))
    ledger.counters.died += 1
