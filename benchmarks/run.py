"""Measure callboard beside Pykka and a raw LMDB queue, and say where it stands against its targets.

Every measure runs in a process and a store of its own; ours and theirs take turns within each round. What was
received is counted, and a run that lost or doubled a message fails. How to read it: docs/performance.md.
"""

import argparse
import cProfile
import faulthandler
import importlib
import json
import multiprocessing
import os
import pstats
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import attrs
from facts import IN_MEMORY, facts, file_system
from plot import PLOTTED, draw
from rows import ROWS, Row
from sizes import FULL, QUICK, Measured, NotHere, Sizes
from table import Results, in_columns, in_markdown, lines, plan

MODULES = {
    "callboard": "measures",
    "pykka": "peer_pykka",
    "pykka on one core": "peer_pykka",
    "raw": "raw",
    "thespian": "peer_thespian",
    "xoscar": "peer_xoscar",
    "channels": "peer_channels",
    "queues": "peer_queues",
    "crowds": "crowds",
    "lab": "simulated",
    "trees": "restarts",
    "links": "links",
    "requests": "roundtrips",
    "timers": "clocks",
    "lives": "lives",
    "weights": "weights",
    "savina": "savina",
    "latency": "latency",
    "neighbours": "neighbours",
    "scale": "scale",
}
LIMIT_S = 300
"""What takes longer has lost a message, and would wait for it for ever."""
FILLING_S = 3600
"""The same for what may have to fill a store first."""
APART = {"callboard.import_time": "imports"}
"""What lies in a file of its own."""


def measure(series: str, sizes: Sizes, folder: Path) -> Measured:
    """Run one measure in this process."""
    whose, _, name = series.partition(".")
    module = importlib.import_module(APART.get(series, MODULES[whose]))  # NotHere without what it measures
    if "one core" in whose:
        use_one_core()
    faulthandler.dump_traceback_later(FILLING_S if whose == "scale" else LIMIT_S, exit=True)
    try:
        found: Measured = getattr(module, name)(sizes, folder)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return found


def use_one_core() -> None:
    """Keep this process on one processor.

    Threads that wake one another across processors wait for the other one to wake up. Side by side on
    one processor they can be several times as fast, and Pykka shall be seen at its best too.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise NotHere("this system does not pin a process to a processor")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure_apart(series: str, sizes: Sizes, place: Path) -> Measured:
    """Run one measure in a new process and a new folder, so that it finds nothing of those before it."""
    with (
        tempfile.TemporaryDirectory(dir=place, suffix=".store") as folder,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        return pool.submit(measure, series, sizes, Path(folder)).result()


def run(rows: list[Row], rounds: int, sizes: Sizes, place: Path) -> Results:
    """All rounds; what cannot be measured here is left out, and said."""
    names, results = plan(rows), Results()
    for number in range(1, rounds + 1):
        for name in list(names):
            try:
                found = measure_apart(name, sizes, place)
            except NotHere as why:
                say(f"{name} is left out: {why}")
                names.remove(name)
                continue
            results.setdefault(name, []).append(found)
            say(f"round {number} of {rounds}: {name} {found['value']:,.6g}")
    return results


def profile(rows: list[Row], sizes: Sizes, place: Path) -> None:
    """Our measures once in this process, under the profiler; its shares count, its times do not."""
    for row in rows:
        with tempfile.TemporaryDirectory(dir=place, suffix=".store") as folder:
            profiler = cProfile.Profile()
            profiler.runcall(measure, row.series, sizes, Path(folder))
        print(f"\n{row.text}\n")
        pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(30)


def write_report(report: dict[str, object], to: str) -> bool:
    """Write every number; whether it went to standard output, where nothing else may follow."""
    text = json.dumps(report, indent=1) + "\n"
    if to == "-":
        sys.stdout.write(text)
        return True
    Path(to).write_text(text, encoding="utf-8")
    return False


def say(text: str) -> None:
    """Tell who waits; the results alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py", description=__doc__, epilog=f"Measures: {', '.join(names)}."
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        metavar="NAME",
        help="of the measures; by default all but scale-…, which take minutes",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is shown; by default 5")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="every number of every round")
    parser.add_argument("--markdown", action="store_true", help="a table that can be pasted into a page")
    parser.add_argument("--plot", metavar="FILE", help="draw some of the measures as bars, in SVG")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, only to see that it works")
    parser.add_argument("--dir", default=".", type=Path, help="where the stores are made: on a real disk")
    parser.add_argument("--profile", action="store_true", help="profile our measures instead of timing them")
    return parser.parse_args()


def main() -> None:
    """Measure, and print."""
    options = arguments()
    kind = file_system(options.dir)
    if kind in IN_MEMORY:
        raise SystemExit(
            f"{options.dir} lies in memory ({kind}), where nothing is synced: give --dir on a disk"
        )
    rows = [row for row in ROWS if (row.name in options.only if options.only else not row.takes_minutes)]
    if options.plot and not any(row.name in PLOTTED for row in rows):
        raise SystemExit(f"--plot draws {', '.join(PLOTTED)}, and none of them is measured")
    sizes = QUICK if options.quick else FULL
    if options.profile:
        profile(rows, sizes, options.dir)
        return
    known = facts(options.dir)
    disk = measure_apart("raw.sync", sizes, options.dir)
    known["fdatasync of 4 KiB"] = f"p50 {disk['value'] * 1e3:.3g} ms, p99 {disk['p99'] * 1e3:.3g} ms"
    summary = ", ".join(f"{name} {value}" for name, value in known.items())
    say(summary)
    with tempfile.TemporaryDirectory(dir=options.dir) as place:
        results = run(rows, options.rounds, sizes, Path(place))
    report = {"facts": known, "sizes": attrs.asdict(sizes), "rounds": options.rounds, "series": results}
    if options.plot:
        Path(options.plot).write_text(draw(results), encoding="utf-8")
    if options.json and write_report(report, options.json):
        return
    table = list(lines(rows, results))
    print(f"{summary}; {options.rounds} rounds.\n")
    print(in_markdown(table) if options.markdown else in_columns(table))


if __name__ == "__main__":
    main()
