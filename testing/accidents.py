"""Accidents: what can be done to the nodes of a simulation; each is a method of `Simulation`.

`faults` has the same as operations of a plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..actors.durations import Seconds, in_seconds

if TYPE_CHECKING:
    from ..actors.actor import Actor
    from .nodes import SimulatedNode
    from .trace import Trace

POINTS = (
    "turn.begin",
    "turn.end",
    "turn.resumed",
    "commit.before_durable",
    "commit.durable",
    "timer.fired",
)
"""Where `crash_at` can kill a node."""
LINK_POINTS = (
    "link.hello",
    "link.sent",
    "link.taken",
    "link.stored",
    "link.acknowledged",
    "link.handed_over",
)
"""Where it can kill one that is linked to others."""


class Accidents:
    """The part of a simulation that breaks things."""

    trace: Trace
    nodes: list[SimulatedNode]
    _nursery: trio.Nursery

    def _node(self, index: int) -> SimulatedNode:
        return self.nodes[index % len(self.nodes)]

    async def crash(self, *, after: int = 0, node: int = 0, down: Seconds = 0.0) -> None:
        """Kill a node as `kill -9` would: what is not on disk is lost.

        Args:
            after: rounds of trio's scheduler to let pass before, so that what was begun comes so far.
            node: which.
            down: simulated seconds until it is started again; with 0 it runs again when this returns.
        """
        for _ in range(after):
            await trio.lowlevel.checkpoint()
        target, down_s = self._node(node), in_seconds(down, "down=")
        life = target.life
        target.kill(down_s)
        if life is not None:
            await life.over.wait()
        if not down_s:
            await target.wait_up()

    def crash_at(self, point: str, *, nth: int = 1, node: int = 0, down: Seconds = 0.0) -> None:
        """Kill a node when it comes to a point of its code for the nth time from now.

        Args:
            point: one of `POINTS`, or of `LINK_POINTS`.
            nth: from 1.
            node: which.
            down: simulated seconds until it is started again.

        Raises:
            ValueError: there is no such point.
        """
        if point not in POINTS + LINK_POINTS:
            raise ValueError(f"there is no point {point!r}; there are {', '.join(POINTS + LINK_POINTS)}")
        self._node(node).kill_at(point, nth, in_seconds(down, "down="))

    async def restart(self, *, node: int = 0, types: list[type[Actor]] | None = None) -> None:
        """Close a node and open it again, perhaps with other code.

        Args:
            node: which.
            types: the actor classes it knows from now on; by default the same.
        """
        target = self._node(node)
        if types is not None:
            target.types = types
        await target.close()
        await target.wait_up()

    def freeze(self, seconds: Seconds, *, node: int = 0) -> None:
        """Let a node do nothing for a time, as a stopped process; its clock goes on."""
        self._nursery.start_soon(self._node(node).freeze, in_seconds(seconds, "seconds"))

    def clock_jump(self, seconds: float, *, node: int = 0) -> None:
        """Set a node's wall clock forward, or back."""
        self._node(node).set_clock(seconds)

    def clock_drift(self, rate: float, *, node: int = 0) -> None:
        """Let a node's wall clock go `rate` times as fast as time, until faults end."""
        self._node(node).set_clock(0.0, rate)

    def disk_full(self, seconds: Seconds, *, node: int = 0) -> None:
        """Let a node's disk take only what frees room, for a time."""
        self._nursery.start_soon(self._node(node).disk.fill, in_seconds(seconds, "seconds"))

    def slow_disk(self, lag: Seconds, seconds: Seconds, *, node: int = 0) -> None:
        """Let every commit of a node take `lag`, for a time."""
        disk = self._node(node).disk
        self._nursery.start_soon(disk.slow_down, in_seconds(lag, "lag="), in_seconds(seconds, "seconds"))

    def fsync_error(self, *, wrote: bool = False, node: int = 0) -> None:
        """Let a node's next commit fail, which ends that life of it (G17).

        Args:
            wrote: whether the commit is on disk all the same, which nobody can know before the next start.
            node: which.
        """
        self._node(node).disk.fail_sync(wrote=wrote)

    def corrupt_record(self, which: int = 0, *, node: int = 0) -> None:
        """Damage one segment of mail or one state on a node's disk; found when it is next read."""
        found = self._node(node).disk.corrupt(which)
        self.trace.note(node, "DAMAGED", found or "nothing: the disk is empty")

    def actor_raises(self, which: int | str, times: int = 1, *, node: int = 0) -> None:
        """Let the next turns of an actor fail, after all that its handler did.

        Args:
            which: its name, or a number, modulo the number of actors there are.
            times: how many turns in a row.
            node: which.
        """
        self._node(node).let_raise(which, times)
