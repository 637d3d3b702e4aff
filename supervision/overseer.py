"""Overseer: carries out what `deciding` decides for one supervisor, and tells it what happens.

One overseer is one run of one supervisor. It hears of its actors from `actors.guarding`, and of the
supervisors below it from their overseers. Whatever it hears goes through its queue, so that one event is
decided and done before the next.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio

from ..actors.exits import Exit, Killed, Stopped
from .actions import Action, End, Forget, Ready, Reply, Report, Start, Stop, Wait
from .deciding import decide
from .events import Begin, Event, Exited, ShutDown, Started, StartFailed, StopDone
from .specs import AnyChild, AnySupervisor, Child
from .state import Phase, State, fresh

if TYPE_CHECKING:
    from .running import RunningTree

log = logging.getLogger("callboard.supervision")


class Overseer:
    """One supervisor at work; keeps the `Guardian` contract for the actors under it."""

    def __init__(self, tree: RunningTree, spec: AnySupervisor, parent: Overseer | None) -> None:
        self.tree = tree
        self.spec = spec
        self.parent = parent
        self.state: State = fresh(spec, tree.register.remembered(spec))
        self.ready = False
        self._below: dict[str, Overseer] = {}
        self._guests: set[str] = set()
        """Actors that lived before they were added here, and have not started here yet."""
        self._exits: dict[str, Exit] = {}
        """How children ended, until that is settled."""
        self._stopping = False
        """It was told to stop by the supervisor above it."""
        self._queue: deque[Event] = deque()
        self._busy = False

    @property
    def name(self) -> str:
        """The supervisor's name."""
        return self.spec.name

    # Hearing.

    def tell(self, event: Event) -> None:
        """Something happened; decide what follows, and do it."""
        self._queue.append(event)
        if self._busy or self.tree.lost:
            return
        self._busy = True
        try:
            while self._queue:
                self._hear(self._queue.popleft())
        finally:
            self._busy = False

    def _hear(self, event: Event) -> None:
        runtime = self.tree.runtime
        if isinstance(event, Exited | StopDone):
            self._exits[event.name] = event.exit
        elif isinstance(event, ShutDown):
            self._stopping = True
        elif isinstance(event, Started):
            self._guests.discard(event.name)
        was_over = self.is_over
        self.state, actions = decide(self.spec, self.state, event, runtime.clock(), runtime.random.random())
        for action in actions:
            self._do(action)
        if not was_over:
            self.tree.register.remember(self)

    # Its actors, as their `Guardian`.

    def started(self, name: str) -> None:
        """See `Guardian.started`."""
        self.tell(Started(name))

    def start_failed(self, name: str, exit: Exit) -> None:
        """See `Guardian.start_failed`."""
        self.tell(StartFailed(name, exit))

    def exited(self, name: str, exit: Exit) -> None:
        """See `Guardian.exited`."""
        self.tell(Exited(name, exit))

    def stopped(self, name: str, *, killed: bool) -> None:
        """See `Guardian.stopped`."""
        exit_ = Killed("its patience was over") if killed else Stopped(f"its supervisor {self.name!r}")
        self.tell(StopDone(name, exit_))

    # Doing.

    def _do(self, action: Action) -> None:
        match action:
            case Start():
                self._start(self.state.children[action.name].spec)
            case Stop():
                self._stop(action.name, action.patience)
            case Wait():
                self.tree.runtime.start_soon(self._wait, action)
            case Reply():
                self.tree.replied(action)
            case Forget():
                self._forget(action.name)
            case Ready():
                self.ready = True
                self._say(Started(self.name))
            case End():
                self._end(action.exit)
            case Report():
                log.warning("%s", action.text)

    def _start(self, child: AnyChild) -> None:
        self._exits.pop(child.name, None)
        guarding = self.tree.runtime.guarding
        if isinstance(child, Child):
            if guarding.is_free(child.name):
                self._guests.add(child.name)
            guarding.start(child.actor, child.name, self)
        else:
            before = self._below.get(child.name)
            below = self._below[child.name] = Overseer(self.tree, child, self)
            if before is not None:
                self.tree.register.forsake(before.state.children.keys() - below.state.children.keys())
            below.tell(Begin())

    def _stop(self, name: str, patience_s: float | None) -> None:
        below = self._below.get(name)
        if below is None:
            why = f"stopped by its supervisor {self.name!r}"
            self.tree.runtime.guarding.stop(name, patience_s, why, self)
        elif below.is_over:
            self.tell(StopDone(name, self._exits.get(name) or Stopped("itself")))
        else:
            below.tell(ShutDown(f"its supervisor {self.name!r}"))

    async def _wait(self, wait: Wait) -> None:
        await trio.sleep(wait.seconds)
        self.tell(wait.event)

    def _forget(self, name: str) -> None:
        """A child's spec is deleted, and an actor's life ends with it."""
        below = self._below.pop(name, None)
        if below is not None:
            below.dissolve()
        elif name in self._guests:
            self._guests.discard(name)
            self.tree.runtime.guarding.let_go(name, self)
        else:
            exit_ = self._exits.pop(name, None) or Stopped(f"its supervisor {self.name!r}")
            self.tree.runtime.guarding.let_go(name, self, exit_)

    def dissolve(self) -> None:
        """It has ended and will never run again, nor will those under it: their lives end, too."""
        for name, place in self.state.children.items():
            if isinstance(place.spec, Child):
                exit_ = self._exits.get(name) or Stopped(f"its supervisor {self.name!r}")
                self.tree.runtime.guarding.let_go(name, self, exit_)
            else:
                below = self._below.get(name) or Overseer(self.tree, place.spec, self)
                below.dissolve()
        self.tree.register.drop(self.name)

    def _end(self, exit: Exit) -> None:
        why = f"its supervisor {self.name!r} has ended"
        for name, place in self.state.children.items():
            if isinstance(place.spec, Child):
                self.tree.runtime.guarding.keep_down(name, why, self)
        if self._stopping:  # also in the middle of its start: whoever told it waits for this answer
            self._say(StopDone(self.name, exit))
        elif not self.ready:
            self._say(StartFailed(self.name, exit))
        else:
            self._say(Exited(self.name, exit))

    def _say(self, event: Started | StartFailed | StopDone | Exited) -> None:
        """Tell the supervisor above, or, of the topmost, the tree."""
        if self.parent is not None:
            self.parent.tell(event)
        elif isinstance(event, Started):
            self.tree.is_ready()
        else:
            self.tree.has_ended(event.exit)

    def walk(self) -> Iterator[Overseer]:
        """This one and all below it that run."""
        yield self
        for below in self._below.values():
            if not below.is_over:
                yield from below.walk()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state.phase is Phase.ENDED
