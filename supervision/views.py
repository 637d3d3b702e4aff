"""Views: the children of a supervisor as values to look at, and the report of what went wrong."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..actors.exits import GaveUp, describe
from .fields import Restart
from .history import tell
from .specs import AnySupervisor, Child, Dynamic
from .state import State, Status


class ChildView(msgspec.Struct, frozen=True):
    """One child as it is now."""

    name: str
    kind: Literal["worker", "supervisor"]
    status: Status
    restart: Restart
    significant: bool
    waits: int
    """Restarts that it was the cause of since it last ran quietly."""
    since: float
    """When it last started, in monotonic seconds; 0.0 if it never has."""


class Counts(msgspec.Struct, frozen=True):
    """How many children there are; those of a template have one spec."""

    specs: int
    active: int
    """That run."""
    supervisors: int
    workers: int


def which_children(state: State) -> tuple[ChildView, ...]:
    """All children, in start order."""
    return tuple(
        ChildView(
            name=place.name,
            kind="worker" if isinstance(place.spec, Child) else "supervisor",
            status=place.status,
            restart=place.spec.terms.restart,
            significant=place.spec.terms.significant,
            waits=place.waits,
            since=place.since,
        )
        for place in state.children.values()
    )


def count_children(spec: AnySupervisor, state: State) -> Counts:
    """How many children there are, running or not, and of which kind."""
    places = state.children.values()
    workers = sum(isinstance(place.spec, Child) for place in places)
    return Counts(
        specs=1 if isinstance(spec, Dynamic) else len(places),
        active=sum(place.status is Status.RUNNING for place in places),
        supervisors=len(places) - workers,
        workers=workers,
    )


def explain(spec: AnySupervisor, state: State) -> str:
    """What went wrong under this supervisor, from the first failure to the last, for people.

    The report of a supervisor below that gave up is part of it, so that of the topmost shows the whole chain.
    """
    who = f"supervisor {spec.name!r}"
    if isinstance(state.exit, GaveUp):
        return f"{who} gave up: {state.exit.text}"
    if state.exit is not None:
        return tell(f"{who} {describe(state.exit)}", state.history)
    return tell(f"{who}: {len(state.history)} failures are remembered", state.history)
