"""Closing: how a node ends in good order."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from ..mailbox.errors import StoreFull
from .room import TRY_AGAIN_S

if TYPE_CHECKING:
    from .runtime import Runtime

log = logging.getLogger("callboard.node")


async def close(runtime: Runtime, drain_s: float) -> None:
    """Take nothing in, let turns in hand finish for a while, commit, and stop."""
    runtime.intake.close("the node was closed: send through a node that is open")
    workers = runtime.workers
    workers.closing = True
    await _let_turns_end(runtime, drain_s)
    for worker in list(workers.suspended):
        worker.interrupt("the node closes")
    patience_ends = runtime.clock() + max(drain_s, TRY_AGAIN_S)
    await _let_turns_end(runtime, float("inf"), patience_ends)
    if runtime.end_tree is not None:
        await runtime.end_tree()
    await runtime.lives.rest_all()
    runtime.settled = await _commit_all(runtime, patience_ends)
    workers.finished = True
    workers.wake()


async def _let_turns_end(runtime: Runtime, within_s: float, patience_ends: float = float("inf")) -> None:
    """Wait for suspended turns, and commit what they wait for: a Ctrl-C may have ended the leader.

    When patience ends and the disk is full, they end without it, as if the node had been killed.
    """
    ledger, workers = runtime.ledger, runtime.workers
    with trio.move_on_after(within_s):
        while workers.suspended:
            ledger.try_again()
            ledger.commit()
            if ledger.stalled is not None and runtime.clock() >= patience_ends:
                ledger.abandon(ledger.stalled)
            with trio.move_on_after(TRY_AGAIN_S):
                await workers.wait_none_suspended()


async def _commit_all(runtime: Runtime, until: float) -> bool:
    """Commit what is open; False if the disk is full and stays so."""
    ledger = runtime.ledger
    while ledger.flight is not None or not ledger.open.empty:
        if runtime.failure is not None:
            return False  # the disk broke meanwhile, so nothing will be committed any more
        ledger.commit()
        with trio.move_on_after(TRY_AGAIN_S), suppress(StoreFull):
            await ledger.wait_durable(ledger.lsn - 1)
        if ledger.stalled is not None and runtime.clock() >= until:
            log.error(
                "the node closes without its last commit, since the disk is full: %d turns are as if they "
                "had not been and run again later, and what callers outside sent since is not stored: %s",
                ledger.turns_ahead,
                ledger.stalled,
            )
            return False
        ledger.try_again()  # the task that did it may be cancelled by now
    return True
