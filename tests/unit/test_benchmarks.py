"""`benchmarks/` are scripts that take minutes: what of them can be wrong at once is found here."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(code: str) -> str:
    """In a process of its own, since the scripts declare actors."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n{code}"]
    return subprocess.check_output(command, text=True, timeout=60)


MISSING = """
import importlib
from rows import ROWS, YARDSTICKS
from run import APART, MODULES
from sizes import NotHere
from table import plan
for series in plan(ROWS):
    whose, _, name = series.partition(".")
    try:
        module = importlib.import_module(APART.get(series, MODULES[whose]))
    except NotHere:
        continue
    if not callable(getattr(module, name, None)):
        print(series)
for row in ROWS:
    print(*(t.yardstick for t in row.targets if t.yardstick and t.yardstick not in YARDSTICKS), end="")
"""


@pytest.mark.slow
def test_every_row_and_every_yardstick_has_a_function_and_a_name() -> None:
    assert run(MISSING).split() == []


DRAWN = """
from plot import draw
print(draw({
    "callboard.tell": [{"value": 5000.0}, {"value": 9000.0}, {"value": 6000.0}],
    "pykka.tell": [{"value": 12000.0}],
    "raw.commits": [{"value": 1.0}],
    "callboard.cycle": [{"value": 300.0}],
    "queues.huey_redis": [{"value": 100.0}],
}))
"""


def test_bars_are_drawn_of_what_was_measured_and_are_as_long_as_it_was_fast() -> None:
    picture = ET.fromstring(run(DRAWN))
    space = "{http://www.w3.org/2000/svg}"
    bars = [
        (bar.get("class"), float(bar.get("width", "0")))
        for bar in picture.iter(f"{space}rect")
        if bar.get("height") == "18"
    ]
    assert [kind for kind, _ in bars] == ["ours", "memory", "ours", "durable"]
    (_, tell), (_, pykka), (_, cycle), (_, huey) = bars
    assert tell == pytest.approx(pykka / 2, abs=0.1)
    assert huey == pytest.approx(cycle / 3, abs=0.1)
    texts = [text.text for text in picture.iter(f"{space}text")]
    assert texts[texts.index("callboard") + 1] == "6k/s", "the median"
    assert "raw put + commit" not in texts, "its row was not measured"


def test_a_plot_of_nothing_is_refused_before_anything_is_measured() -> None:
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--only", "spawn", "--plot", "never.svg"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "none of them is measured" in refused.stderr
