"""Alarm: what happens when time has passed.

One task sleeps until the soonest of: a timer that is due, a failed message whose next
attempt is due, or the sweep that passivates idle actors.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import trio

from .cell import Cell, Phase
from .timers import NEVER

if TYPE_CHECKING:
    from .runtime import Runtime

SHORTEST_NAP_S = 1e-6
"""Less than this a clock in floating point cannot tell apart after some years."""

LONGEST_ROUND_S = 60.0
"""How long a store is left alone at the most, however long actors stay."""


class Alarm:
    """The clock of one node."""

    def __init__(self, runtime: Runtime, idle_s: float) -> None:
        self._runtime = runtime
        self._idle_s = idle_s
        self._longest_nap_s = runtime.longest_nap_s
        self._retries: list[tuple[float, int, int, Cell]] = []
        self._woken = trio.Event()
        self.waits_for_disk = False
        """A timer is due that is still on its way to the disk."""

    def wake(self) -> None:
        """Something is due sooner than was known."""
        self._woken.set()

    def retry_later(self, cell: Cell) -> None:
        """Give a cell another attempt at `cell.retry_at`.

        From now on that is a span of time: a wall clock that is set back does not make it longer.
        """
        runtime = self._runtime
        wait_s = max(0, cell.retry_at - runtime.now_ns()) / 1e9
        heapq.heappush(self._retries, (runtime.clock() + wait_s, cell.box, cell.retry_at, cell))
        self.wake()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Ring as long as the node lives; a Ctrl-C must not leave a timer half fired."""
        runtime = self._runtime
        next_sweep = runtime.clock() + min(self._idle_s, LONGEST_ROUND_S)
        while runtime.failure is None:
            self._woken = trio.Event()
            more = self._ring()
            if runtime.clock() >= next_sweep:
                self.sweep()
                runtime.tend_store()
                next_sweep = runtime.clock() + min(max(self._idle_s / 2, 0.01), LONGEST_ROUND_S)
            if more:
                await trio.lowlevel.checkpoint()
                continue
            with trio.move_on_at(min(self._wake_at(), next_sweep if self._has_rounds() else float("inf"))):
                await self._woken.wait()

    def _ring(self) -> bool:
        """Do what is due; True if there is more of it."""
        runtime = self._runtime
        now = runtime.now_ns()
        more = False
        if runtime.timers.soonest <= now and not runtime.room.is_stuck:
            more = runtime.timers.fire()
        while self._retries and self._retries[0][0] <= runtime.clock():
            _, _, retry_at, cell = heapq.heappop(self._retries)
            if cell.phase is Phase.BACKING_OFF and cell.retry_at == retry_at:
                cell.retry_at = 0
                runtime.cells.consider(cell)
        runtime.workers.wake()
        return more

    def _has_rounds(self) -> bool:
        """Whether somebody is awake who could rest, or a real store wants to be tended."""
        return bool(self._runtime.cells.by_name) or self._longest_nap_s < float("inf")

    def _wake_at(self) -> float:
        """When something is due again, by trio's clock."""
        runtime = self._runtime
        retry_at = self._retries[0][0] if self._retries else float("inf")
        if runtime.timers.soonest == NEVER:
            return retry_at
        left_s = (runtime.timers.soonest - runtime.now_ns()) / 1e9
        if left_s <= 0:
            # It is due but not on disk yet, or the disk is full: the watermark wakes us.
            self.waits_for_disk = True
            left_s = self._longest_nap_s
        nap_s = min(max(left_s, SHORTEST_NAP_S), self._longest_nap_s)
        return min(retry_at, runtime.clock() + nap_s)

    def sweep(self) -> None:
        """Passivate the actors that have been idle for long enough."""
        runtime = self._runtime
        before = runtime.clock() - self._idle_s
        for cell in list(runtime.cells.by_name.values()):
            if cell.used_at <= before:
                runtime.lives.let_rest(cell)
