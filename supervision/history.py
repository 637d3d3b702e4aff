"""History: what led to the end of a supervisor, as one text that people can read."""

from __future__ import annotations

from typing import Final

import msgspec

from ..actors.exits import Exit, Failed, GaveUp, describe

REMEMBERED: Final = 20
"""Failures that are kept, the newest; more than a budget has are of no use."""
LONGEST: Final = 4000
"""Characters that are kept of one text, so that reports within reports stay readable."""


class Incident(msgspec.Struct, frozen=True):
    """A child that failed, or did not start."""

    at: float
    """Monotonic seconds."""
    name: str
    exit: Exit
    starting: bool
    """It had not started yet."""

    def __str__(self) -> str:
        return f"{self.name!r} {'did not start: it ' if self.starting else ''}{describe(self.exit)}"


def remember(history: tuple[Incident, ...], incident: Incident) -> tuple[Incident, ...]:
    """The history with one more incident, bounded."""
    kept = msgspec.structs.replace(incident, exit=_clipped(incident.exit))
    return (*history, kept)[-REMEMBERED:]


def _clipped(exit: Exit) -> Exit:
    if isinstance(exit, Failed | GaveUp) and len(exit.text) > LONGEST:
        return msgspec.structs.replace(exit, text=f"{exit.text[: LONGEST - 1]}…")
    return exit


def tell(headline: str, history: tuple[Incident, ...]) -> str:
    """A report: the headline, then the incidents with the seconds from each to the last.

    The report of a supervisor below is told in full where it is the last of its name, indented.
    """
    if not history:
        return headline
    end = history[-1].at
    newest = {incident.name: number for number, incident in enumerate(history)}
    lines = [headline]
    for number, incident in enumerate(history):
        lines.append(f"  {_age(end - incident.at):>14}  {incident}")
        if isinstance(incident.exit, GaveUp) and newest[incident.name] == number:
            below = incident.exit.text.strip().splitlines()[1:]
            lines += [f"  {'':>14}  {line}" for line in below]
    return "\n".join(lines)


def _age(seconds: float) -> str:
    return f"{seconds:.3f} s before" if seconds else "at last"
