"""Life: one run of a simulated node, from its opening to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from ..cluster.node import Node
    from ..supervision.running import RunningTree
    from .recorder import Recorder


@attrs.define(eq=False)
class Life:
    """One run of the node, from its opening to its end."""

    node: Node
    runtime: Runtime
    recorder: Recorder
    tree: RunningTree | None = None
    """The supervision tree that runs in it."""
    leave: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)

    @property
    def ending(self) -> bool:
        """Whether it was killed, has failed, or closes."""
        runtime = self.runtime
        dead = self.recorder.over or runtime.failure is not None
        return dead or bool(runtime.gave_up) or self.leave.is_set()


@attrs.define
class Trap:
    """A point at which the node shall be killed."""

    point: str
    left: int
    down_s: float


class FaultInjected(Exception):
    """What an actor raises that was told to by the fault `actor_raises`."""
