"""Events: what a supervisor hears. A closed family; `deciding` says what follows from each.

| event | when the doer says it |
|---|---|
| `Begin()` | once, first |
| `Started(name)` | the child that it was told to start runs; a supervisor runs when its own are `Ready` |
| `Ignored(name)` | the start found that there is nothing to run (OTP's `ignore`) |
| `StartFailed(name, exit)` | the start failed, or the child ended before it was started |
| `Exited(name, exit)` | a running child has ended by itself: nobody had told it to stop |
| `StopDone(name, exit)` | the answer to a `Stop`: the child is gone, perhaps was before; `exit` says how |
| `RetryDue(name, …)` | the event of a `Wait`, given back when its time is over |
| `StartChild(token, child)` | somebody asks for a new child |
| `TerminateChild(token, name)` | somebody asks for a child to be stopped; its spec stays |
| `RestartChild(token, name)` | somebody asks for a child that is down to be started again |
| `DeleteChild(token, name)` | somebody asks for the spec of a child that is down to be forgotten |
| `ShutDown(by)` | its own supervisor, an operator or the node tells it to stop; overtakes whatever it does |

What the doer must keep: a `Start` is answered by one of `Started`, `Ignored` and `StartFailed`, a `Stop` by
one `StopDone`. A `Stop` may come for a child whose start is not over: then `StopDone` ends it, whether the
answer to the start came before it or never. After `Ignored`, `StartFailed`, `StopDone`, and after `Exited` if
no `Stop` was given, nothing more is said about that life of the child.
"""

from __future__ import annotations

import msgspec

from ..actors.exits import Exit
from .specs import AnyChild


class Begin(msgspec.Struct, frozen=True):
    """Start the children, in order."""


class Started(msgspec.Struct, frozen=True):
    """The child runs."""

    name: str


class Ignored(msgspec.Struct, frozen=True):
    """There is nothing to run at this name; the spec is kept unless the child is temporary."""

    name: str


class StartFailed(msgspec.Struct, frozen=True):
    """The child did not start."""

    name: str
    exit: Exit


class Exited(msgspec.Struct, frozen=True):
    """A running child has ended by itself."""

    name: str
    exit: Exit


class StopDone(msgspec.Struct, frozen=True):
    """A child that was to be stopped is gone."""

    name: str
    exit: Exit
    """How it ended: `Stopped`; `Killed` if it was not in time; another if it got ahead of the stop."""


class RetryDue(msgspec.Struct, frozen=True):
    """The wait before a restart is over. Made by `deciding`; the doer only gives it back."""

    name: str
    """The child that had failed."""
    number: int
    """Which wait it was: with a back-off, one that something else has overtaken is not heeded."""
    counted: bool
    """The restart is in the budget already; otherwise it is a new attempt, which counts."""


class StartChild(msgspec.Struct, frozen=True):
    """A request: add a child and start it."""

    token: object
    """Comes back in the `Reply`."""
    child: AnyChild
    """For a `Dynamic`, a `Child` made by its `child(name, …)`."""


class TerminateChild(msgspec.Struct, frozen=True):
    """A request: stop a child and keep its spec, unless it is temporary or of a `Dynamic`."""

    token: object
    name: str


class RestartChild(msgspec.Struct, frozen=True):
    """A request: start a child that is down."""

    token: object
    name: str


class DeleteChild(msgspec.Struct, frozen=True):
    """A request: forget the spec of a child that is down."""

    token: object
    name: str


class ShutDown(msgspec.Struct, frozen=True):
    """Stop the children, then end."""

    by: str
    """Who says so, as in `exits.Stopped`."""


Request = StartChild | TerminateChild | RestartChild | DeleteChild
"""Events that get exactly one `Reply` each."""
Event = (
    Begin | Started | Ignored | StartFailed | Exited | StopDone | RetryDue | Request | ShutDown
)  # fmt: skip
"""Whatever a supervisor hears."""
