"""Actions: what a supervisor wants done. A closed family; whoever runs it carries them out in order.

| action | what the doer does |
|---|---|
| `Start(name)` | start `state.children[name].spec`, then say `Started`, `Ignored` or `StartFailed` |
| `Stop(name, patience)` | ask the child to stop, kill it after its patience, then say `StopDone` |
| `Wait(seconds, event)` | give the event back after so long; never cancelled, stale ones are not heeded |
| `Reply(token, denied)` | answer a request: `denied` is None if it was done |
| `Forget(name)` | the child's spec is deleted: forget what was kept about it |
| `Ready()` | all children have started: to its own supervisor this is `Started` |
| `End(exit)` | all is over: `StartFailed` to its own supervisor before `Ready`, else `Exited` or `StopDone` |
| `Report(text)` | a line for the log |

`state` is the one that `decide` returned together with the action.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..actors.exits import Exit
from .events import RetryDue


class Start(msgspec.Struct, frozen=True):
    """Start a child: a fresh object, from the last committed state if there is one."""

    name: str


class Stop(msgspec.Struct, frozen=True):
    """Stop a child, running or just starting."""

    name: str
    patience: float | None
    """Seconds until it is killed; 0 kills at once, None never."""


class Wait(msgspec.Struct, frozen=True):
    """Give an event back later."""

    seconds: float
    """0 means behind what the supervisor has already been told, so that a shutdown can get in between."""
    event: RetryDue


Reason = Literal[
    "already_started",
    "already_present",
    "not_found",
    "running",
    "restarting",
    "dynamic",
    "invalid",
    "failed",
    "shutting_down",
]
"""Why a request was denied. OTP's words, but `dynamic` for simple_one_for_one; `failed` is a failed start."""


class Denied(msgspec.Struct, frozen=True):
    """Why a request was not done."""

    reason: Reason
    text: str
    """The same for people, with the remedy."""
    exit: Exit | None = None
    """How the start ended, if it failed."""


class Reply(msgspec.Struct, frozen=True):
    """The answer to a request."""

    token: object
    denied: Denied | None = None


class Forget(msgspec.Struct, frozen=True):
    """A child's spec is deleted."""

    name: str


class Ready(msgspec.Struct, frozen=True):
    """The supervisor has started."""


class End(msgspec.Struct, frozen=True):
    """The supervisor has ended, and all its children before it."""

    exit: Exit


class Report(msgspec.Struct, frozen=True):
    """Something for the log."""

    text: str


Action = Start | Stop | Wait | Reply | Forget | Ready | End | Report
"""Whatever a supervisor wants done."""
