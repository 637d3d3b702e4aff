"""Latency: how long a durable tell and an ask take under load, so that people can plan.

The load is a share of what this very run could do at most, offered at random times; `load` says why its
waits are honest.
"""

import itertools
from pathlib import Path

import trio
from load import Load, times
from measures import Sink
from sizes import Measured, Sizes, check

from callboard import ActorRef, open_node

RECEIVERS = 100
"""Actors that hear of it by turns, so that a queue before one of them is not what is measured."""


def _under(sizes: Sizes, folder: Path, share: float, *, asking: bool) -> Measured:
    """Seconds, in the median, at a share of the capacity."""

    async def measure() -> Measured:
        async with open_node(folder / "store") as node:
            sinks = [await node.spawn(Sink(), name=f"sink {number}") for number in range(RECEIVERS)]
            line, made = itertools.cycle(sinks), itertools.count()

            async def tell() -> None:
                next(made)
                await next(line).tell(Sink.take("ann", 1, "rent"))

            async def ask() -> None:
                next(made)
                await next(line).ask(Sink.ask("ann", 1, "rent"))

            load = Load(ask if asking else tell)
            capacity = await load.capacity(sizes.load)
            await load.offer(times(capacity * share, sizes.load_s))
            check("calls under load", await _total(sinks), next(made))
            return load.found() | {"offered": capacity * share}

    return trio.run(measure)


async def _total(sinks: list[ActorRef[Sink]]) -> int:
    return sum([await sink.ask(Sink.ask("ann", 0, "")) for sink in sinks])


def tell_10(sizes: Sizes, folder: Path) -> Measured:
    """A tell, durable, at 10 % of the capacity."""
    return _under(sizes, folder, 0.1, asking=False)


def tell_50(sizes: Sizes, folder: Path) -> Measured:
    """The same at half of it."""
    return _under(sizes, folder, 0.5, asking=False)


def tell_90(sizes: Sizes, folder: Path) -> Measured:
    """The same at 90 %."""
    return _under(sizes, folder, 0.9, asking=False)


def ask_10(sizes: Sizes, folder: Path) -> Measured:
    """An ask, its turn durable when it is answered, at 10 % of the capacity."""
    return _under(sizes, folder, 0.1, asking=True)


def ask_50(sizes: Sizes, folder: Path) -> Measured:
    """The same at half of it."""
    return _under(sizes, folder, 0.5, asking=True)


def ask_90(sizes: Sizes, folder: Path) -> Measured:
    """The same at 90 %."""
    return _under(sizes, folder, 0.9, asking=True)
