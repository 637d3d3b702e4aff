"""Draft: a state being rewritten, and the actions that go with it; what a decision works on.

It lives for one event. The children are copied at most once, however many of them change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..actors.exits import Exit
from .actions import Action, Denied, Forget, Reason, Reply, Report
from .events import Event, Exited
from .history import Incident, remember
from .specs import AnySupervisor, Dynamic
from .state import Phase, Place, State, Status, Task


class Draft:
    """What a decision reads and writes."""

    def __init__(self, spec: AnySupervisor, state: State, now: float, random: float) -> None:
        self.spec = spec
        self.now = now
        """Monotonic seconds."""
        self.random = random
        """From 0 to 1, for the jitter."""
        self.phase = state.phase
        self.task = state.task
        self.postponed = state.postponed
        self.restarts = state.restarts
        self.exit = state.exit
        self._state = state
        self._children = state.children
        self._copy: dict[str, Place] | None = None
        self._waits = state.waits
        self._history = state.history
        self._actions: list[Action] = []

    def result(self) -> tuple[State, tuple[Action, ...]]:
        """The new state and the actions, in order."""
        state = State(
            children=self._children,
            phase=self.phase,
            task=self.task,
            postponed=self.postponed,
            restarts=self.restarts,
            waits=self._waits,
            history=self._history,
            exit=self.exit,
        )
        return state, tuple(self._actions)

    # What is asked of it.

    @property
    def is_dynamic(self) -> bool:
        """Whether its children are of one template."""
        return isinstance(self.spec, Dynamic)

    @property
    def is_over(self) -> bool:
        """Whether it is stopping or has stopped: nothing is started any more."""
        return self.phase in (Phase.STOPPING, Phase.ENDED)

    @property
    def history(self) -> tuple[Incident, ...]:
        """The last failures that counted."""
        return self._history

    def names(self) -> tuple[str, ...]:
        """The children's, in start order."""
        return tuple(self._children)

    def places(self) -> Iterator[Place]:
        """The children, in start order."""
        return iter(self._children.values())

    def find(self, name: str) -> Place | None:
        """A child, if there is one of this name."""
        return self._children.get(name)

    # What is done to it.

    def do(self, action: Action) -> None:
        """One more action."""
        self._actions.append(action)

    def report(self, text: str) -> None:
        """A line for the log."""
        self.do(Report(f"supervisor {self.spec.name!r}: {text}"))

    def answer(self, token: object) -> None:
        """A request was done."""
        self.do(Reply(token))

    def deny(self, token: object, reason: Reason, text: str, exit: Exit | None = None) -> None:
        """A request cannot be done."""
        self.do(Reply(token, Denied(reason, f"supervisor {self.spec.name!r}: {text}", exit)))

    def put(self, place: Place, **changes: Any) -> Place:
        """A child as it is now; a new one comes last."""
        place = msgspec.structs.replace(place, **changes)
        self._own()[place.name] = place
        return place

    def forget(self, place: Place) -> None:
        """A child's spec is deleted."""
        del self._own()[place.name]
        self.do(Forget(place.name))

    def change_task(self, **changes: Any) -> None:
        """The task goes on."""
        assert self.task is not None
        self.task = msgspec.structs.replace(self.task, **changes)

    def begin_task(self, task: Task) -> None:
        """There is something to do that takes more than one event."""
        self.task = task

    def postpone(self, event: Event) -> None:
        """An event waits until the task is done."""
        self.postponed = (*self.postponed, event)

    def take_next(self) -> Event:
        """The event that has waited longest."""
        event, self.postponed = self.postponed[0], self.postponed[1:]
        return event

    def absorb(self, name: str) -> None:
        """An exit that waits is no news any more: the child was to be stopped anyhow."""
        self.postponed = tuple(
            event for event in self.postponed if not (isinstance(event, Exited) and event.name == name)
        )

    def next_wait(self) -> int:
        """The number of a new wait."""
        self._waits += 1
        return self._waits

    def remember(self, name: str, exit: Exit, *, starting: bool) -> None:
        """A failure that counts is one more for the report."""
        self._history = remember(self._history, Incident(self.now, name, exit, starting))

    def settle(self, place: Place) -> None:
        """A child is not running any more and will not be restarted for its own sake.

        Its spec stays, unless it is temporary or made from a template. A supervisor that stops forgets
        nobody: what is declared or kept about its children is its successor's.
        """
        if place.status is Status.EXITED:
            self.absorb(place.name)
        gone_for_good = place.spec.terms.restart == "temporary" or self.is_dynamic
        if place.refused or (gone_for_good and not self.is_over):
            self.forget(place)
        else:
            self.put(place, status=Status.DOWN)

    def _own(self) -> dict[str, Place]:
        if self._copy is None:
            self._children = self._copy = dict(self._children)
        return self._copy
