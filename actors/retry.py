"""Retry: what a handler's author says about its failures. `supervision.failing` decides by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from .durations import Seconds, in_seconds
from .kinds import is_class

Exhausted = Literal["dead_letter", "pause"]
ErrorTypes = type[BaseException] | Iterable[type[BaseException]]


def _to_wait(value: Seconds) -> float:
    return in_seconds(value, "Retry(wait=...)")


def _to_max_wait(value: Seconds) -> float:
    return in_seconds(value, "Retry(max_wait=...)")


def _to_types(value: ErrorTypes) -> tuple[type[BaseException], ...]:
    return (value,) if isinstance(value, type) else tuple(value)


def _check_attempts(_: object, __: object, value: object) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"Retry(attempts={value!r}): give 1 (no retry) or more; the first attempt counts")


def _check_jitter(_: object, __: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"Retry(jitter={value!r}): give a part of the wait, from 0 to 1")


def _check_on(_: object, __: object, value: tuple[object, ...]) -> None:
    for type_ in value:
        if not (is_class(type_) and issubclass(type_, BaseException)):
            raise TypeError(f"Retry(on=...): give exception classes; {type_!r} is none")


def _check_exhausted(_: object, __: object, value: object) -> None:
    if value not in ("dead_letter", "pause"):
        raise ValueError(f'Retry(exhausted={value!r}): give "dead_letter" or "pause"')


@attrs.frozen(kw_only=True)
class Retry:
    """How often and when a failed message is tried again, and what becomes of it at last (G7).

    The wait doubles from `wait` to `max_wait`; each is drawn from around it by `jitter`. The
    default makes 12 attempts in about three minutes.
    """

    attempts: int = attrs.field(default=12, validator=_check_attempts)
    """All attempts, the first among them; at least 1."""
    wait: float = attrs.field(default=0.1, converter=_to_wait)
    """Seconds, or a timedelta, before the second attempt."""
    max_wait: float = attrs.field(default=60.0, converter=_to_max_wait)
    """The longest wait, in seconds or as a timedelta."""
    jitter: float = attrs.field(default=0.2, validator=_check_jitter)
    """By how much a wait may be shorter or longer, as a part of it, from 0 to 1."""
    on: tuple[type[BaseException], ...] = attrs.field(
        default=(Exception,), converter=_to_types, validator=_check_on
    )
    """Only these errors are tried again. `Exception` takes in a SystemExit raised by a handler; an
    exception group is tried again if all it holds would be."""
    exhausted: Exhausted = attrs.field(default="dead_letter", validator=_check_exhausted)
    """Afterwards: a `dead_letter`, or `pause` the mailbox with the message in hand."""


@attrs.frozen
class Again:
    """Decision: try it again."""

    at_ns: int
    """When, in nanoseconds since the epoch."""


@attrs.frozen
class Dead:
    """Decision: the message becomes a dead letter."""

    reason: str


@attrs.frozen
class Pause:
    """Decision: the mailbox waits, message in hand, until somebody resumes it."""

    reason: str


Decision = Again | Dead | Pause
"""What becomes of a failed message; made by `supervision.failing`, handed down to the runtime."""
