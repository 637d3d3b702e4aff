"""Tasks: first the stops, in reverse start order and one at a time; then the starts, in start order.

Everything here goes on as far as it can without an answer, and leaves the rest to the next event.
"""

from __future__ import annotations

from ..actors.exits import Exit, Failed, Finished, GaveUp, Killed, describe
from .actions import End, Ready, Start, Stop, Wait
from .draft import Draft
from .events import Request, RetryDue, StopDone
from .history import tell
from .state import Boot, Close, Dismiss, Hire, Phase, Place, Regroup, Status, Task


def go_on(draft: Draft) -> None:
    """Do what of the task can be done now."""
    while (task := draft.task) is not None and _is_free(draft, task):
        if task.stops:
            _stop_next(draft, task)
        elif isinstance(task.purpose, Regroup) and task.purpose.delayed:
            _wait_for_group(draft, task, task.purpose.failed)
        elif task.starts:
            _start_next(draft, task)
        else:
            _complete(draft, task)


def _is_free(draft: Draft, task: Task) -> bool:
    if task.awaited:
        return draft.is_dynamic and bool(task.stops)  # those of a template are stopped in parallel
    return not task.starting


def close(draft: Draft, exit: Exit) -> None:
    """Leave whatever is being done, stop all children and end."""
    task = draft.task
    draft.phase, draft.exit = Phase.STOPPING, exit
    if task is not None and isinstance(task.purpose, Hire | Dismiss):
        deny_late(draft, task.purpose.token)
        place = draft.find(task.purpose.name)
        if isinstance(task.purpose, Hire) and task.purpose.new and place is not None:
            draft.put(place, refused=True)
    for event in draft.postponed:
        if isinstance(event, Request):
            deny_late(draft, event.token)
    draft.postponed = ()
    stops = tuple(reversed(draft.names()))
    draft.begin_task(Task(Close(exit), stops, awaited=task.awaited if task else 0))
    go_on(draft)


def deny_late(draft: Draft, token: object) -> None:
    """A request came too late."""
    draft.deny(token, "shutting_down", "it is stopping; ask again when it runs again")


def give_up(draft: Draft, headline: str) -> None:
    """Stop all children and fail to the supervisor above."""
    draft.report(f"gives up: {headline}")
    close(draft, GaveUp(tell(headline, draft.history)))


# Stops.


def _stop_next(draft: Draft, task: Task) -> None:
    at_once = len(task.stops) if draft.is_dynamic else 1
    draft.change_task(stops=task.stops[at_once:])
    awaited = 0
    for name in task.stops[:at_once]:
        place = draft.find(name)
        if place is None or place.status is Status.STOPPING:
            continue
        if place.is_alive:
            draft.put(place, status=Status.STOPPING)
            draft.do(Stop(name, place.spec.terms.patience))
            awaited += 1
        else:
            draft.settle(place)
    draft.change_task(awaited=task.awaited + awaited)


def stop_done(draft: Draft, event: StopDone) -> None:
    """A child that was to be stopped is gone."""
    place = draft.find(event.name)
    if place is None or place.status is not Status.STOPPING:
        return
    assert draft.task is not None
    _report_odd_end(draft, place, event.exit)
    draft.settle(place)
    draft.change_task(awaited=draft.task.awaited - 1)
    go_on(draft)


def _report_odd_end(draft: Draft, place: Place, exit: Exit) -> None:
    terms = place.spec.terms
    killed_late = isinstance(exit, Killed) and terms.patience != 0
    finished = isinstance(exit, Finished) and terms.restart == "permanent"
    if isinstance(exit, Failed) or killed_late or finished:
        draft.report(f"{place.name!r} did not just stop when it was told to: it {describe(exit)}")


# Starts.


def _start_next(draft: Draft, task: Task) -> None:
    name, rest = task.starts[0], task.starts[1:]
    place = draft.find(name)
    if place is None:
        draft.change_task(starts=rest)  # it was temporary and is forgotten
        return
    draft.change_task(starts=rest, starting=name)
    draft.put(place, status=Status.STARTING)
    draft.do(Start(name))


def started(draft: Draft, name: str) -> None:
    """A child runs."""
    place = _starting(draft, name)
    if place is not None:
        draft.put(place, status=Status.RUNNING, since=draft.now)
        _go_on_after_start(draft)


def ignored(draft: Draft, name: str) -> None:
    """A child has nothing to run."""
    place = _starting(draft, name)
    if place is not None:
        draft.settle(place)
        _go_on_after_start(draft)


def _starting(draft: Draft, name: str) -> Place | None:
    place = draft.find(name)
    # One that is being stopped before it had started is ended by its `StopDone`.
    return place if place is not None and place.status is Status.STARTING else None


def _go_on_after_start(draft: Draft) -> None:
    draft.change_task(starting="")
    go_on(draft)


def start_failed(draft: Draft, name: str, exit: Exit) -> None:
    """A child did not start."""
    place, task = _starting(draft, name), draft.task
    if place is None:
        return
    assert task is not None
    draft.report(f"{name!r} did not start: it {describe(exit)}")
    draft.task = None
    match task.purpose:
        case Boot():
            draft.remember(name, exit, starting=True)
            draft.put(place, status=Status.DOWN)
            give_up(draft, f"{name!r} did not start")
        case Regroup():
            draft.remember(name, exit, starting=True)
            _try_again(draft, place, task)
        case Hire():
            if task.purpose.new:
                draft.forget(place)
            else:
                draft.put(place, status=Status.DOWN)
            draft.deny(task.purpose.token, "failed", f"{name!r} did not start: it {describe(exit)}", exit)
        case Dismiss() | Close():
            raise AssertionError(f"{task.purpose} starts nobody")


def _try_again(draft: Draft, place: Place, task: Task) -> None:
    """The restart goes back through the supervisor's mailbox, so that a shutdown can get in between.

    With a back-off the others that were still to be started wait too, instead of being just down: so
    whoever terminates the failed one meanwhile does not leave the rest of its group behind.
    """
    number = draft.next_wait()
    draft.put(place, status=Status.RESTARTING, retry=number)
    if draft.spec.backoff is not None:
        for name in task.starts:
            draft.put(_known(draft, name), status=Status.RESTARTING, retry=number)
    draft.do(Wait(0.0, RetryDue(place.name, number, counted=False)))


def _wait_for_group(draft: Draft, task: Task, failed: str) -> None:
    backoff, place = draft.spec.backoff, _known(draft, failed)
    assert backoff is not None
    seconds, number = backoff.wait_seconds(place.waits, draft.random), draft.next_wait()
    draft.put(place, waits=place.waits + 1)
    for name in task.starts:
        member = draft.find(name)
        if member is not None:
            draft.put(member, status=Status.RESTARTING, retry=number)
    draft.task = None
    draft.do(Wait(seconds, RetryDue(failed, number, counted=True)))


def _known(draft: Draft, name: str) -> Place:
    place = draft.find(name)
    assert place is not None, f"{name} is to be restarted and has no place"
    return place


# Ends.


def _complete(draft: Draft, task: Task) -> None:
    draft.task = None
    match task.purpose:
        case Boot():
            draft.phase = Phase.RUNNING
            draft.do(Ready())
        case Hire() | Dismiss():
            draft.answer(task.purpose.token)
        case Close():
            draft.phase = Phase.ENDED
            draft.do(End(task.purpose.exit))
        case Regroup():
            pass
