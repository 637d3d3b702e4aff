"""Durations: seconds, as people give them."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Final

import trio

Seconds = int | float | timedelta
"""Seconds as a number, or a timedelta."""
CENTURY: Final = 100 * 366 * 86400.0


def in_seconds(value: object, what: str) -> float:
    """A duration as a float of seconds.

    Raises:
        TypeError: it is no duration.
        ValueError: it is negative, infinite or not a number.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"{what} is given in seconds or as a timedelta, not as {type(value).__name__}: {value!r:.60}"
        )
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{what} cannot be {value!r}: give 0 or more seconds")
    if value > CENTURY:
        raise ValueError(
            f"{what} cannot be {value!r} seconds, more than a century: was it meant in milliseconds?"
        )
    return float(value)


def limited(timeout: Seconds | None) -> Callable[[], AbstractContextManager[object]]:
    """What bounds the waits of one call, counted from now.

    None bounds nothing, and costs nothing: a scope of trio's costs as much as a turn.
    """
    if timeout is None:
        return nullcontext
    return partial(trio.move_on_at, trio.current_time() + in_seconds(timeout, "timeout="))
