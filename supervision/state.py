"""State: what one supervisor knows, between two events. Frozen values, changed by `deciding` alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

import msgspec

from ..actors.exits import Exit
from .events import Event
from .history import Incident
from .specs import AnyChild, AnySupervisor


class Status(Enum):
    """What a child is doing, as far as its supervisor has heard."""

    DOWN = "down"
    """Not running, and nothing will start it but a request or the restart of its group."""
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    """It was told to stop and is not gone yet."""
    EXITED = "exited"
    """It ended by itself; what follows is decided when the supervisor is done with what it does now."""
    RESTARTING = "restarting"
    """Not running; it will be started when a wait is over."""


class Phase(Enum):
    """What the supervisor itself is doing."""

    NEW = "new"
    STARTING = "starting"
    """Its children are started for the first time; it is not `Ready` yet."""
    RUNNING = "running"
    STOPPING = "stopping"
    """No child is started any more."""
    ENDED = "ended"


class Place(msgspec.Struct, frozen=True):
    """One child's place under a supervisor: its spec, and what is known of its present life."""

    spec: AnyChild
    status: Status = Status.DOWN
    retry: int = 0
    """The number of the wait that it is restarted by; only while it is restarting."""
    waits: int = 0
    """Restarts that it was the cause of since it last ran quietly; the next wait grows with them."""
    since: float = 0.0
    """When it last started, in monotonic seconds."""
    refused: bool = False
    """Whoever asked for it was told that it was not started: it goes as soon as it has stopped."""

    @property
    def name(self) -> str:
        """The child's name."""
        return self.spec.name

    @property
    def is_alive(self) -> bool:
        """Whether there is an instance of it that must be stopped."""
        return self.status in (Status.STARTING, Status.RUNNING, Status.STOPPING)


# Tasks: what takes a supervisor more than one event. While it has one, all else is postponed.


class Boot(msgspec.Struct, frozen=True):
    """Start all children for the first time."""


class Regroup(msgspec.Struct, frozen=True):
    """Stop the other children of a group, then start it again."""

    failed: str
    """The child that it is done for."""
    delayed: bool
    """Between stopping and starting there is the back-off."""


class Hire(msgspec.Struct, frozen=True):
    """Start one child because somebody asked."""

    token: object
    name: str
    new: bool
    """It was added for this, and is forgotten if it does not start."""


class Dismiss(msgspec.Struct, frozen=True):
    """Stop one child because somebody asked."""

    token: object
    name: str


class Close(msgspec.Struct, frozen=True):
    """Stop all children, then end."""

    exit: Exit


class Task(msgspec.Struct, frozen=True):
    """What is being done: first the stops, one after another, then the starts."""

    purpose: Boot | Regroup | Hire | Dismiss | Close
    stops: tuple[str, ...] = ()
    """Names of those still to be told to stop, the next first."""
    starts: tuple[str, ...] = ()
    """Names of those still to be started afterwards, the next first."""
    awaited: int = 0
    """Stops that were ordered and are not done."""
    starting: str = ""
    """Who is just starting."""


class State(msgspec.Struct, frozen=True):
    """All that one supervisor knows."""

    children: Mapping[str, Place]
    """By name, in start order. Never changed in place."""
    phase: Phase = Phase.NEW
    task: Task | None = None
    postponed: tuple[Event, ...] = ()
    """Events that came while there was a task."""
    restarts: tuple[float, ...] = ()
    """When the restarts of the present window were, monotonic seconds, the newest first."""
    waits: int = 0
    """How many waits there have been; numbers them."""
    history: tuple[Incident, ...] = ()
    """The last failures that counted in the budget."""
    exit: Exit | None = None
    """How it ended, or is about to."""


def fresh(spec: AnySupervisor, more: Iterable[AnyChild] = ()) -> State:
    """The state before `Begin`.

    Args:
        spec: the supervisor's.
        more: children that were added while it ran in an earlier life of the node, in start order; they
            are started after the declared ones.
    """
    return State({child.name: Place(child) for child in (*spec.children, *more)})
