"""Exit codes: how the command line says to scripts what became of it.

0    all is well
1    it failed, or problems were found
2    the command was not understood (click's own)
3    there is no such actor, message or dead letter
4    the store, or its node, cannot be reached: missing, locked, or refused by the system
5    the store is damaged, or of a newer release
6    refused: something else has to be done first
70   run: the supervision tree gave up, or did not start; the report is on stderr, no mail is lost
130  ended by SIGINT
143  ended by SIGTERM, after a clean stop
"""

from enum import IntEnum
from typing import Final

from ..actors.errors import NoSuchActor, Refusal
from ..cluster.errors import NodeUnreachable
from ..mailbox.errors import (
    CallboardError,
    CopyRefused,
    StoreDamaged,
    StoreError,
    StoreForked,
    StoreTooNew,
    Undecodable,
    WrongNode,
)


class Exit(IntEnum):
    """What the process returns."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    DAMAGED = 5
    REFUSED = 6
    GAVE_UP = 70
    INTERRUPTED = 130
    TERMINATED = 143


class NotFound(CallboardError):
    """What was named is not in the store."""


class Declined(CallboardError):
    """It is not done as long as something else is not."""


class ProblemsFound(CallboardError):
    """Some of what was to be shown cannot be read; the rest was shown."""


_CODES: Final[tuple[tuple[tuple[type[CallboardError], ...], Exit], ...]] = (
    ((NotFound, NoSuchActor), Exit.NOT_FOUND),
    ((StoreDamaged, StoreTooNew, Undecodable), Exit.DAMAGED),
    ((WrongNode, CopyRefused, Refusal, Declined), Exit.REFUSED),
    ((StoreForked,), Exit.FAILED),
    ((StoreError, NodeUnreachable), Exit.UNREACHABLE),
)
"""The first line that fits decides, so a kind stands before the kind it is one of."""


def exit_code(error: BaseException) -> Exit:
    """The exit code for an error that ended a command."""
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.FAILED
