"""Room: what a node does while its store has little room left, or none (G13, G17).

Three marks, each with something left above it for those who may still go on:

- Above three quarters of the quota, nothing is taken in from outside; turns go on.
- Above seven eighths, and while the disk is full, only turns take effect that do not make the store larger.
  A turn that would is undone at no cost, and its mailbox stands aside until there is room.
- What runs ahead of the disk is at most a sixteenth of the quota, so what is begun below a mark ends below
  the next, unless one message is larger than that.

A commit that found the disk full is tried again a few times a second, together with what was done since.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from ..mailbox.errors import StoreFull
from .cell import Cell, Phase

if TYPE_CHECKING:
    from .runtime import Runtime

log = logging.getLogger("callboard.node")

TRY_AGAIN_S = 0.25
"""How soon a full disk is tried again, seconds."""
LEAST_AHEAD = 64 * 1024
"""Bytes that may run ahead of the disk however small the quota is."""


class Room:
    """How much room there is, and who waits for it."""

    def __init__(self, runtime: Runtime, quota: int | None) -> None:
        self.quota = quota
        self.tight = False
        """Turns that would make the store larger stand aside."""
        self.disk: StoreFull | None = None
        """The disk is full, and this is how it said so."""
        self.waiting: dict[Cell, None] = {}
        """Mailboxes whose next turn would make the store larger, in the order in which that was found."""
        self._runtime = runtime

    @property
    def ahead(self) -> int:
        """Bytes that may run ahead of the disk."""
        return 1 << 60 if self.quota is None else max(LEAST_AHEAD, self.quota // 16)

    @property
    def is_shut(self) -> bool:
        """Whether what is outside has to wait for room."""
        return self.quota is not None and self._runtime.ledger.used_bytes > self.quota // 4 * 3

    @property
    def is_stuck(self) -> bool:
        """Whether a batch waits for room on the disk: what time brings would only pile up behind it."""
        return self.disk is not None and self._runtime.ledger.flight is not None

    def on_durable(self) -> None:
        """A batch is on disk: perhaps it took room, perhaps it gave some."""
        if self.quota is not None or self.tight:
            self.look()
        if self.disk is None and self._runtime.store.is_scarce():
            self.full(StoreFull("what is left of its file system is kept to take mail out: make room there"))

    def look(self) -> None:
        """Find out how much room there is, and let those go on who may."""
        runtime, quota = self._runtime, self.quota
        if self.disk is not None and runtime.ledger.stalled is None and not runtime.store.is_scarce():
            log.warning("there is room on the disk again: the node goes on")
            self.disk = None
        if quota is not None:
            runtime.ledger.used_bytes = runtime.store.usage().used
        tight = self.disk is not None or (quota is not None and runtime.ledger.used_bytes > quota // 8 * 7)
        if tight is self.tight:
            return
        self.tight = tight
        runtime.workers.be_thrifty(tight)
        if tight:
            if self.disk is None:
                log.warning("%s", self.why())
            return
        if quota is not None:
            log.info("the store is below its quota's reserve: every turn goes on")
        waiting, self.waiting = self.waiting, {}
        for cell in waiting:
            if cell.phase is Phase.WAITING:
                cell.phase = Phase.READY
                runtime.schedule.add(cell)
        runtime.workers.wake()

    def lift_quota(self) -> None:
        """From now on the store may have any size."""
        self.quota = None
        self.look()
        self._runtime.intake.reconsider()

    def stand_aside(self, cell: Cell) -> None:
        """Let a mailbox wait until there is room; its turn was undone."""
        cell.phase = Phase.WAITING
        self.waiting[cell] = None

    def full(self, error: StoreFull) -> None:
        """A commit found the disk full: try it again in a moment."""
        first, self.disk = self.disk is None, error
        if first:
            log.error("the disk is full, so nothing is taken in until there is room: %s", error)
            self.look()
            self._runtime.start_soon(self._try_again)

    async def _try_again(self) -> None:
        """Until there is room, try again the batch that found none, if one waits."""
        runtime = self._runtime
        while self.disk is not None:
            await trio.sleep(TRY_AGAIN_S)
            runtime.ledger.try_again()
            if runtime.ledger.flight is None:
                self.look()
                runtime.intake.reconsider()

    def why(self) -> str:
        """What there is no room for, and what to do about it; empty if there is enough."""
        used = self._runtime.ledger.used_bytes
        aside = f"; {len(self.waiting)} mailboxes wait to make it larger" if self.waiting else ""
        if self.disk is not None:
            return f"full: the disk{aside}: {self.disk}"
        if self.quota is None or not self.is_shut:
            return ""
        turns = "no turn that makes the store larger takes effect" if self.tight else "turns go on"
        return (
            f"full: the store holds {used} bytes of its quota of {self.quota}: nothing is taken in from "
            f"outside, {turns}{aside}. It goes on by itself when mail was handled; if nothing moves, drop "
            "dead letters (callboard dead drop), or open the node with a larger quota="
        )
