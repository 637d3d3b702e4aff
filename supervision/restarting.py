"""Restarting: what follows when a child has ended by itself, and when a restart is due."""

from __future__ import annotations

from ..actors.exits import Stopped, describe, is_normal
from .budget import spend
from .draft import Draft
from .events import Exited, RetryDue
from .specs import Dynamic
from .state import Place, Regroup, Status, Task
from .strategies import group, is_restarted
from .tasks import close, give_up, go_on


def ended(draft: Draft, event: Exited) -> None:
    """A child has ended by itself: restart it, or leave it and look at `auto_shutdown`."""
    place = draft.find(event.name)
    if place is None or place.status is not Status.EXITED:
        return
    restart = place.spec.terms.restart
    if restart == "permanent" or not is_normal(event.exit):
        draft.report(f"{place.name!r} {describe(event.exit)}")
    if is_restarted(restart, event.exit):
        draft.remember(place.name, event.exit, starting=False)
        _restart(draft, _rested(draft, place))
    else:
        draft.settle(place)
        _shut_down_if_significant(draft, place)


def retry(draft: Draft, event: RetryDue) -> None:
    """The wait before a restart is over."""
    waiting = _waiting(draft, event)
    if not waiting:
        return  # it was terminated meanwhile, or restarted with others
    if event.counted:
        draft.begin_task(Task(Regroup(event.name, delayed=False), starts=tuple(p.name for p in waiting)))
        go_on(draft)
    else:
        _restart(draft, waiting[0])


def _waiting(draft: Draft, event: RetryDue) -> list[Place]:
    """Whoever is to be restarted now, in start order."""
    if draft.spec.backoff is None:
        # OTP's try_again_restart has only a name: if the same child failed again within its group there are
        # two of them, and both are heeded and counted.
        return [place for place in _named(draft, event.name) if place.status is Status.RESTARTING]
    candidates = _named(draft, event.name) if draft.is_dynamic else list(draft.places())
    return [
        place for place in candidates if place.status is Status.RESTARTING and place.retry == event.number
    ]


def _named(draft: Draft, name: str) -> list[Place]:
    place = draft.find(name)
    return [place] if place else []


def _rested(draft: Draft, place: Place) -> Place:
    """The child, its waits forgotten if it had been running quietly."""
    backoff = draft.spec.backoff
    quiet = backoff is not None and draft.now - place.since >= backoff.reset_after
    return draft.put(place, waits=0) if quiet else place


def _restart(draft: Draft, place: Place) -> None:
    spec = draft.spec
    draft.restarts, allowed = spend(draft.restarts, draft.now, spec.intensity, spec.period)
    draft.put(place, status=Status.DOWN)
    if not allowed:
        give_up(draft, _too_many(draft))
        return
    members = (place.name,) if isinstance(spec, Dynamic) else group(spec.strategy, draft.names(), place.name)
    others = tuple(name for name in reversed(members) if name != place.name)
    draft.begin_task(Task(Regroup(place.name, delayed=spec.backoff is not None), others, members))
    go_on(draft)


def _too_many(draft: Draft) -> str:
    spec, needed = draft.spec, len(draft.restarts)
    if not spec.intensity:
        return "a restart was needed and intensity=0 allows none"
    return (
        f"{needed} restarts were needed within {spec.period:g} s and intensity={spec.intensity} allows "
        f"{spec.intensity}"
    )


def _shut_down_if_significant(draft: Draft, place: Place) -> None:
    when = draft.spec.auto_shutdown
    if when == "never" or not place.spec.terms.significant:
        return
    if when == "all_significant" and any(_still_counts(other) for other in draft.places()):
        return
    which = "its significant child" if when == "any_significant" else "its last significant child"
    close(draft, Stopped(f"itself, since {which} {place.name!r} had ended"))


def _still_counts(place: Place) -> bool:
    return place.spec.terms.significant and place.status is not Status.DOWN
