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

LONGEST_NAP_S = 5.0
"""The wall clock can be set while we sleep, so a pending timer is looked at this often."""


class Alarm:
    """The clock of one node."""

    def __init__(self, runtime: Runtime, idle_s: float) -> None:
        self._runtime = runtime
        self._idle_s = idle_s
        self._retries: list[tuple[int, int, Cell]] = []
        self._woken = trio.Event()
        self.waits_for_disk = False
        """A timer is due that is still on its way to the disk."""

    def wake(self) -> None:
        """Something is due sooner than was known."""
        self._woken.set()

    def retry_later(self, cell: Cell) -> None:
        """Give a cell another attempt at `cell.retry_at`."""
        heapq.heappush(self._retries, (cell.retry_at, cell.box, cell))
        self.wake()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Ring for ever; a Ctrl-C must not leave a timer half fired."""
        runtime = self._runtime
        next_sweep = runtime.clock() + self._idle_s
        while True:
            self._woken = trio.Event()
            more = self._ring()
            if runtime.clock() >= next_sweep:
                self.sweep()
                runtime.tend_store()
                next_sweep = runtime.clock() + max(self._idle_s / 2, 0.01)
            if more:
                await trio.lowlevel.checkpoint()
                continue
            with trio.move_on_after(min(self._nap_s(), max(0.0, next_sweep - runtime.clock()))):
                await self._woken.wait()

    def _ring(self) -> bool:
        """Do what is due; True if there is more of it."""
        runtime = self._runtime
        now = runtime.now_ns()
        more = False
        if runtime.timers.soonest <= now:
            more = runtime.timers.fire()
        while self._retries and self._retries[0][0] <= now:
            _, _, cell = heapq.heappop(self._retries)
            if cell.phase is Phase.BACKING_OFF and cell.retry_at <= now:
                runtime.cells.consider(cell)
        runtime.workers.wake()
        return more

    def _nap_s(self) -> float:
        """How long nothing is due."""
        runtime = self._runtime
        soonest = min(runtime.timers.soonest, self._retries[0][0] if self._retries else NEVER)
        if soonest == NEVER:
            return float("inf")
        if runtime.timers.soonest <= runtime.now_ns():
            # It is due but not on disk yet: the watermark wakes us.
            self.waits_for_disk = True
            return LONGEST_NAP_S
        return min(max((soonest - runtime.now_ns()) / 1e9, 0.0), LONGEST_NAP_S)

    def sweep(self) -> None:
        """Passivate the actors that have been idle for long enough."""
        runtime = self._runtime
        before = runtime.clock() - self._idle_s
        for cell in list(runtime.cells.by_name.values()):
            if cell.used_at <= before:
                runtime.let_rest(cell)
