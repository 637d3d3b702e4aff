"""Stepped: a run of trio that goes on only while somebody waits for its next step.

Hypothesis calls the rules of a state machine one by one, as plain functions, and they shall all happen in
one simulation, which is one run of trio. So trio is a guest here: what it would do next is put
aside, and done while a step lasts, in the caller's own thread. Between steps it stands still, and its
clock with it. Two threads that hand over to each other would do as well, but each would have to be freed
from every way in which the other can end; and Hypothesis' `assume`, `note` and `data.draw` know
their own thread only.

A guest needs a helper thread when there is nothing to do but wait for the real world. That does not
happen on a clock that jumps: trio then never waits, but goes on at once, to the next moment.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio
import trio.lowlevel
from trio.testing import MockClock

from .errors import SimulationError

if TYPE_CHECKING:
    from outcome import Outcome

T = TypeVar("T")


class _BrokenOff(BaseException):
    """Ends a block that nobody needs any more; no `Exception`, so that nobody reports it."""


async def _break_off() -> None:
    raise _BrokenOff


class _Step(Generic[T]):
    """One thing to do in the run."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self.done = False
        self.value: T
        self._function = function

    async def take(self) -> None:
        self.value = await self._function()
        self.done = True


class SteppedRun:
    """An async block on a virtual clock, in which steps are taken from outside, one by one.

    What a step raises ends the block and the run, and comes out of that step.
    """

    def __init__(self, block: AbstractAsyncContextManager[object]) -> None:
        """Take a block; it begins with `begin`."""
        self.goes_on = False
        """It has begun, and is not over."""
        self.in_step = False
        """Now is in a step."""
        self._block = block
        self._ticks: deque[Callable[[], object]] = deque()
        self._steps, self._coming = trio.open_memory_channel[_Step[Any]](1)
        self._unwrap: Callable[[], None]

    def begin(self) -> None:
        """Enter the block.

        Raises:
            SimulationError: this thread is in a run of trio already.
        """
        if trio.lowlevel.in_trio_run():
            raise SimulationError(
                "a machine cannot begin inside a run of trio. If this is no async test, another machine's "
                "simulation has not ended: a teardown() of your own must call super().teardown()"
            )
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._ticks.append,
            done_callback=self._end,
            clock=MockClock(autojump_threshold=0),
        )
        self.goes_on = True
        self.step(trio.lowlevel.checkpoint)

    def step(self, function: Callable[[], Awaitable[T]]) -> T:
        """Do something in the block, and return when it is done.

        Raises:
            SimulationError: the run is over.
            BaseException: what the step or the block raised.
        """
        if not self.goes_on:
            raise SimulationError("the simulation of this machine is over: it failed, or was torn down")
        step = _Step(function)
        self._steps.send_nowait(step)
        self._tick_until(lambda: step.done)
        if not step.done:
            self._unwrap()
        return step.value

    def close(self) -> None:
        """Leave the block.

        Raises:
            BaseException: what leaving it raised.
        """
        self._steps.close()
        self._tick_until(lambda: False)
        self._unwrap()

    def abandon(self) -> None:
        """Break the block off, since an error is on its way already; only Ctrl-C is worth another one."""
        try:
            self.step(_break_off)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: S110 - whatever it is, it comes of the one on its way
            pass

    async def _main(self) -> None:
        async with self._block:
            async for step in self._coming:
                await step.take()

    def _end(self, outcome: Outcome[None]) -> None:
        self.goes_on, self._unwrap = False, outcome.unwrap

    def _tick_until(self, enough: Callable[[], bool]) -> None:
        self.in_step = True
        try:
            while self.goes_on and not enough():
                while not self._ticks:
                    time.sleep(0)  # a test waits in real time: wait_all_tasks_blocked(cushion=...)
                self._tick()
        finally:
            self.in_step = False

    def _tick(self) -> None:
        try:
            self._ticks.popleft()()
        except BaseException:
            # Ctrl-C when all tasks had ended, for until then trio keeps it for the main task; or what some
            # other signal's handler raises in trio's own code. No tick will follow this one.
            self.goes_on = False
            self._ticks.clear()
            raise
