"""Simulation: nodes in a world of their own, in which everything that can fail fails on demand.

The runtime is the production one; replaced are its clock, its disk, its randomness and the order of what can
be done in any order. So a run can be repeated, a week takes moments, a crash is exact to the line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType

import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from ..actors.actor import Actor
from ..actors.durations import Seconds, in_seconds
from ..actors.world import Habits
from ..cluster.opening import sole
from . import hanging, report
from .accidents import Accidents
from .calling import Calling
from .errors import Crashed, InvariantBroken, Kill, NotConverged
from .growing import Growing
from .guard import guarded
from .invariants import check_plain
from .network import Network
from .nodes import SimulatedNode
from .plan import Op, Plan
from .reading import Reading
from .schedules import Choices, tasks_ordered
from .severing import Severing
from .surroundings import alone, quiet, rarely_collected
from .trace import Trace
from .traffic import Traffic

LIMIT_S = 30 * 86400.0
STEP_S = 0.05
LONGEST_STEP_S = 60.0


class Simulation(Accidents, Severing, Calling, Growing, Reading):
    """A world of one or more simulated nodes; an async context manager inside a virtual-clock `trio.run`.

    `run_simulation` and `@simulate` make the `trio.run`; inside a test on a `MockClock`, write
    `async with Simulation() as sim`. Every promise of the runtime is checked as it goes
    (`callboard.testing.invariants`); a broken one ends the block with `InvariantBroken`.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        linked: bool = True,
        plan: Plan | None = None,
        seed: int = 0,
        types: list[type[Actor]] | None = None,
        speculation: bool = True,
        quota: int | None = None,
        idle: Seconds = 60.0,
        park: Seconds | None = 3600.0,
        limit: Seconds = LIMIT_S,
    ) -> None:
        """Describe a world; it begins with the block.

        Args:
            nodes: how many, each with its own store. Several are called n0, n1, ...
            linked: join several by links, over a simulated network.
            plan: what `run_plan` does, and in which order those run who could run in any.
            seed: of jitter and uuids.
            types: the actor classes its nodes know; by default all imported ones.
            speculation: see `open_node`.
            quota: see `open_node`; `converge` lifts it, since mail that cannot fit would wait for ever.
            idle: see `open_node`.
            park: see `open_node`.
            limit: simulated seconds after which the simulation fails, and says what still waits.

        Raises:
            ValueError: no nodes.
        """
        if nodes < 1:
            raise ValueError(f"a simulation has at least one node; got nodes={nodes}")
        self.plan = plan or Plan()
        self.count = nodes
        self.types = types
        self.linked = linked and nodes > 1
        self.trace = Trace()
        self.network = Network(lambda way, what: self.trace.note(-1, way, what))
        self.traffic = Traffic()
        self.failure: BaseException | None = None
        self.turns = Choices(self.plan.turns)
        self.nodes: list[SimulatedNode] = []
        self.clients_running = 0
        self._ids = 0
        self.tasks = Choices(())
        self._seed = seed
        self._limit_s = in_seconds(limit, "limit=")
        self._habits = Habits(
            speculation=speculation,
            quota=quota,
            roundtrip=True,
            idle_s=in_seconds(idle, "idle="),
            park_s=None if park is None else in_seconds(park, "park="),
        )
        self._always: list[Callable[[Simulation], object]] = []
        self._nursery: trio.Nursery
        self._block: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Simulation:
        """Begin.

        Raises:
            SimulationError: the clock is not virtual, or another simulation runs.
        """
        self._block = self._world()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """End: close the nodes, and look at what they left."""
        assert self._block is not None
        return await self._block.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _world(self) -> AsyncGenerator[None]:
        try:
            with (
                alone(),
                quiet(),
                rarely_collected(),
                guarded(self.fail),
                tasks_ordered(self.tasks, self._spins),
            ):
                async with self._nodes_running():
                    yield
        except Exception as error:
            report.explain(error, self)
            raise

    @asynccontextmanager
    async def _nodes_running(self) -> AsyncGenerator[None]:
        outcome: BaseException | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                self.network.nursery = self._nursery
                self.nodes = [SimulatedNode(self, n, self._seed + n, self._habits) for n in range(self.count)]
                for node in self.nodes:
                    await self._nursery.start(node.run)
                self._nursery.start_soon(self._watch_time)
                self.tasks.renew(self.plan.tasks)  # not before, or the opening would use them up
                try:
                    yield
                    for node in self.nodes:
                        await node.retire()
                except BaseException as error:
                    outcome = error
                self._give_up()
        except BaseExceptionGroup as group:
            outcome = outcome if isinstance(outcome, KeyboardInterrupt) else sole(group)
        if self.failure is not None and not isinstance(outcome, KeyboardInterrupt):
            raise self.failure from (outcome if isinstance(outcome, Exception) else None)
        if outcome is not None:
            raise outcome

    async def _watch_time(self) -> None:
        await trio.sleep(self._limit_s)
        self.fail(NotConverged(f"the limit of {self._limit_s:g} simulated s is over{hanging.describe(self)}"))

    def _spins(self) -> None:
        self.fail(NotConverged(f"tasks go round and round while no time passes{hanging.describe(self)}"))

    def fail(self, error: BaseException) -> None:
        """End the simulation with an error; the first one counts."""
        if self.failure is None:
            self.failure = error
            self.trace.note(-1, "FAILED", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
            self._give_up()

    def _give_up(self) -> None:
        """End at once: a node that closed as it should would wait for a disk that nobody heals any more."""
        for node in self.nodes:
            node.give_up()
        self._nursery.cancel_scope.cancel()

    # Phases.

    async def run_plan(self) -> None:
        """Do what the plan says, one after the other, and let everything run that can without time passing.

        Faults happen where they stand. The plan's other operations run beside each other, as clients: one
        that meets a crash ends there, with its outcome unknown, unless it catches `Crashed` and tries again.
        """
        for op in self.plan.ops:
            self.trace.note(-1, "plan", repr(op))
            if op.verb.is_fault:
                await op.run(self)
            else:
                self.start_client(op)
            await trio.lowlevel.checkpoint()
        await self.settle()

    def start_client(self, op: Op) -> None:
        """Run an operation beside the test."""
        self.clients_running += 1
        self._nursery.start_soon(self._client, op)

    async def _client(self, op: Op) -> None:
        try:
            await op.run(self)
        except (Crashed, Kill) as error:
            self.trace.note(-1, "client gives up", repr(op), type(error).__name__)
        except Exception as error:
            self.fail(error)
        finally:
            self.clients_running -= 1

    async def settle(self) -> None:
        """Let everything run that can without time passing."""
        await wait_all_tasks_blocked()

    async def converge(self, *, within: Seconds = 3600.0) -> None:
        """End all faults, bring every node up, and return when all mail is handled.

        Mail that waits for a time, a person, an actor or code does not count.

        Args:
            within: simulated seconds that it may take.

        Raises:
            NotConverged: work was still left; the text says which, and where it hangs.
        """
        self.trace.note(-1, "heal")
        self.network.heal()
        for node in self.nodes:
            node.heal()
            node.disk.lift_quota()
        await self.drain(within=within)
        wrong = self.traffic.lost()
        if wrong:
            raise InvariantBroken("handed over", wrong)

    async def drain(self, *, within: Seconds = 3600.0) -> None:
        """Return when all mail is handled and every client has ended, without ending the faults.

        Raises:
            NotConverged: work was still left after `within` simulated seconds.
        """
        limit = in_seconds(within, "within=")
        step = STEP_S
        with trio.move_on_after(limit):
            while True:
                await self.settle()
                if self._calm():
                    return
                await trio.sleep(step)
                step = min(2 * step, LONGEST_STEP_S)
        raise NotConverged(f"work is left after {limit:g} simulated s{hanging.describe(self)}")

    def _calm(self) -> bool:
        return not self.clients_running and all(map(hanging.is_calm, self.nodes))

    def always(self, invariant: Callable[[Simulation], object]) -> None:
        """Check an invariant of your own after every commit: it looks at `sim.states`, and raises.

        Raises:
            SimulationError: it is async.
        """
        check_plain(invariant)
        self._always.append(invariant)

    def check_invariants(self) -> None:
        """Check what `always` was given."""
        for invariant in self._always:
            try:
                invariant(self)
            except Exception as error:
                name = getattr(invariant, "__name__", "invariant")
                broken = InvariantBroken(name, str(error) or type(error).__name__)
                broken.__cause__ = error
                self.fail(broken)
