"""Requests: children that come and go while the supervisor runs."""

from __future__ import annotations

from .draft import Draft
from .events import DeleteChild, RestartChild, StartChild, TerminateChild
from .specs import AnyChild, Child
from .state import Dismiss, Hire, Place, Status, Task
from .tasks import go_on
from .trees import insignificant


def start_child(draft: Draft, request: StartChild) -> None:
    """Add a child and start it; if it does not start it is not added."""
    child, token = request.child, request.token
    old = draft.find(child.name)
    if problem := _unfit(draft, child):
        draft.deny(token, "invalid", problem)
    elif old is None:
        draft.put(Place(child))
        draft.begin_task(Task(Hire(token, child.name, new=True), starts=(child.name,)))
        go_on(draft)
    elif old.status in (Status.RUNNING, Status.EXITED):
        draft.deny(token, "already_started", f"{child.name!r} runs already; give the new child another name")
    else:
        draft.deny(
            token,
            "already_present",
            f"{child.name!r} is known and {old.status.value}; restart it, or delete it and start another",
        )


def terminate_child(draft: Draft, request: TerminateChild) -> None:
    """Stop a child; its spec stays, unless it is temporary or made from a template."""
    place = _find(draft, request.token, request.name)
    if place is not None:
        draft.begin_task(Task(Dismiss(request.token, place.name), stops=(place.name,)))
        go_on(draft)


def restart_child(draft: Draft, request: RestartChild) -> None:
    """Start a child that is down. If it fails it stays down: this is no restart that counts."""
    place = _find_down(draft, request.token, request.name, "restart")
    if place is not None:
        draft.put(place, waits=0)
        draft.begin_task(Task(Hire(request.token, place.name, new=False), starts=(place.name,)))
        go_on(draft)


def delete_child(draft: Draft, request: DeleteChild) -> None:
    """Forget the spec of a child that is down."""
    place = _find_down(draft, request.token, request.name, "delete")
    if place is not None:
        draft.forget(place)
        draft.answer(request.token)


def _unfit(draft: Draft, child: AnyChild) -> str:
    if child.name == draft.spec.name:
        return f"{child.name!r} is its own name; give the child another"
    if draft.is_dynamic and not isinstance(child, Child):
        return f"{child.name!r} is a {type(child).__name__}; a Dynamic has what its child(...) makes"
    return insignificant(draft.spec, child)


def _find(draft: Draft, token: object, name: str) -> Place | None:
    place = draft.find(name)
    if place is None:
        draft.deny(token, "not_found", f"it has no child {name!r}; which_children lists them")
    return place


def _find_down(draft: Draft, token: object, name: str, verb: str) -> Place | None:
    if draft.is_dynamic:
        draft.deny(
            token,
            "dynamic",
            f"children of a template are not kept when they end, so there is none to {verb}; start another",
        )
        return None
    place = _find(draft, token, name)
    if place is None or place.status is Status.DOWN:
        return place
    if place.status is Status.RESTARTING:
        draft.deny(token, "restarting", f"{name!r} is about to be restarted; terminate it to {verb} it")
    else:
        draft.deny(token, "running", f"{name!r} runs; terminate it to {verb} it")
    return None
