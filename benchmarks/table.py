"""Table: what was measured, beside its yardstick and its target.

Only ratios within one round mean anything, since a shared machine drifts by a third from minute to minute;
so a ratio is taken in each round, and the table shows the median, lowest and highest of them.
"""

from collections.abc import Iterable, Iterator
from statistics import median

from rows import NOTES, YARDSTICKS, Row, Target
from sizes import Measured
from units import KIBIBYTES, TIMES, Unit

Results = dict[str, list[Measured]]
"""What was found under each name, a value for each round."""
Line = tuple[str, ...]

SLACK = 64
"""Bytes that say nothing: what dictionaries keep of names that were in them."""


def plan(rows: Iterable[Row]) -> list[str]:
    """What to run in each round, in this order: each measure close to its yardsticks, and nothing twice."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys([target.yardstick for target in row.targets if target.yardstick]))
        names[row.series] = None
    return list(names)


def lines(rows: Iterable[Row], results: Results) -> Iterator[Line]:
    """The table, its head first."""
    yield ("measure", "callboard", "against", "ratio", "must", "aim", "reached", "beside")
    for row in rows:
        if row.series not in results:
            continue
        first = (row.text, row.unit.spread(_values(results, row.series)))
        notes = _notes(results[row.series])
        known = [target for target in row.targets if target.yardstick in {"", *results}]
        for target in known or [Target("", None, None)]:
            yield (*first, *_against(row, target, results), notes)
            first, notes = ("", ""), ""


def _against(row: Row, target: Target, results: Results) -> Line:
    """The yardstick, the ratio to it, what was asked for, and how far we are."""
    ours = _values(results, row.series)
    if not target.yardstick:
        return ("", "", *_bounds(row, target, row.unit), _reached(row, target, median(ours)))
    theirs = _values(results, target.yardstick)
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    against = f"{YARDSTICKS[target.yardstick]} {row.unit.spread(theirs)}"
    return (
        against,
        TIMES.spread(ratios),
        *_bounds(row, target, TIMES),
        _reached(row, target, median(ratios)),
    )


def _bounds(row: Row, target: Target, unit: Unit) -> Line:
    mark = "≤ " if row.less_is_better else ""
    return tuple("" if bound is None else mark + unit.show(bound) for bound in (target.must, target.aim))


def _reached(row: Row, target: Target, value: float) -> str:
    if target.aim is None:
        return ""
    if _as_good(row, value, target.aim):
        return "aim"
    if target.must is None:
        return "not yet"
    return "must" if _as_good(row, value, target.must) else "MISSED"


def _as_good(row: Row, value: float, bound: float) -> bool:
    if not row.less_is_better:
        return value >= bound
    return value <= (max(bound, SLACK) if row.unit is KIBIBYTES else bound)


def _values(results: Results, series: str) -> list[float]:
    return [found["value"] for found in results[series]]


def _notes(rounds: list[Measured]) -> str:
    found = {key: median(one[key] for one in rounds) for key in rounds[0] if key in NOTES}
    return ", ".join(f"{NOTES[key][0]} {NOTES[key][1].show(value)}" for key, value in found.items())


def in_columns(table: Iterable[Line]) -> str:
    """The table for a terminal."""
    rows = [[cell.replace("`", "") for cell in line] for line in table]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def in_markdown(table: Iterable[Line]) -> str:
    """The table for a page."""
    rows = [f"| {' | '.join(line)} |" for line in table]
    return "\n".join([rows[0], "|" + "---|" * rows[0].count(" | ") + "---|", *rows[1:]])
