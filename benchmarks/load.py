"""Load: calls offered at times of their own, whether or not the ones before were answered.

A caller that waits for its answer before it asks again asks less when things are slow, and so leaves out
just the waits that would have been worst (coordinated omission). Here every call has a time at which it is
meant, drawn beforehand; its latency counts from then, also if nobody was free to make it.
"""

import random
import time
from collections.abc import Awaitable, Callable, Iterator

import attrs
import trio
from sizes import Measured, percentile

Call = Callable[[], Awaitable[object]]

CALLERS = 400
"""Calls that may be under way at once; more of them wait, and their clock runs."""


def times(rate: float, seconds: float) -> Iterator[float]:
    """When calls are meant, in seconds from the start: at random, the same in every run."""
    rng, at = random.Random(1), 0.0
    while (at := at + rng.expovariate(rate)) < seconds:
        yield at


@attrs.define
class Load:
    """Makes one kind of call again and again."""

    call: Call
    latencies: list[float] = attrs.field(factory=list[float])

    async def capacity(self, count: int) -> float:
        """Calls a second when there is always one more to make."""
        began = time.perf_counter()
        await self.offer(iter([0.0] * count))
        self.latencies.clear()
        return count / (time.perf_counter() - began)

    async def offer(self, meant: Iterator[float], until: Callable[[], bool] = lambda: False) -> None:
        """Make calls at their times, and wait for all of them.

        Every caller takes a time and sleeps until it: a task that dealt them out would add a round of the
        loop to each, and beside somebody who computes that is a step of theirs.

        Args:
            meant: seconds from now.
            until: says that no more are to be made.
        """
        began = trio.current_time()
        async with trio.open_nursery() as awake:
            awake.start_soon(_stay_awake)
            async with trio.open_nursery() as nursery:
                for _ in range(CALLERS):
                    nursery.start_soon(self._make, began, meant, until)
            awake.cancel_scope.cancel()

    async def _make(self, began: float, meant: Iterator[float], until: Callable[[], bool]) -> None:
        for at in meant:
            if trio.current_time() < began + at:
                await trio.sleep_until(began + at)
            if until():
                break
            await self.call()
            self.latencies.append(trio.current_time() - began - at)

    def found(self) -> Measured:
        """What the calls took, from when they were meant."""
        shares = {"value": 0.5, "p99": 0.99, "p999": 0.999}
        return {name: percentile(self.latencies, share) for name, share in shares.items()}


async def _stay_awake() -> None:
    """Keep the loop from sleeping, since the system's clock wakes it a millisecond late."""
    while True:
        await trio.lowlevel.checkpoint()
