"""Kills as they happened, and how a loop of them is reported."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

from ..mailbox.errors import CallboardError
from .moments import Moment

_SHOWN_LINES = 20
_SHOWN_NAMES = 5


class ProgramFailed(CallboardError):
    """A program cannot be started, fails by itself, never opens its store, or does not end.

    The text shows its exit code and the end of its stderr.
    """


@attrs.frozen
class Kill:
    """One kill as it happened.

    Attributes:
        number: from 1.
        run: the number of the run that was killed; runs that ended by themselves count too.
        moment: when.
        signal: by which signal.
        code: how the process ended: its exit code, or minus the signal.
        said: all that it said on stdout.
        stderr: the end of what it said on stderr.
    """

    number: int
    run: int
    moment: Moment
    signal: signal.Signals
    code: int
    said: str = attrs.field(repr=False)
    stderr: str = attrs.field(repr=False)

    def __str__(self) -> str:
        """As the reports say it."""
        return f"kill {self.number}: {self.signal.name} {self.moment} (run {self.run})"


def codes_after(sent: Collection[signal.Signals]) -> set[int]:
    """How a process may end that was sent these: by one of them, or in good order if it could hear one."""
    codes = {code for number in sent for code in (-number, 128 + number)}
    return codes if set(sent) == {signal.SIGKILL} else {*codes, 0}


def in_words(waiting: Mapping[str, int]) -> str:
    """Mail that was not handled, by the name of its mailbox."""
    names = sorted(waiting)
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    listed = ", ".join(f"{waiting[name]} of {name!r}" for name in names[:_SHOWN_NAMES])
    return (
        f"{_count(sum(waiting.values()), 'message')} never handled, {listed}{more}: "
        "does the last run wait for them (drain_within=), and stop sending (last=)?"
    )


def last_lines(path: Path, lines: int = _SHOWN_LINES) -> str:
    """The end of a text file; empty if it is not there."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:])


def shown(stderr: str) -> str:
    """The end of a program's stderr, as errors and reports show it."""
    if not stderr.strip():
        return "it said nothing on stderr"
    return "the end of its stderr:\n" + "\n".join(f"  {line}" for line in stderr.splitlines())


def report(violations: Sequence[str], history: Sequence[Kill], *, seed: int, store: Path) -> str:
    """What was broken, after which kill, and what the program said last."""
    lines = [f"{_count(len(violations), 'violation')} in {_count(len(history), 'kill')} (seed {seed}):"]
    lines += [f"  {violation}" for violation in violations]
    if history:
        lines += ["the last kills:", *(f"  {kill}" for kill in history[-5:])]
        lines += [f"of run {history[-1].run}, {shown(history[-1].stderr)}"]
    lines += [f"its store is still there: callboard ls --store {store}"]
    lines += [f"what all runs said lies in {runs_of(store)}"]
    return "\n".join(lines)


def runs_of(store: Path) -> Path:
    """The directory beside a store for what the runs say."""
    return store.with_name(f"{store.name}.runs")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
