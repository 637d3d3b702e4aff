"""The stable: a process that has imported everything and forks a fresh one for each job.

So a run costs milliseconds instead of the half second that the imports take. It runs by itself,
reads jobs line by line on stdin, and lets the forked process speak on its own stdout.
"""

from __future__ import annotations

import os
import sys
import traceback

import msgspec

from callboard.actors.errors import is_group

from . import program

BOOT = "import sys; sys.path.append(sys.argv[1]); from tests.crash import stable; stable.main()"
"""Run with -P and the root, which comes last on the path: our `mailbox/` must not hide the standard one."""


def main() -> None:
    """Fork for every line; the child says its pid, and then we say how it ended."""
    for line in sys.stdin:
        job = msgspec.json.decode(line, type=program.Job)
        pid = os.fork()
        if not pid:
            os.write(1, f"{os.getpid()}\n".encode())
            _live(job)
        _, status = os.waitpid(pid, 0)
        os.write(1, f"\n{os.waitstatus_to_exitcode(status)}\n".encode())


def _live(job: program.Job) -> None:
    """Be the child: do the job and end."""
    try:
        program.run(job)
    except BaseException as error:
        if is_interrupt(error):
            os._exit(130)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def is_interrupt(error: BaseException) -> bool:
    """Whether it is a Ctrl-C and nothing else; the nurseries that it came through have wrapped it."""
    if is_group(error):
        return all(is_interrupt(each) for each in error.exceptions)
    return isinstance(error, KeyboardInterrupt)
