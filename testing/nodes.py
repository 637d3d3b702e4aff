"""Nodes of a simulation: the production runtime over a store in memory, life after life."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from ..actors.errors import is_group
from ..actors.types import Types
from ..actors.world import Habits, World
from ..cluster.node import Node
from ..cluster.opening import VIRTUAL_EPOCH_NS, run_runtime
from ..mailbox.errors import StoreError
from ..mailbox.memory import MemoryStore
from ..mailbox.records import Box, unpack
from ..mailbox.soundness import ALL
from ..mailbox.store import Table
from ..supervision.failing import decide
from . import auditing, invariants, wiring
from .clients import Clients
from .disk import Disk
from .errors import FailedSync, InvariantBroken, Kill, Killed
from .growing import RESTARTED_AFTER_S, Grove
from .history import History
from .life import FaultInjected, Life, Trap
from .recorder import Recorder
from .schedules import Drawn
from .surroundings import forget_habits

if TYPE_CHECKING:
    from ..actors.mail import Mail
    from .history import Sent
    from .simulation import Simulation

DRAIN_S = 5.0


class SimulatedNode:
    """One node of a simulation, and what can be done to it."""

    def __init__(self, sim: Simulation, index: int, seed: int, habits: Habits) -> None:
        self.index = index
        self.title = f"node {index}" if sim.count > 1 else "the node"
        self.name = f"n{index}" if sim.count > 1 else ""
        self.traffic = sim.traffic
        self.types = sim.types
        """Actor classes that its next life knows; None for all imported ones."""
        self.trace = sim.trace
        self.history = History()
        self.order = invariants.Order()
        self.clients = Clients(self)
        self.grove = Grove()
        self.life: Life | None = None
        """The life that runs; None while it is down."""
        self.lives = 0
        self.damaged = False
        """A record was damaged on purpose."""
        self._sim = sim
        self._random = Random(seed)
        self.habits = wiring.habits_of(sim, self.name, habits)
        self._retired = False
        self._frozen = False
        self._offset_s, self._rate = 0.0, 1.0
        self._traps: list[Trap] = []
        self._raises: dict[str, int] = {}
        self._down_s = 0.0
        self._up = trio.Event()
        self._hurry = trio.Event()
        self._recorder = Recorder(self)
        self._schedule = Drawn(sim.turns)
        self.store = MemoryStore(entropy=self._random.randbytes, now_ns=self.now_ns, node=self.name)
        self.disk = Disk(self)
        self.traffic.meet(self.name, self.store.identity.uuid)

    # Lives.

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Live, and live again after every crash, until the simulation ends."""
        while True:
            await self._live(task_status)
            task_status = trio.TASK_STATUS_IGNORED
            self.history.crash()  # a node that closes while its disk is full leaves what does not fit
            self.store = self.store.reopen(node=self.name)
            self.disk.reopened()
            auditing.audit(self)
            if self._retired:
                return
            await self._stay_down()

    async def retire(self) -> None:
        """Close it for good."""
        self._retired = True
        await self.close()

    async def _live(self, task_status: trio.TaskStatus[None]) -> None:
        self._recorder = recorder = Recorder(self)
        forget_habits(self.types)
        try:
            async with run_runtime(self.store, self._world(recorder), self.habits, DRAIN_S) as runtime:
                life = self.life = Life(Node(runtime), runtime, recorder)
                self.lives += 1
                self.trace.note(self.index, "opened", self.lives)
                async with wiring.linked(self._sim, life):
                    task_status.started()
                    self._up.set()
                    await self.grove.live(life)
        except BaseException as error:
            if not self._is_death(error):
                raise
        finally:
            if self.life is not None:
                self.life.over.set()
            self.life = None
            if self._up.is_set():  # or somebody still waits for the one there is
                self._up = trio.Event()

    def _is_death(self, error: BaseException) -> bool:
        """Whether a life ended as it was meant to; a failed sync ends it, too (G17)."""
        if is_group(error):
            return all(self._is_death(each) for each in error.exceptions)
        if isinstance(error, FailedSync) and not self._recorder.over:
            if error.wrote:
                self.history.commit(self._recorder.sealed_lsn)
                self.traffic.commit(self.name, self._recorder.sealed_lsn)
            self._note_death("FAILS: the disk could not sync")
        if self.grove.is_end(error):
            self._down_s = RESTARTED_AFTER_S
            return True
        return self._recorder.over and isinstance(error, Kill | StoreError)

    def _world(self, recorder: Recorder) -> World:
        self._schedule = Drawn(self._sim.turns)
        self._schedule.paused = self._frozen
        return World(
            now_ns=self.now_ns,
            clock=trio.current_time,
            tick=float,  # a constant: no time passes while something is computed
            random=self._random,
            schedule=self._schedule,
            types=Types(self.types),
            decide=decide,
            longest_nap_s=float("inf"),
            probe=recorder,
        )

    async def _stay_down(self) -> None:
        if self._down_s:
            self._hurry = trio.Event()
            with trio.move_on_after(self._down_s):
                await self._hurry.wait()
            self._down_s = 0.0

    async def wait_up(self) -> Life:
        """Return when it runs."""
        while self.life is None or self.life.recorder.over:
            await self._up.wait()
        return self.life

    # What its recorder asks and tells.

    def now_ns(self) -> int:
        """Its wall clock."""
        now = VIRTUAL_EPOCH_NS + int((trio.current_time() * self._rate + self._offset_s) * 1e9)
        self.history.latest_ns = max(self.history.latest_ns, now)
        return now

    def broken(self, error: InvariantBroken) -> None:
        """A promise was not kept."""
        self._sim.fail(error)

    def committed(self) -> None:
        """A commit is on disk: the invariants of the test's own hold too."""
        self._sim.check_invariants()

    def taken_in(self, mail: Mail, sent: Sent) -> None:
        """A message from outside was taken in."""
        self.clients.taken_in(mail, sent)

    def reached(self, point: str) -> None:
        """A point at which it may be killed.

        Raises:
            Kill: it is.
        """
        for trap in self._traps:
            if trap.point == point:
                trap.left -= 1
                if trap.left <= 0:
                    self._traps.remove(trap)
                    self.kill(trap.down_s, f"at {point}")
                    raise Kill

    def raise_for(self, name: str) -> None:
        """Raise in the turn of an actor that was told to.

        Raises:
            FaultInjected
        """
        if self._raises.get(name):
            self._raises[name] -= 1
            self.trace.note(self.index, "raises", name)
            raise FaultInjected(f"{name} was told to fail here")

    # Faults.

    def kill(self, down_s: float = 0.0, why: str = "", then: MemoryStore | None = None) -> None:
        """Kill it, as `kill -9` would; the next life begins after `down_s` seconds. Nothing if it is down.

        Args:
            down_s: how long it is down.
            why: for the timeline.
            then: another store, over which it goes on.
        """
        if self._recorder.over or (self.life is None and not why):
            return
        if self.life is not None and self.life.runtime.failure is not None:
            return  # its disk has killed it already
        self.store.crash()
        if then is not None:
            self.store, self.history, self.damaged = then, History(), True
            self.traffic.excuse(self.name)
        self._down_s = down_s
        self._note_death(f"CRASH {why}".strip())
        if self.life is not None:
            self.life.runtime.die(Killed("this node was killed"))

    def give_up(self) -> None:
        """End for good, without a word; nothing if it has been closed."""
        self._retired = True
        if self.life is not None and not self._recorder.over:
            self._recorder.over = True
            self.store.crash()
            self.life.runtime.die(Killed("the simulation is over"))

    def _note_death(self, how: str) -> None:
        self._recorder.over = True
        self.trace.note(self.index, how, f"{self.history.crash()} turns are lost")
        self._raises.clear()
        self._sim.network.crash(self.name)

    def kill_at(self, point: str, nth: int, down_s: float) -> None:
        """Kill it when it comes to a point for the nth time from now."""
        self._traps.append(Trap(point, nth, down_s))

    async def close(self) -> None:
        """Close it cleanly; returns when all it had was written. The next life begins at once."""
        life = self.life
        if life is None or life.recorder.over:
            return
        self.trace.note(self.index, "closes")
        self.disk.heal()
        self._thaw()
        life.leave.set()
        await life.over.wait()

    async def freeze(self, seconds: float) -> None:
        """Let it do nothing for a time, while its clock goes on: a stopped process, a paused machine."""
        self._frozen = self._schedule.paused = True
        with wiring.unreachable(self._sim, self.name):
            await self.disk.freeze(seconds)
        self._thaw()

    def _thaw(self) -> None:
        self._frozen = self._schedule.paused = False
        if self.life is not None:
            self.life.runtime.workers.wake()

    def set_clock(self, by_s: float, rate: float | None = None) -> None:
        """Let its wall clock jump, and from then on go at another rate."""
        self._offset_s += by_s
        if rate is not None:
            self._offset_s += trio.current_time() * (self._rate - rate)
            self._rate = rate
        if self.life is not None:
            self.life.runtime.wake_alarm()

    def let_raise(self, which: int | str, times: int) -> None:
        """Let the next turns of an actor, given by name or by number, fail after all they did."""
        names = [which] if isinstance(which, str) else self.actors()
        if names:
            self._raises[names[which % len(names) if isinstance(which, int) else 0]] = times

    def actors(self) -> list[str]:
        """Names of the actors that live on its disk, in the order in which their mailboxes were made."""
        if self._recorder.over:
            return []  # it is about to be down, and nobody can read its disk
        boxes = [unpack(Box, value) for _, value in self.store.scan(Table.BOXES, limit=ALL)]
        return [box.name for box in boxes if box.type]

    def heal(self) -> None:
        """End every fault; if it is down, it comes up now. Its clock stays as it is."""
        self._traps.clear()
        self._raises.clear()
        self.disk.heal()
        self._thaw()
        self._rate, self._offset_s = 1.0, self._offset_s + trio.current_time() * (self._rate - 1.0)
        self._hurry.set()
