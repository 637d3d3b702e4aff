"""Limits: what `msgspec.Meta` says of a value, as arguments of strategies."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import attrs
import msgspec
from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]


@attrs.define
class Limits:
    """Several `msgspec.Meta` at once. Strategies made of it keep them nearly; the rest is for a filter."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    """What it must be greater than."""
    below: float | None = None
    step: float | None = None
    pattern: str | None = None
    shortest: int = 0
    longest: int | None = None

    def add(self, meta: msgspec.Meta) -> None:
        """Take in one more."""
        self.low, self.high = _greater(self.low, meta.ge), _less(self.high, meta.le)
        self.above, self.below = _greater(self.above, meta.gt), _less(self.below, meta.lt)
        self.step = self.step if meta.multiple_of is None else meta.multiple_of
        self.pattern = self.pattern if meta.pattern is None else meta.pattern
        self.shortest = max(self.shortest, meta.min_length or 0)
        longest = _less(self.longest, meta.max_length)
        self.longest = None if longest is None else int(longest)

    @property
    def sizes(self) -> dict[str, Any]:
        """For strategies of what has a length."""
        return {"min_size": self.shortest, "max_size": self.longest}

    def integers(self, least: int, most: int) -> Strategy:
        """Integers between the two that keep the limits."""
        if self.low is not None:
            least = max(least, math.ceil(self.low))
        if self.above is not None:
            least = max(least, math.floor(self.above) + 1)
        if self.high is not None:
            most = min(most, math.floor(self.high))
        if self.below is not None:
            most = min(most, math.ceil(self.below) - 1)
        if self.step is None:
            return st.integers(least, most)
        step = int(self.step)
        return st.integers(-(-least // step), most // step).map(lambda times: times * step)

    def floats(self) -> Strategy:
        """Floats that keep the limits."""
        low, high = _greater(self.low, self.above), _less(self.high, self.below)
        if self.step is not None:
            step = Fraction(self.step)
            least = -(2**53) if low is None else math.ceil(Fraction(low) / step)
            most = max(least, 2**53) if high is None else math.floor(Fraction(high) / step)
            return st.integers(least, most).map(lambda times: float(times * step))
        return st.floats(
            None if low is None else float(low), None if high is None else float(high), allow_nan=False
        )

    def text(self) -> Strategy:
        """Text that keeps the limits, but for its length if it has a pattern."""
        if self.pattern is not None:
            return st.from_regex(self.pattern)
        return st.text(min_size=self.shortest, max_size=self.longest)


def _greater(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _less(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
