"""Plot: bars of a few measures, ours beside the others', as a picture for the README.

Drawn by hand, so that it needs nothing: SVG with the reader's own fonts and colours for light and dark.
A file of `--json` can be drawn later: `python benchmarks/plot.py run.json docs/performance.svg`.
"""

import json
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from statistics import median

import attrs
from rows import ROWS, YARDSTICKS, Row
from table import Results
from units import RATE


def _in_memory(measure: str) -> tuple[str, ...]:
    return tuple(f"{whose}.{measure}" for whose in ("pykka", "thespian", "xoscar", "channels"))


PLOTTED = {
    "tell": _in_memory("tell"),
    "fan-in": _in_memory("fan_in"),
    "ping-pong": _in_memory("ping_pong"),
    "ask": ("raw.commits", *_in_memory("ask")),
    "cycle": ("queues.persist_sqlite", "queues.huey_sqlite", "queues.huey_redis"),
}
"""Rows whose values are rates, and beside whom they are shown."""
DURABLE = ("queues", "raw")
"""Whose messages are on disk."""
WIDTH, LABEL, BAR, GAP, HEAD = 760, 190, 18, 4, 34
ROOM = WIDTH - LABEL - 90
STYLE = """
  .paper { fill: #ffffff }
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .head { font-weight: 600; font-size: 13px }
  .name { text-anchor: end }
  .ours { fill: #0a7d5a } .durable { fill: #4f81bd } .memory { fill: #b4bcc6 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 }
    text { fill: #e6edf3 }
    .ours { fill: #2fbf8f } .durable { fill: #6ea0d8 } .memory { fill: #59636e }
  }
"""


@attrs.frozen
class Bar:
    """One of us, and how fast."""

    name: str
    kind: str
    value: float


def bars(row: Row, results: Results) -> Iterator[Bar]:
    """Ours, and then the others', the quickest first."""
    yield Bar("callboard", "ours", _median(results, row.series))
    others = [name for name in PLOTTED[row.name] if name in results]
    for name in sorted(others, key=lambda name: -_median(results, name)):
        durable = name.partition(".")[0] in DURABLE
        yield Bar(YARDSTICKS[name], "durable" if durable else "memory", _median(results, name))


def _median(results: Results, series: str) -> float:
    return median(found["value"] for found in results[series])


def draw(results: Results) -> str:
    """The picture."""
    rows = [row for row in ROWS if row.name in PLOTTED and row.series in results]
    parts, top = [_legend()], 30
    for row in rows:
        some = list(bars(row, results))
        parts.append(f'<text class="head" x="8" y="{top + 20}">{escape(row.text)}</text>')
        top += HEAD
        longest = max(bar.value for bar in some)
        for bar in some:
            parts.append(_bar(bar, top, max(bar.value / longest * ROOM, 1)))
            top += BAR + GAP
    title = "Messages a second, callboard beside others"
    size = f'width="{WIDTH}" height="{top + 8}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {top + 8}" role="img">'
    paper = f'<rect class="paper" {size} rx="6"/>'
    return "\n".join(
        [head, f"<title>{title}</title>", f"<style>{STYLE}</style>", paper, *parts, "</svg>", ""]
    )


def _bar(bar: Bar, top: int, length: float) -> str:
    line = top + BAR - 5
    return (
        f'<text class="name" x="{LABEL - 8}" y="{line}">{escape(bar.name)}</text>'
        f'<rect class="{bar.kind}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<text x="{LABEL + length + 6:.1f}" y="{line}">{RATE.show(bar.value)}</text>'
    )


def _legend() -> str:
    kinds = (("ours", "callboard, durable"), ("durable", "others, durable"), ("memory", "others, in memory"))
    return "\n".join(
        f'<rect class="{kind}" x="{8 + 160 * place}" y="10" width="12" height="12" rx="2"/>'
        f'<text x="{26 + 160 * place}" y="20">{text}</text>'
        for place, (kind, text) in enumerate(kinds)
    )


def main() -> None:
    """Draw what a run has written."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python benchmarks/plot.py run.json picture.svg")
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(draw(report["series"]), encoding="utf-8")


if __name__ == "__main__":
    main()
