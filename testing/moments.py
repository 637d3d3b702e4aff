"""Moments: when in its life a program is killed.

A kill finds most where something is half done: as the store opens, right after an acknowledgement, as the
node closes. A draw takes moments from all of these, and from any time between.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum

import attrs
from attrs import validators

REACH_S = 0.4
"""Within so many seconds of its opening a program is killed, unless another reach is asked for."""


class Stage(Enum):
    """What a program does that shows from outside."""

    STARTED = "it was started"
    OPENED = "it began to open its store"


@attrs.frozen
class Moment:
    """When to kill.

    Attributes:
        after: a stage, or a text that the program says on stdout (not necessarily a whole line).
        count: how often it says that text before.
        seconds: how long after that.
        closing: if the node is to be closing as it is killed, how many seconds after a SIGINT.
        within: for a text: how many seconds after the opening it is killed even without having said it.
            None to wait for it, and to give up on a program that does not say it.
    """

    after: Stage | str = Stage.OPENED
    count: int = attrs.field(default=1, validator=validators.ge(1))
    seconds: float = attrs.field(default=0.0, validator=validators.ge(0))
    closing: float | None = attrs.field(default=None, validator=validators.optional(validators.ge(0)))
    within: float | None = attrs.field(default=None, validator=validators.optional(validators.ge(0)))

    def __str__(self) -> str:
        """As the reports say it."""
        if isinstance(self.after, Stage):
            what = self.after.value
        else:
            times = "" if self.count == 1 else f" {self.count} times"
            what = f"it said {self.count} lines" if self.after == "\n" else f"it said {self.after!r}{times}"
            if self.within is not None:
                what += f", or {_ms(self.within)} after it opened its store"
        when = f"{_ms(self.seconds)} after {what}" if self.seconds else f"as soon as {what}"
        return when if self.closing is None else f"{_ms(self.closing)} after a SIGINT that came {when}"


Draw = Callable[[random.Random, float], Moment]
"""Draws a moment; the number is the reach in seconds."""


def draw_moment(rng: random.Random, reach: float = REACH_S) -> Moment:
    """A moment to kill: mostly at any time, sometimes as it starts, opens, closes or has said something.

    Args:
        rng: what to draw from.
        reach: seconds after the opening that it may lie in at most.
    """
    kind = rng.random()
    if kind < 0.05:
        return Moment(Stage.STARTED, seconds=rng.uniform(0, reach))
    if kind < 0.2:
        return Moment(Stage.OPENED, seconds=rng.uniform(0, min(0.03, reach)))
    if kind < 0.35:
        return Moment(Stage.OPENED, seconds=rng.uniform(0, reach), closing=rng.uniform(0, 0.05))
    if kind < 0.6:
        lines = int(2 ** rng.uniform(0, 8))
        return Moment("\n", count=lines, seconds=rng.choice((0.0, 0.001)), within=rng.uniform(0, reach))
    return Moment(Stage.OPENED, seconds=rng.uniform(0, reach))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
