"""Wiring: how the nodes of a simulation are joined by links, life after life."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import msgspec
import trio

from ..cluster.addresses import Address
from ..cluster.links import Links
from ..cluster.peers import Peer

if TYPE_CHECKING:
    from ..actors.world import Habits
    from .life import Life
    from .simulation import Simulation

CLUSTER = "callboard"
PORT = 7000
FLUSH_S = 5.0
"""How long a node that closes waits until its mail is handed over, as `drain` does in production."""


def names(sim: Simulation) -> list[str]:
    """The names of all nodes of a simulation."""
    return [f"n{index}" for index in range(sim.count)]


def habits_of(sim: Simulation, name: str, habits: Habits) -> Habits:
    """A node's habits, with those whom it may send mail to."""
    return msgspec.structs.replace(habits, peers=frozenset(names(sim)) - {name}) if sim.linked else habits


@asynccontextmanager
async def linked(sim: Simulation, life: Life) -> AsyncGenerator[None]:
    """Join a life to the other nodes while the block lasts, if they are to be joined."""
    if not sim.linked:
        yield
        return
    runtime = life.runtime
    transport = sim.network.transport(runtime.name)
    peers = {name: Peer(Address(name, PORT), node=name) for name in names(sim)}
    links = life.node.links = Links(runtime, CLUSTER, peers, transport)
    await links.run(runtime.nursery, [peers[runtime.name].address])
    yield
    with trio.move_on_after(FLUSH_S):
        await links.flush()


@contextmanager
def unreachable(sim: Simulation, name: str) -> Generator[None]:
    """Let nothing come to a node, or from it, while the block lasts: it is frozen."""
    if not sim.linked:
        yield
        return
    network, healings = sim.network, sim.network.healings
    ways = network.ways_of(name, names(sim))
    for way in ways:
        way.held += 1
    network.changed()
    try:
        yield
    finally:
        if network.healings == healings:
            for way in ways:
                way.held -= 1
            network.changed()
