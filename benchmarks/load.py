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
AWAKE_S = 0.002
"""A wait shorter than this is no sleep, since the system's clock wakes a millisecond late."""
IN_A_ROW = 50
"""Calls offered before others have their chance."""


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

        Args:
            meant: seconds from now.
            until: says that no more are to be made.
        """
        began = time.perf_counter()
        outbox, inbox = trio.open_memory_channel[float](1 << 30)
        async with trio.open_nursery() as nursery:
            for _ in range(CALLERS):
                nursery.start_soon(self._make, inbox)
            for number, at in enumerate(meant):
                await _wait_until(began + at)
                if until():
                    break
                outbox.send_nowait(began + at)
                if number % IN_A_ROW == 0:
                    await trio.lowlevel.checkpoint()
            outbox.close()

    async def _make(self, inbox: trio.MemoryReceiveChannel[float]) -> None:
        async for meant in inbox:
            await self.call()
            self.latencies.append(time.perf_counter() - meant)

    def found(self) -> Measured:
        """What the calls took, from when they were meant."""
        shares = {"value": 0.5, "p99": 0.99, "p999": 0.999}
        return {name: percentile(self.latencies, share) for name, share in shares.items()}


async def _wait_until(when: float) -> None:
    while (left := when - time.perf_counter()) > 0:
        if left > AWAKE_S:
            await trio.sleep(left - AWAKE_S)
        else:
            await trio.lowlevel.checkpoint()
