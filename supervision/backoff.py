"""Backoff: how long a supervisor waits before it restarts the same child again."""

from __future__ import annotations

from typing import Final, TypeGuard

import attrs

from ..actors.durations import Seconds, in_seconds

MOST_DOUBLINGS: Final = 1000
"""At 2**1024 a float would give up."""


def _to_first(value: Seconds) -> float:
    return in_seconds(value, "Backoff(first=...)")


def _to_longest(value: Seconds) -> float:
    return in_seconds(value, "Backoff(longest=...)")


def _to_reset_after(value: Seconds) -> float:
    return in_seconds(value, "Backoff(reset_after=...)")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_first(_: object, __: object, value: float) -> None:
    if value == 0:
        raise ValueError("Backoff(first=0): give more than 0 seconds; backoff=None restarts without a wait")


def _check_longest(backoff: Backoff, _: object, value: float) -> None:
    if value < backoff.first:
        raise ValueError(
            f"Backoff(longest={value!r}): it is less than first={backoff.first!r}; "
            "give the same for waits that do not grow"
        )


def _check_factor(_: object, __: object, value: object) -> None:
    if not _is_number(value) or not 1 <= value <= 1000:
        raise ValueError(
            f"Backoff(factor={value!r}): give a number from 1 (every wait alike) to 1000; 2 doubles"
        )


def _check_jitter(_: object, __: object, value: object) -> None:
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"Backoff(jitter={value!r}): give a part of the wait, from 0 to 1")


@attrs.frozen(kw_only=True)
class Backoff:
    """The waits between restarts of one child: an addition to OTP, which restarts at once.

    Each child has its own. The wait grows from `first` to `longest` and begins again at `first`
    when the child has run for `reset_after`.
    """

    first: float = attrs.field(default=0.1, converter=_to_first, validator=_check_first)
    """Seconds, or a timedelta, before the first restart; more than 0."""
    longest: float = attrs.field(default=30.0, converter=_to_longest, validator=_check_longest)
    """No wait is longer, in seconds or as a timedelta; only the jitter may add to it."""
    factor: float = attrs.field(default=2, validator=_check_factor)
    """By how much each wait is longer than the one before; at least 1."""
    reset_after: float = attrs.field(default=60.0, converter=_to_reset_after)
    """Seconds, or a timedelta, that a child must have run for the next wait to be `first` again."""
    jitter: float = attrs.field(default=0.2, validator=_check_jitter)
    """By how much a wait may be shorter or longer, as a part of it, from 0 to 1."""

    def wait_seconds(self, restarts: int, random: float) -> float:
        """Seconds to wait before the next restart.

        Args:
            restarts: how many there were since the last quiet period; from 0.
            random: from 0 to 1, for the jitter.
        """
        try:
            grown = self.first * float(self.factor) ** min(restarts, MOST_DOUBLINGS)
        except OverflowError:
            grown = self.longest
        return min(grown, self.longest) * (1 + self.jitter * (2 * random - 1))
