"""Units: how values are shown."""

from collections.abc import Callable
from statistics import median

import attrs


@attrs.frozen
class Unit:
    """How a value is shown."""

    number: Callable[[float], str]
    mark: str

    def show(self, value: float) -> str:
        """A value with its unit."""
        return self.number(value) + self.mark

    def spread(self, values: list[float]) -> str:
        """Median, lowest and highest; one number if there was one round."""
        middle = self.show(median(values))
        if len(values) == 1:
            return middle
        return f"{middle} ({self.number(min(values))}–{self.number(max(values))})"


def _count(value: float) -> str:
    for factor, mark in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{mark}"
    return f"{value:.3g}"


COUNT = Unit(_count, "")
RATE = Unit(_count, "/s")
MILLISECONDS = Unit(lambda seconds: f"{seconds * 1e3:.3g}", " ms")
SECONDS = Unit(lambda seconds: f"{seconds:.3g}", " s")
KIBIBYTES = Unit(lambda size: f"{size / 1024:.2f}", " KiB")
MEGABYTES = Unit(lambda size: f"{size / 1e6:.3g}", " MB")
TIMES = Unit(lambda value: f"{value:.3g}" if value >= 1 else f"{value:.2g}", "×")
