"""Imports: what `import callboard` takes, against its dependencies alone.

Each in a process of its own, by turns, and the quickest of them counts: an import is slower
than it need be for many reasons, and never faster. What is only put off is seen beside it: a
whole program, from its first import until it has closed its node after one ask.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from sizes import Measured, Sizes

TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
LOADED = "import sys, callboard; print(*[name for name in {!r} if name in sys.modules])"
PROGRAM = Path(__file__).with_name("small.py")


def _run(folder: Path, *arguments: str) -> str:
    # In an empty folder, so that nothing is found by the path of the caller; what was compiled is kept, as it
    # is wherever a program is started twice.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.check_output([sys.executable, *arguments], cwd=folder, env=env, text=True)


def _dependencies(folder: Path) -> str:
    """Those of our dependencies that importing us loads; what is imported later costs nothing here."""
    declared = [line for line in requires("callboard") or [] if "extra ==" not in line]
    names = [line.split(">")[0].strip() for line in declared]
    return ", ".join(_run(folder, "-c", LOADED.format(names)).split())


def _program(folder: Path) -> float:
    """Seconds of a small program."""
    took = float(_run(folder, str(PROGRAM)))
    shutil.rmtree(folder / "small.store")
    return took


def import_time(sizes: Sizes, folder: Path) -> Measured:
    """Seconds of our import, of our dependencies', and of a whole program."""
    names = ["callboard", _dependencies(folder)]
    times: dict[str, list[float]] = {name: [] for name in (*names, "program")}
    for _ in range(sizes.imports):
        for name in names:
            times[name].append(float(_run(folder, "-c", TIMED.format(f"import {name}"))))
        times["program"].append(_program(folder))
    ours, theirs, program = (min(each) for each in times.values())
    return {"value": ours / theirs, "callboard": ours, "dependencies": theirs, "program": program}
