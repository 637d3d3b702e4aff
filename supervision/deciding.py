"""Deciding: what a supervisor does about what it hears. OTP's algorithm as a pure function over values.

    state = fresh(spec)
    state, actions = decide(spec, state, Begin(), now, random)

Nothing here waits, starts or stops anything: `events` says what a supervisor can hear, `actions` what it
wants done, and the doer between them is somebody else's. One machine is one supervisor; a supervisor below
it is one of its children.

| heard | what follows |
|---|---|
| `Begin` | the children are started in order, each before the next; then `Ready` |
| `Started`, `Ignored` | the next start, or the task is done |
| `StartFailed` | at the first start: give up. In a restart: `Wait(0)`, then again. On request: denied |
| `Exited` | by restart type: restart the group; or keep or forget the spec and look at `auto_shutdown` |
| `StopDone` | the next stop, or the starts |
| `RetryDue` | if it is counted already, start those who waited; else a new restart. If overtaken, nothing |
| a request | a task, or a `Reply` at once |
| `ShutDown` | the task is dropped, what was asked for denied, all stopped in reverse; then `End` |

While there is a task, `Exited`, `RetryDue` and requests are put off until it is done and then decided in the
order they came; but the exit of a child that the task stops anyway is absorbed by it.

A restart is: count, or give up; stop the others of the group in reverse; wait, if there is a back-off;
start the group in order.

With `backoff=None` this is OTP's supervisor, but that `ShutDown` overtakes what is queued, and a child that
is just starting can be stopped. After `End` every request is denied and all else is ignored.
"""

from __future__ import annotations

from ..actors.exits import Exit, Stopped
from .actions import Action
from .draft import Draft
from .events import (
    Begin,
    DeleteChild,
    Event,
    Exited,
    Ignored,
    Request,
    RestartChild,
    RetryDue,
    ShutDown,
    StartChild,
    Started,
    StartFailed,
    StopDone,
    TerminateChild,
)
from .requests import delete_child, restart_child, start_child, terminate_child
from .restarting import ended, retry
from .specs import AnySupervisor
from .state import Boot, Phase, State, Status, Task
from .tasks import close, deny_late, go_on, ignored, start_failed, started, stop_done


def decide(
    spec: AnySupervisor, state: State, event: Event, now: float, random: float
) -> tuple[State, tuple[Action, ...]]:
    """What a supervisor does about one event.

    Args:
        spec: as declared; the same at every call.
        state: what the last call returned; `fresh(spec)` at first.
        event: what happened.
        now: monotonic seconds; never less than at the last call.
        random: from 0 to 1, for the jitter of a back-off.

    Returns:
        The new state, and the actions in the order in which they are to be carried out.
    """
    draft = Draft(spec, state, now, random)
    _hear(draft, event)
    while draft.postponed and draft.task is None and draft.phase is Phase.RUNNING:
        _handle(draft, draft.take_next())
    return draft.result()


def _hear(draft: Draft, event: Event) -> None:
    match event:
        case Begin():
            _begin(draft)
        case Started():
            started(draft, event.name)
        case Ignored():
            ignored(draft, event.name)
        case StartFailed():
            start_failed(draft, event.name, event.exit)
        case StopDone():
            stop_done(draft, event)
        case ShutDown():
            _shut_down(draft, Stopped(event.by))
        case Exited():
            _exited(draft, event)
        case _:
            _wanted(draft, event)


def _begin(draft: Draft) -> None:
    if draft.phase is Phase.NEW:
        draft.phase = Phase.STARTING
        draft.begin_task(Task(Boot(), starts=draft.names()))
        go_on(draft)


def _shut_down(draft: Draft, exit: Exit) -> None:
    if not draft.is_over:
        close(draft, exit)


def _exited(draft: Draft, event: Exited) -> None:
    """A child is gone; what follows is decided in its turn."""
    place = draft.find(event.name)
    if place is None:
        return
    if place.status is Status.STARTING:
        start_failed(draft, event.name, event.exit)
    elif place.status is Status.RUNNING:
        draft.put(place, status=Status.EXITED)
        if not draft.is_over:
            draft.postpone(event)  # until its turn, or until the child is to be stopped anyway


def _wanted(draft: Draft, event: RetryDue | Request) -> None:
    """Something that may have to wait until it is its turn."""
    if draft.is_over:
        if isinstance(event, Request):
            deny_late(draft, event.token)
    else:
        draft.postpone(event)


def _handle(draft: Draft, event: Event) -> None:
    match event:
        case Exited():
            ended(draft, event)
        case RetryDue():
            retry(draft, event)
        case StartChild():
            start_child(draft, event)
        case TerminateChild():
            terminate_child(draft, event)
        case RestartChild():
            restart_child(draft, event)
        case DeleteChild():
            delete_child(draft, event)
        case _:
            raise AssertionError(f"{event} never waits")
