"""Imports: what `import callboard` takes, against its dependencies alone.

Each in a process of its own, by turns, and the quickest of them counts: an import is slower
than it need be for many reasons, and never faster.
"""

import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from sizes import Measured, Sizes

TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
LOADED = "import sys, callboard; print(*[name for name in {!r} if name in sys.modules])"


def _run(code: str, folder: Path) -> str:
    # In an empty folder, so that nothing is found by the path of the caller.
    return subprocess.check_output([sys.executable, "-c", code], cwd=folder, text=True)


def _dependencies(folder: Path) -> str:
    """Those of our dependencies that importing us loads; what is imported later costs nothing here."""
    declared = [line for line in requires("callboard") or [] if "extra ==" not in line]
    names = [line.split(">")[0].strip() for line in declared]
    return ", ".join(_run(LOADED.format(names), folder).split())


def import_time(sizes: Sizes, folder: Path) -> Measured:
    """Seconds of our import, and of our dependencies'."""
    names = ["callboard", _dependencies(folder)]
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(sizes.imports):
        for name in names:
            times[name].append(float(_run(TIMED.format(name), folder)))
    ours, theirs = (min(times[name]) for name in names)
    return {"value": ours / theirs, "callboard": ours, "dependencies": theirs}
