"""Retry: what a handler's author says about its failures. `supervision.failing` decides by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import force_setattr

from .durations import Seconds, in_seconds
from .kinds import is_class

Exhausted = Literal["dead_letter", "pause"]
ErrorTypes = type[BaseException] | Iterable[type[BaseException]]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often and when a failed message is tried again, and what becomes of it at last (G7).

    The wait doubles from `wait` to `max_wait`; each is drawn from around it by `jitter`. The
    default makes 12 attempts in about three minutes.

    Raises:
        ValueError: a number or a word makes no sense.
        TypeError: a wait is no duration, or `on` has something else than exception classes.
    """

    attempts: int = 12
    """All attempts, the first among them; at least 1."""
    wait: float = 0.1
    """Seconds, or a timedelta, before the second attempt."""
    max_wait: float = 60.0
    """The longest wait, in seconds or as a timedelta."""
    jitter: float = 0.2
    """By how much a wait may be shorter or longer, as a part of it, from 0 to 1."""
    on: tuple[type[BaseException], ...] = (Exception,)
    """Only these errors are tried again. `Exception` takes in a SystemExit raised by a handler; an
    exception group is tried again if all it holds would be."""
    exhausted: Exhausted = "dead_letter"
    """Afterwards: a `dead_letter`, or `pause` the mailbox with the message in hand."""

    if TYPE_CHECKING:  # what may be given; checkers would want what is kept

        def __init__(
            self,
            *,
            attempts: int = 12,
            wait: Seconds = 0.1,
            max_wait: Seconds = 60.0,
            jitter: float = 0.2,
            on: ErrorTypes = (Exception,),
            exhausted: Exhausted = "dead_letter",
        ) -> None: ...

    def __post_init__(self) -> None:
        force_setattr(self, "wait", in_seconds(self.wait, "Retry(wait=...)"))
        force_setattr(self, "max_wait", in_seconds(self.max_wait, "Retry(max_wait=...)"))
        force_setattr(self, "on", (self.on,) if isinstance(self.on, type) else tuple(self.on))
        _check(self.attempts, self.jitter, self.on, self.exhausted)


def _check(attempts: object, jitter: object, on: tuple[object, ...], exhausted: object) -> None:
    if type(attempts) is not int or attempts < 1:
        raise ValueError(f"Retry(attempts={attempts!r}): give 1 (no retry) or more; the first attempt counts")
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise ValueError(f"Retry(jitter={jitter!r}): give a part of the wait, from 0 to 1")
    for type_ in on:
        if not (is_class(type_) and issubclass(type_, BaseException)):
            raise TypeError(f"Retry(on=...): give exception classes; {type_!r} is none")
    if exhausted not in ("dead_letter", "pause"):
        raise ValueError(f'Retry(exhausted={exhausted!r}): give "dead_letter" or "pause"')


class Again(msgspec.Struct, frozen=True):
    """Decision: try it again."""

    at_ns: int
    """When, in nanoseconds since the epoch."""


class Dead(msgspec.Struct, frozen=True):
    """Decision: the message becomes a dead letter."""

    reason: str


class Pause(msgspec.Struct, frozen=True):
    """Decision: the mailbox waits, message in hand, until somebody resumes it."""

    reason: str


Decision = Again | Dead | Pause
"""What becomes of a failed message; made by `supervision.failing`, handed down to the runtime."""
