"""Trace: everything that happened in a simulation, in order, so that two runs can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import trio


class Event(NamedTuple):
    """One thing that happened."""

    at: float
    """Seconds of virtual time."""
    node: int
    """Which node; -1 for the test itself."""
    what: str
    """A point of the runtime (`turn.begin`, `commit.durable`), a fault, or what a client did."""
    about: tuple[Any, ...]
    """Plain values: names, numbers, texts."""


class Trace:
    """The events of one simulation."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._texts: dict[int, Callable[[], str]] = {}

    def note(self, node: int, what: str, *about: Any) -> None:
        """Write an event down; of `about` only what is plain and repeats."""
        self.events.append(Event(trio.current_time(), node, what, about))

    def name_message(self, number: int, show: Callable[[], str]) -> None:
        """Remember how to show a message, for the day somebody asks."""
        self._texts[number] = show

    def show_message(self, number: int) -> str:
        """A message as people see it."""
        show = self._texts.get(number)
        return f"message {number}" if show is None else show()

    def hash(self) -> str:
        """A digest of every event: equal for equal runs, in any process."""
        return hashlib.blake2b(repr(self.events).encode(), digest_size=12).hexdigest()


def first_difference(one: Trace, other: Trace) -> str:
    """Where two runs of one plan parted, as a sentence; empty if they did not."""
    pairs = zip(one.events, other.events, strict=False)
    for number, (was, now) in enumerate(pairs):
        if was != now:
            return f"event {number} was {_show(was)} the first time and {_show(now)} the second"
    if len(one.events) != len(other.events):
        longer, which = (one, "first") if len(one.events) > len(other.events) else (other, "second")
        at = min(len(one.events), len(other.events))
        return f"event {at}, {_show(longer.events[at])}, happened only the {which} time"
    return ""


def _show(event: Event) -> str:
    about = " ".join(str(value) for value in event.about)
    return f"`t={event.at:g} node {event.node} {event.what} {about}`"
