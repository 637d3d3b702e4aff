"""Table: what was measured, beside its yardstick and its target.

Only ratios within one round mean anything, since a shared machine drifts by a third from minute to minute;
so a ratio is taken in each round, and the table shows the median, lowest and highest of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median

import attrs
from sizes import Measured

Results = dict[str, list[Measured]]
"""What was found under each name, a value for each round."""
Line = tuple[str, ...]


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


@attrs.frozen
class Target:
    """What design/performance.md asks for."""

    yardstick: str
    """The other side of the ratio; empty if the value itself is meant."""
    must: float | None
    aim: float | None


@attrs.frozen
class Row:
    """One measure."""

    name: str
    """As `--only` takes it."""
    text: str
    series: str
    """What is run: whose, and which function."""
    targets: tuple[Target, ...] = ()
    unit: Unit = RATE
    less_is_better: bool = False
    takes_minutes: bool = False
    """Run only if it is named."""


ROWS = (
    Row("tell", "tell, one actor to one actor", "callboard.tell",
        (Target("pykka.tell", 1.2, 3), Target("pykka on one core.tell", None, None),
         Target("raw.queue", None, 0.6))),
    Row("tell-all", "`tell_all` from outside", "callboard.tell_all", (Target("pykka.tell", 1, 2.5),)),
    Row("fan-in", "fan-in, 100 actors", "callboard.fan_in",
        (Target("pykka.fan_in", 0.6, 1), Target("pykka on one core.fan_in", None, None))),
    Row("fan-in-outside", "fan-in, 100 tasks outside, each tell durable", "callboard.fan_in_outside",
        (Target("pykka.fan_in", 0.15, 0.35),)),
    Row("ping-pong", "ping-pong in a node, round trips", "callboard.ping_pong",
        (Target("pykka.ask", 6, 20), Target("pykka.ping_pong", None, None),
         Target("pykka on one core.ping_pong", None, None))),
    Row("ask", "ask, one caller", "callboard.ask",
        (Target("raw.commits", 0.4, 0.8), Target("pykka.ask", None, None),
         Target("pykka on one core.ask", None, None))),
    Row("ask-100", "ask, 100 callers", "callboard.ask_many", (Target("callboard.ask", 15, 40),)),
    Row("ack-idle", "acknowledged tell, idle loop, p50", "callboard.acknowledged_idle",
        (Target("raw.sync", 3, 1.5),), MILLISECONDS, less_is_better=True),
    Row("ack-busy", "acknowledged tell, saturated loop, p50", "callboard.acknowledged_busy",
        (Target("", 0.020, 0.005),), MILLISECONDS, less_is_better=True),
    Row("spawn", "spawn and store, in turns", "callboard.spawn", (Target("pykka.spawn", 10, 40),)),
    Row("spawn-outside", "spawn and store, 100 tasks outside", "callboard.spawn_outside",
        (Target("pykka.spawn", None, None),)),
    Row("memory", "memory of an active idle actor", "callboard.memory",
        (Target("", 4096, 2048), Target("pykka.memory", None, None)), KIBIBYTES, less_is_better=True),
    Row("passivated", "memory of a passivated actor", "callboard.passivated",
        (Target("", 0, 0),), KIBIBYTES, less_is_better=True),
    Row("restart", "a message that dies and the restart after it", "trees.restart",
        (Target("", None, None),), MILLISECONDS, less_is_better=True),
    Row("neighbours", "tell beside an actor that dies 100 times a second", "trees.beside_a_failing_one",
        (Target("trees.alone", 0.8, 0.95),)),
    Row("children", "10,000 children of a template started and stopped", "trees.many_children",
        (Target("", None, None),), SECONDS, less_is_better=True),
    Row("simulated", "simulated runs of 20 operations", "lab.runs", (Target("", None, 400),
         Target("lab.trio_alone", None, None))),
    Row("simulated-drawn", "the same, drawn by Hypothesis, up to 20", "lab.property_runs",
        (Target("lab.hypothesis_alone", None, None),)),
    Row("simulated-cluster", "simulated runs of three linked nodes, 20 operations", "lab.cluster_runs",
        (Target("", 200, 500), Target("lab.runs", None, None))),
    Row("hop", "to another node over a Unix socket, 1,000 of 100 B a commit", "links.unix",
        (Target("links.local", 0.4, 0.8), Target("links.wire", None, None))),
    Row("hop-10", "the same, 10 a commit", "links.small_batches",
        (Target("links.local_small_batches", 0.4, 0.8),)),
    Row("hop-1", "the same, one a commit", "links.single", (Target("links.local_single", 0.4, 0.8),)),
    Row("hop-large", "the same, 100 of 10 KB a commit", "links.large",
        (Target("links.local_large", 0.4, 0.8),)),
    Row("hop-tcp", "over TCP", "links.tcp", (Target("links.local", None, None),)),
    Row("hop-tls", "over TLS", "links.tls", (Target("links.local", None, None),)),
    Row("hop-ask", "ask across, one caller, p50", "links.ask",
        (Target("raw.sync", None, None),), MILLISECONDS, less_is_better=True),
    Row("import", "`import callboard`, against its dependencies", "callboard.import_time",
        (Target("", 1.3, 1.1),), TIMES, less_is_better=True),
    Row("scale-open", "1 M actors, 10 M messages in 1,000 mailboxes: open and first turn", "scale.open_wide",
        (Target("", 1, 0.2),), SECONDS, less_is_better=True, takes_minutes=True),
    Row("scale-open-deep", "10 M messages in one mailbox: open and first turn", "scale.open_deep",
        (Target("", 1, 0.2),), SECONDS, less_is_better=True, takes_minutes=True),
    Row("scale-memory", "1 M actors, 10 M messages: resident after the first turn", "scale.resident_wide",
        (Target("", 200e6, 100e6),), MEGABYTES, less_is_better=True, takes_minutes=True),
    Row("scale-drain", "drain of 10 M in 1,000 mailboxes", "scale.drain_wide",
        (Target("callboard.tell", 0.3, 0.8), Target("callboard.tell_all", None, None)), takes_minutes=True),
    Row("scale-drain-deep", "drain of 10 M in one mailbox", "scale.drain_deep",
        (Target("callboard.tell", None, None),), takes_minutes=True),
    Row("scale-wake", "actors woken, drawn from 1 M", "scale.wake",
        (Target("", None, None),), takes_minutes=True),
    Row("scale-ls", "`callboard ls` of 1 M", "scale.ls",
        (Target("", None, None),), SECONDS, less_is_better=True, takes_minutes=True),
)  # fmt: skip

SLACK = 64
"""Bytes that say nothing: what dictionaries keep of names that were in them."""

YARDSTICKS = {
    "pykka.tell": "Pykka",
    "pykka.fan_in": "Pykka",
    "pykka.ping_pong": "Pykka",
    "pykka.ask": "Pykka's ask",
    "pykka on one core.tell": "Pykka on one core",
    "pykka on one core.fan_in": "Pykka on one core",
    "pykka on one core.ping_pong": "Pykka on one core",
    "pykka on one core.ask": "Pykka's ask on one core",
    "pykka.spawn": "Pykka",
    "pykka.memory": "Pykka",
    "raw.queue": "REF",
    "raw.commits": "raw put + commit",
    "raw.sync": "fdatasync",
    "callboard.ask": "one caller",
    "callboard.tell": "tell into an empty store",
    "callboard.tell_all": "`tell_all` into one",
    "links.local": "without the hop",
    "links.local_small_batches": "without the hop",
    "links.local_single": "without the hop",
    "links.local_large": "without the hop",
    "links.wire": "the bare socket",
    "trees.alone": "nobody failing",
    "lab.runs": "one node",
    "lab.trio_alone": "trio.run alone",
    "lab.hypothesis_alone": "Hypothesis alone",
}

NOTES: Mapping[str, tuple[str, Unit]] = {
    "p99": ("p99", MILLISECONDS),
    "turns_per_commit": ("turns a commit", COUNT),
    "starting": ("starting", SECONDS),
    "load": ("turns of the load", RATE),
    "awake": ("awake", KIBIBYTES),
    "callboard": ("callboard", MILLISECONDS),
    "dependencies": ("dependencies", MILLISECONDS),
    "opening": ("opening", SECONDS),
    "taken": ("own memory taken", MEGABYTES),
    "resident": ("resident", MEGABYTES),
    "own": ("own memory", MEGABYTES),
    "awake_rate": ("awake ones", RATE),
    "sorted": ("sorted", SECONDS),
    "peek": ("peek", SECONDS),
    "show": ("show", SECONDS),
}


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
