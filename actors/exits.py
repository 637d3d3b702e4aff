"""Exits: why the life of an actor or of a supervisor ended, as values that can be stored and sent.

| exit | meaning | OTP's reason |
|---|---|---|
| `Finished` | it stopped itself | `normal` |
| `Stopped(by)` | it was told to: by its supervisor, an operator, the end of the node | `shutdown` |
| `Failed(error, text)` | it could not go on | any other |
| `Killed(why)` | it was ended without being asked: its patience was over, or was 0 | `killed` |
| `GaveUp(text)` | a supervisor whose children failed too often, or did not start | `shutdown` |

The first, the second and the last are normal: a transient child that ends so is not restarted.
The tags are part of the stored format and must not change.
"""

from __future__ import annotations

from .record import Record


class Finished(Record, tag="finished"):
    """It stopped itself, as intended."""


class Stopped(Record, tag="stopped"):
    """It was told to stop, and did."""

    by: str
    """Who told it, as people read it: `its supervisor 'shop'`, `an operator`."""


class Failed(Record, tag="failed"):
    """It could not go on: `started` raised, its state does not load, its message died."""

    error: str
    """Name of the exception's class."""
    text: str = ""
    """The exception's text."""


class Killed(Record, tag="killed"):
    """It was ended without being asked, or did not end in time when it was."""

    why: str


class GaveUp(Record, tag="gave_up"):
    """A supervisor that stopped its children and itself: they failed too often, or one did not start."""

    text: str
    """The report, of several lines: what led to it, from the first failure to the last."""


Exit = Finished | Stopped | Failed | Killed | GaveUp
"""Why a life ended: a closed family."""


def is_normal(exit: Exit) -> bool:
    """Whether a transient child that ended so is left alone.

    A supervisor that gave up counts as normal, as in OTP, where its reason is `shutdown`: only a
    permanent one is restarted by its own supervisor.
    """
    return isinstance(exit, Finished | Stopped | GaveUp)


def describe(exit: Exit) -> str:
    """What happened, in one line that goes on from a name: `failed: ValueError: no paper`."""
    match exit:
        case Finished():
            return "finished"
        case Stopped():
            return f"was stopped by {_line(exit.by)}"
        case Failed():
            return f"failed: {exit.error}: {_line(exit.text)}" if exit.text else f"failed: {exit.error}"
        case Killed():
            return f"was killed: {_line(exit.why)}"
        case GaveUp():
            return f"gave up: {_line(exit.text)}"


LINE = 200
"""Characters of a text that are shown in one line."""


def _line(text: str) -> str:
    first = text.strip().partition("\n")[0]
    return first if len(first) <= LINE else f"{first[: LINE - 1]}…"
