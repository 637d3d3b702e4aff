"""Lives: what is recorded under strace. A store is made, closed, opened, killed, and opened once more."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .program import Job, run_node
from .syscalls import record

ROOT = Path(__file__).parents[2]
SENDERS = 6


def record_lives(place: Path, log: Path, *, seed: int, seconds: float) -> None:
    """Record three lives of a node with senders, the middle one ended by SIGKILL."""
    record(["sh", "-c", f"{python(seed, seconds, 'first')}; {python(seed, seconds, 'second')}"], log, place)


def python(*args: object) -> str:
    """A shell's command for `main`. Our root stands last on the path, behind the library's `mailbox`."""
    code = (
        f"import sys; sys.path.append({str(ROOT)!r}); from tests.crash.lives import main; main(*sys.argv[1:])"
    )
    return shlex.join([sys.executable, "-P", "-c", code, *map(str, args)])


def record_making(place: Path, log: Path, killed: Sequence[int] = ()) -> None:
    """Record a store that is made in new directories, and then a file that says so.

    Args:
        place: where, empty.
        log: what strace says.
        killed: in openings before that, which sync of a directory ends the process by SIGKILL instead.
    """
    code = (
        "import os, signal, sys\nfrom callboard.mailbox import opening, preflight\n"
        "left, sync = int(sys.argv[1]), preflight.sync_directory\n"
        "def sync_or_die(path):\n"
        "    global left\n"
        "    left -= 1\n"
        "    sync(path) if left else os.kill(os.getpid(), signal.SIGKILL)\n"
        "preflight.sync_directory = sync_or_die\n"
        "opening.open_disk('new/newer/store', entropy=os.urandom, now_ns=lambda: 1).close()\n"
        "open('said', 'w').close()"
    )
    lives = [shlex.join([sys.executable, "-P", "-c", code, str(which)]) for which in (*killed, 0)]
    record(["sh", "-c", "; ".join(lives)], log, place)


def main(seed: str, seconds: str, part: str) -> None:
    """The first process has two lives, the second has one; in the directory where it is started."""
    place, base = str(Path.cwd()), int(seed)

    def live(run: int, lasts: float) -> None:
        speculation = run != 3
        run_node(
            Job(
                place=place,
                run=run,
                seed=base,
                senders=SENDERS,
                speculation=speculation,
                seconds=lasts,
                hoard=True,
            )
        )

    if part == "first":
        live(1, float(seconds))
        threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL)).start()
        live(2, 60)
    live(3, float(seconds))
