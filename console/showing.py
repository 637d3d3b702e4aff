"""Showing a mailbox: as a row, as JSON, and as a page of its own."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..mailbox.errors import Undecodable
from ..mailbox.letter import Letter
from ..mailbox.views import MailboxDetail, MailboxView, TimerView
from . import wording
from .jsonl import moment
from .tables import pairs, section
from .terminal import paint, safe

DAMAGED: Final = "damaged"
CONDITIONS: Final = {"paused": "yellow", "retrying": "yellow", "no actor": "dim", DAMAGED: "red"}
"""The conditions that deserve a look, and their colors."""

TIMERS_SHOWN: Final = 10


def require_whole(name: str, view: MailboxView) -> None:
    """Say so if a mailbox's own record cannot be read.

    Raises:
        Undecodable: it cannot.
    """
    if view.problem:
        raise Undecodable(
            f"the mailbox {name!r} cannot be read: {view.problem}. "
            "Keep a copy of the store for examination and restore a backup"
        )


def mailbox_row(view: MailboxView, now: int) -> list[str]:
    """One line of `ls`."""
    if view.problem:
        return [view.name or f"(number {view.box})", "-", DAMAGED, "-", "-", "-", view.problem]
    return [
        view.name,
        view.type or "-",
        view.condition,
        f"{view.mail:,}",
        wording.duration(now - view.oldest) if view.oldest else "-",
        str(view.attempts),
        _remark(view, now),
    ]


def _remark(view: MailboxView, now: int) -> str:
    if why := view.paused or view.type_paused:
        return why
    if not view.type:
        return f"mail dies {wording.due(view.park_at, now)}" if view.mail and view.park_at else ""
    return view.error


def mailbox_fields(view: MailboxView) -> dict[str, Any]:
    """A mailbox as JSON, the same in `ls` and in `show`."""
    return {
        "name": view.name,
        "type": view.type or None,
        "condition": DAMAGED if view.problem else view.condition,
        "mail": view.mail,
        "oldest": moment(view.oldest),
        "attempts": view.attempts,
        "next_attempt": moment(view.retry_at),
        "error": view.error or None,
        "failing_since": moment(view.failed_at),
        "paused": view.paused or None,
        "type_paused": view.type_paused or None,
        "mail_dies": moment(view.park_at),
        "life": view.life,
        "handled": view.handled,
        "problem": view.problem or None,
    }


def mailbox_lines(
    detail: MailboxDetail, head: Sequence[Letter], timers: Sequence[TimerView], now: int
) -> Iterator[str]:
    """The page of `show`."""
    view = detail.view
    yield from pairs(
        [
            ("name", safe(view.name)),
            ("type", safe(view.type) or "-"),
            ("condition", _condition(view, now)),
            *([("failing", failing(view, head, now))] if view.attempts or view.starts else []),
            ("mail", _mail(view, now)),
            ("handled", f"{wording.count(view.handled, 'message')}, in life {view.life}"),
        ]
    )
    if detail.state_problem:
        yield from section("state", [f"(unreadable: {safe(detail.state_problem)})"])
    elif view.type:
        yield from section("state", _state(detail.state))
    if timers:
        more = len(timers) - TIMERS_SHOWN
        lines = [_timer(timer, view.type, now) for timer in timers[:TIMERS_SHOWN]]
        yield from section("timers", [*lines, *([f"and {more:,} more"] if more > 0 else [])])


def _condition(view: MailboxView, now: int) -> str:
    color = CONDITIONS.get(view.condition)
    word = paint(view.condition, color) if color else view.condition
    if view.paused:
        return f"{word}: {safe(view.paused, lines=True)}"
    if view.type_paused:
        return f"{word}, with all of type {safe(view.type)}: {safe(view.type_paused, lines=True)}"
    if not view.type and view.mail and view.park_at:
        return f"{word}: its mail dies {wording.due(view.park_at, now)} unless one is spawned"
    return word


def failing(view: MailboxView, head: Sequence[Letter], now: int) -> str:
    """What has failed, how often, since when and of what, in two lines."""
    what = wording.message(head[0], view.type) if head and not view.starts else "waking the actor"
    times = wording.count(view.starts or view.attempts, "attempt")
    first = f"{times} at {what}, the first {wording.ago(view.failed_at, now)}"
    if view.retry_at and view.condition != "paused":
        first += f"; the next {wording.due(view.retry_at, now)}"
    return f"{first}\n{safe(view.error, lines=True)}"


def _mail(view: MailboxView, now: int) -> str:
    text = wording.count(view.mail, "message")
    return f"{text}, the oldest sent {wording.ago(view.oldest, now)}" if view.oldest else text


def _state(state: Any) -> list[str]:
    if not wording.is_mapping(state):
        return [wording.value(state)]
    if not state:
        return ["(no fields)"]
    return list(pairs([(safe(str(name)), wording.value(each)) for name, each in state.items()]))


def _timer(timer: TimerView, home: str, now: int) -> str:
    text = wording.message(timer.letter or Letter(), home)
    key = f"  key {timer.key!r}" if timer.key else ""
    setter = f"  from {safe(timer.setter)}" if timer.setter and timer.setter != timer.to else ""
    return f"{wording.due(timer.due, now)}  {text}{key}{setter}"
