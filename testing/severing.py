"""Severing: what can be done to the network of a simulation; a part of `Simulation`.

`faults` has the same as operations of a plan. Each acts between a node and an `other`; where both are the
same, the next one is meant. With one node, or nodes that are not linked, none does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import trio

from ..actors.durations import Seconds, in_seconds

if TYPE_CHECKING:
    from ..mailbox.memory import MemoryStore
    from .network import Network, Way
    from .nodes import SimulatedNode


class Severing:
    """The part of a simulation that breaks links."""

    linked: bool
    network: Network
    nodes: list[SimulatedNode]
    _nursery: trio.Nursery

    def _names(self, node: int, other: int) -> tuple[str, str]:
        count = len(self.nodes)
        node, other = node % count, other % count
        return self.nodes[node].name, self.nodes[(other + (node == other)) % count].name

    def _ways(self, node: int, other: int, *, both: bool = False) -> list[Way]:
        if not self.linked:
            return []
        one, two = self._names(node, other)
        return [self.network.way(*pair) for pair in [(one, two), (two, one)][: 1 + both]]

    def partition(self, seconds: Seconds, *, node: int = 0, other: int = 1, both: bool = True) -> None:
        """Let nothing through between two nodes for a time: what is sent is lost, and who dials waits.

        Args:
            seconds: how long.
            node: which.
            other: the other one.
            both: both ways, or only from `node` to `other`.
        """
        ways = self._ways(node, other, both=both)
        _note(self.network, ways, f"is parted for {in_seconds(seconds, 'seconds'):g} s")

        def part(by: int) -> None:
            for way in ways:
                way.parted += by

        self._for_a_time(in_seconds(seconds, "seconds"), part)

    def hold(self, seconds: Seconds, *, node: int = 0, other: int = 1) -> None:
        """Let what is sent from `node` to `other` wait for a time, then come all at once."""
        ways = self._ways(node, other)
        _note(self.network, ways, f"is held for {in_seconds(seconds, 'seconds'):g} s")

        def hold(by: int) -> None:
            for way in ways:
                way.held += by

        self._for_a_time(in_seconds(seconds, "seconds"), hold)

    def delay(self, by: Seconds, *, node: int = 0, other: int = 1) -> None:
        """Let everything from `node` to `other` take `by`, until faults end."""
        for way in self._ways(node, other):
            way.delay_s = in_seconds(by, "by=")
            self.network.note(way.name, f"takes {way.delay_s:g} s")

    def drop(self, count: int = 1, *, node: int = 0, other: int = 1) -> None:
        """Lose the next frames from `node` to `other`."""
        for way in self._ways(node, other):
            way.drops += count

    def duplicate(self, count: int = 1, *, late: Seconds = 0.0, node: int = 0, other: int = 1) -> None:
        """Let each of the next frames from `node` to `other` come twice.

        Args:
            count: how many.
            late: how long after the first the second comes, though the wire may be another one by then.
            node: which.
            other: the other one.
        """
        for way in self._ways(node, other):
            way.doubles += [in_seconds(late, "late=")] * count

    def reorder(self, count: int = 1, *, by: Seconds = 0.05, node: int = 0, other: int = 1) -> None:
        """Let each of the next frames from `node` to `other` come late by `by`, so that others pass it."""
        for way in self._ways(node, other):
            way.late += [in_seconds(by, "by=")] * count

    def cut(self, *, node: int = 0, other: int = 1, heard: bool = True) -> None:
        """Break all wires between two nodes.

        Args:
            node: hears of it.
            other: the other one.
            heard: whether that hears of it, too; if not, it goes on with wires that lead nowhere.
        """
        if self.linked:
            one, two = self._names(node, other)
            self.network.note(f"{one}->{two}", "all wires are cut")
            self.network.cut(one, two, heard=heard)

    def copy_store(self, *, node: int = 0) -> MemoryStore:
        """A copy of what is on a node's disk now: a backup."""
        return self.nodes[node % len(self.nodes)].store.copy()

    async def put_store_back(self, copy: MemoryStore, *, node: int = 0) -> None:
        """Start a node again over an older copy of its store, as after a wrong restore from a backup.

        What was done since is gone, so the promises about it hold no more: the simulation checks none of
        this node's, nor of its links', from then on.
        """
        target = self.nodes[node % len(self.nodes)]
        life = target.life
        target.kill(why="to start over an old copy of its store", then=copy)
        if life is not None:
            await life.over.wait()
        await target.wait_up()

    def _for_a_time(self, seconds: float, change: Callable[[int], None]) -> None:
        self._nursery.start_soon(_change_for, self.network, seconds, change)


async def _change_for(network: Network, seconds: float, change: Callable[[int], None]) -> None:
    healings = network.healings
    change(1)
    network.changed()
    await trio.sleep(seconds)
    if network.healings == healings:
        change(-1)
        network.changed()


def _note(network: Network, ways: Iterable[Way], what: str) -> None:
    for way in ways:
        network.note(way.name, what)
