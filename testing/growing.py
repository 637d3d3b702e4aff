"""Growing: supervision trees in a simulation, started in every life of their node; a part of `Simulation`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from ..supervision.errors import TreeGaveUp
from ..supervision.running import RunningTree
from ..supervision.state import Status

if TYPE_CHECKING:
    from ..supervision.specs import Supervisor
    from .life import Life
    from .nodes import SimulatedNode

RESTARTED_AFTER_S = 1.0
"""Simulated seconds after which a node is started again whose tree gave up."""
BUSY = (Status.STARTING, Status.STOPPING, Status.EXITED, Status.RESTARTING)


class Grove:
    """The supervision tree of one node, life after life."""

    def __init__(self) -> None:
        self.spec: Supervisor | None = None
        """What every life of the node starts first."""
        self.gave_up: list[str] = []
        """The reports of the lives that ended because the topmost supervisor gave up."""

    async def live(self, life: Life) -> None:
        """Run the tree, if there is one, until the life is to be left."""
        if self.spec is None:
            await life.leave.wait()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.plant, life, self.spec)
            await life.leave.wait()
            nursery.cancel_scope.cancel()

    async def plant(self, life: Life, spec: Supervisor) -> None:
        """Start the tree in a life."""
        life.tree = await life.node.start(spec)

    def is_end(self, error: BaseException) -> bool:
        """Whether a life ended because its tree gave up."""
        if isinstance(error, TreeGaveUp):
            self.gave_up.append(str(error))
            return True
        return False

    def is_calm(self, life: Life) -> bool:
        """Whether all of the tree runs that will run without being asked to."""
        if life.tree is None:
            return self.spec is None
        overseers = list(life.tree.overseers())
        return not any(
            overseer.state.task is not None
            or any(place.status in BUSY for place in overseer.state.children.values())
            for overseer in overseers
        )


class Growing:
    """The part of a simulation that starts trees."""

    nodes: list[SimulatedNode]

    async def start(self, tree: Supervisor, *, node: int = 0) -> None:
        """Start a supervision tree, in this life of a node and in every later one.

        Returns when all its children run. A node whose tree gives up closes, and is started again a second
        later, as a process manager would do.

        Raises:
            TreeGaveUp: a child could not be started; later lives do not start the tree.
            Crashed: the node was killed meanwhile; later lives start the tree.
        """
        target = self.nodes[node % len(self.nodes)]
        life = await target.wait_up()
        target.grove.spec = tree
        try:
            with target.clients.calling("start"):
                await target.grove.plant(life, tree)
        except TreeGaveUp:
            target.grove.spec = None
            raise

    async def tend(self, act: Callable[[RunningTree], Awaitable[None]], *, node: int = 0) -> None:
        """Ask something of the running tree: `await sim.tend(lambda tree: tree.terminate_child("till"))`.

        Raises:
            Crashed: the node was killed meanwhile, or no tree runs there.
            ChildRefused: what was asked was not done.
        """
        target = self.nodes[node % len(self.nodes)]
        life = target.life
        with target.clients.calling("tend", runs=life is not None and life.tree is not None):
            assert life is not None
            assert life.tree is not None
            await act(life.tree)
