"""Schedules: who is next, as a plan says.

Left alone, everybody runs in the order in which they became ready. A plan holds a list of choices
instead of a seed: each says how many of those who are ready to pass over. So a failure that depends on
an order shrinks to one deviation, such as `turns=[0, 0, 2]`, and not to a number that means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio._core._run as trio_run

from .errors import SimulationError

if TYPE_CHECKING:
    from ..actors.cell import Cell

LONG_TURN = 256
"""Turns a mailbox may have in a row once the choices have run out; as in production."""
MOST_PASSES = 20_000
"""Rounds of trio's scheduler at one moment of virtual time after which something is said to spin."""


class Choices:
    """Drawn numbers, taken one by one; zero when they have run out."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._left = list(reversed(numbers))

    def __bool__(self) -> bool:
        return bool(self._left)

    def renew(self, numbers: Sequence[int]) -> None:
        """Take these from now on."""
        self._left = list(reversed(numbers))

    def among(self, count: int) -> int:
        """Choose one of `count`; a choice among one is none and takes no number."""
        return self._left.pop() % count if self._left and count > 1 else 0


class Drawn:
    """A `Schedule` whose order is drawn: one turn for each choice, then first come, first served."""

    def __init__(self, choices: Choices) -> None:
        self.paused = False
        """The node is frozen: nobody is next."""
        self.spent = 0
        self._choices = choices
        self._ready: list[Cell] = []

    @property
    def quantum(self) -> int:
        """Turns that a cell may have before somebody else is chosen."""
        return 1 if self._choices else LONG_TURN

    def add(self, cell: Cell) -> None:
        """Put a cell at the back."""
        self._ready.append(cell)

    def filled(self, cell: Cell) -> None:
        """Whose turn it is is drawn, however much mail there is."""

    def hasten(self, cell: Cell) -> None:
        """Whose turn it is is drawn, whoever waits for it."""

    @property
    def urgent(self) -> bool:
        """Nobody comes before the others."""
        return False

    def next(self) -> Cell | None:
        """Take one of the ready cells, or None."""
        if self.paused or not self._ready:
            return None
        return self._ready.pop(self._choices.among(len(self._ready)))

    def __len__(self) -> int:
        return 0 if self.paused else len(self._ready)


class TaskOrder:
    """Stands in for the randomness by which trio orders its tasks."""

    def __init__(self, choices: Choices, on_spin: Callable[[], None]) -> None:
        self._choices = choices
        self._on_spin = on_spin
        self._moment = -1.0
        self._passes = 0

    def shuffle(self, batch: list[Any]) -> None:
        """Choose for each place which of the runnable tasks, which come sorted by age, runs there."""
        batch.reverse()  # trio takes them from the end
        for place in range(len(batch) - 1, 0, -1):
            if not self._choices:
                break
            batch.insert(place, batch.pop(place - self._choices.among(place + 1)))
        self._count_passes()

    def _count_passes(self) -> None:
        now = trio_run.current_time()
        if now != self._moment:
            self._moment, self._passes = now, 0
        self._passes += 1
        if self._passes > MOST_PASSES:
            self._passes = 0
            self._on_spin()

    def random(self) -> float:
        """For a trio that does not sort its tasks: never turn their order round."""
        return 1.0

    def uniform(self, low: float, high: float) -> float:
        """For a real clock's offset."""
        return low


@contextmanager
def tasks_ordered(choices: Choices, on_spin: Callable[[], None]) -> Generator[None]:
    """Have trio run its tasks in a given order while the block lasts.

    Args:
        choices: how many runnable tasks to pass over, round by round.
        on_spin: hears that tasks run round after round while no time passes.

    trio has no public way to do this; the two names below are those that its own plugin for Hypothesis uses.

    Raises:
        SimulationError: this trio has no such names.
    """
    run: Any = trio_run
    try:
        before = run._r, run._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001
    except AttributeError:
        raise SimulationError(
            "this release of trio lets nobody choose the order of its tasks: use trio 0.30 to 0.35"
        ) from None
    run._r, run._ALLOW_DETERMINISTIC_SCHEDULING = TaskOrder(choices, on_spin), True  # noqa: SLF001
    try:
        yield
    finally:
        run._r, run._ALLOW_DETERMINISTIC_SCHEDULING = before  # noqa: SLF001
