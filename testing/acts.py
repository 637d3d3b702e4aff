"""Acts: what a handler asked its turn to do, as values to compare with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs

from ..actors.actor import Actor, actor_type
from ..actors.durations import Seconds, in_seconds
from ..actors.message import Message

Then = Callable[..., Message[Any, Any]]


def _seconds(value: Seconds) -> float:
    return in_seconds(value, "delay=")


def _patience(value: Seconds | None) -> float | None:
    return None if value is None else in_seconds(value, "timeout=")


def _callback(then: Then | None) -> object:
    """What makes two callbacks equal: partials are not by themselves."""
    if isinstance(then, functools.partial):
        return _callback(then.func), then.args, then.keywords
    return then


def _state(actor: Actor) -> object:
    return type(actor), actor_type(type(actor)).read(actor)


@attrs.frozen
class Sent:
    """A message to be delivered with the turn's commit: `await ref.tell(message)`."""

    to: str
    """Name of the receiver."""
    message: Message[Any, Any]
    id: str | None = None


@attrs.frozen
class Timed:
    """A message for later: `self.turn.after(...)`, or `tell` with `delay=` or `key=`."""

    to: str
    """Name of the receiver."""
    message: Message[Any, Any]
    delay: float = attrs.field(default=0.0, converter=_seconds)
    """Seconds; may be given as a timedelta."""
    key: str | None = None
    id: str | None = None


@attrs.frozen
class Cancelled:
    """A timer to be discarded: `self.turn.cancel(key)`."""

    key: str
    to: str
    """Whom the timer was for."""


@attrs.frozen
class Requested:
    """A question: `self.turn.request(...)`.

    To play the answer, make the message that would come: `requested.then(reply)`.
    """

    to: str
    """Name of the actor that is asked."""
    message: Message[Any, Any]
    then: Then | None = attrs.field(default=None, eq=_callback)
    failed: Then | None = attrs.field(default=None, eq=_callback)
    timeout: float | None = attrs.field(default=None, converter=_patience)
    """Seconds; may be given as a timedelta."""


@attrs.frozen
class Spawned:
    """An actor to be made, unless it lives already: `self.turn.spawn(...)`."""

    name: str
    actor: Actor = attrs.field(eq=_state)
    """As it was when it was spawned; equal to one of the same class with the same fields."""


Act = Sent | Timed | Cancelled | Requested | Spawned
