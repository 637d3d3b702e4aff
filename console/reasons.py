"""Reasons: why an actor makes no progress, in sentences, from what is on disk, and what to do about it.

What only a running node knows is said to be unknown: whether one runs, and whether its code has the class and
the handler.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from ..mailbox.letter import Letter
from ..mailbox.views import MailboxView, TimerView
from . import wording
from .showing import failing
from .terminal import safe


@attrs.frozen
class Case:
    """What is known of one mailbox, at one commit."""

    view: MailboxView
    head: Sequence[Letter]
    """The next message, if there is one."""
    timers: Sequence[TimerView]
    """Messages that come to it later, the soonest first."""
    supervisor: str
    """Who has it as a child; empty if it was spawned."""
    now: int
    crashes: int | None = None
    """How often the next message brought the process down while it ran alone; None if it is no suspect."""
    full: str = ""
    """What the running node has no room for; empty if it has, or none runs."""

    @property
    def name(self) -> str:
        """As people see it, in quotes."""
        return f"'{safe(self.view.name)}'"

    @property
    def type(self) -> str:
        """Declared name of its actor's type."""
        return safe(self.view.type)


@attrs.frozen
class Reason:
    """One reason, and what to do about it."""

    word: str
    """paused, type paused, no actor, retrying, suspected, unreadable, idle, full, next, supervised."""
    text: str
    advice: str = ""


def reasons(case: Case) -> list[Reason]:
    """Why it makes no progress; what holds it first, then what lies around it."""
    found = [reason for look in _LOOKS if (reason := look(case)) is not None]
    return [*found, *_around(case, held=bool(found))]


def _paused(case: Case) -> Reason | None:
    if not case.view.paused:
        return None
    return Reason(
        "paused",
        f"{case.name} is paused: {safe(case.view.paused, lines=True)}.",
        f"When what is said there is put right: await node.resume(node.ref(…, {case.name})). "
        "Its attempts then begin at zero.",
    )


def _type_paused(case: Case) -> Reason | None:
    if not case.view.type_paused:
        return None
    return Reason(
        "type paused",
        f"All actors of type {case.type} are paused: {safe(case.view.type_paused, lines=True)}.",
        f"For all of them to go on: await node.resume_type({case.type!r}).",
    )


def _no_actor(case: Case) -> Reason | None:
    view = case.view
    if view.type:
        return None
    ended = f"the last of {view.life} has ended" if view.life else "none was ever spawned"
    text = f"No actor lives at {case.name}: {ended}."
    if view.mail and view.park_at:
        text += f" Its mail becomes dead letters {wording.due(view.park_at, case.now)}."
    advice = f"Spawn one: await node.spawn(…, name={case.name}). It finds the mail that waits."
    return Reason("no actor", text, advice)


def _retrying(case: Case) -> Reason | None:
    view = case.view
    if view.condition != "retrying":
        return None
    text = f"{case.name} has failed, and waits to try again: {failing(view, case.head, case.now)}"
    if view.starts:
        advice = (
            "Mend what keeps it from starting; after 12 attempts in a row it is paused and keeps its mail."
        )
    else:
        advice = (
            "Mend what fails and wait, or restart the node with better code. When its attempts are used up, "
            f"the message is a dead letter (callboard dead ls --box {case.name}), or the mailbox pauses, "
            "as declared."
        )
    return Reason("retrying", text, advice)


def _suspected(case: Case) -> Reason | None:
    if case.crashes is None or not case.head:
        return None
    text = (
        f"The next message, {wording.message(case.head[0], case.view.type)}, is suspected: the process was "
        f"killed in the middle of its turn, and {wording.count(case.crashes, 'time')} in a row while it ran "
        "alone. It runs alone until it is handled, and is a dead letter after the third time."
    )
    advice = (
        "Look in the system's log for what ended the process (a segmentation fault, no memory, os._exit). "
        f"When it has died: callboard dead ls --box {case.name} --reason crashed"
    )
    return Reason("suspected", text, advice)


def _unreadable(case: Case) -> Reason | None:
    problem = case.head[0].problem if case.head else ""
    if not problem or case.view.condition != "running":
        return None
    return Reason(
        "unreadable",
        f"The next message cannot be read: {safe(problem)}. When its turn comes it becomes a dead letter.",
        f"Have a node run; then: callboard dead ls --box {case.name} --reason undecodable",
    )


def _idle(case: Case) -> Reason | None:
    if case.view.mail or case.view.condition != "running":
        return None
    text = f"{case.name} has nothing to do: no mail waits. It has handled "
    text += f"{wording.count(case.view.handled, 'message')}."
    if case.timers:
        soonest = case.timers[0]
        what = wording.message(soonest.letter or Letter(), case.view.type)
        text += f" The next message is a timer's, {what}, {wording.due(soonest.due, case.now)}."
    advice = "If you expected mail: look at who was to send it, and whether it died: callboard dead ls"
    return Reason("idle", text, advice)


def _full(case: Case) -> Reason | None:
    if not case.full:
        return None
    return Reason("full", f"The running node is {safe(case.full)}.")


def _next(case: Case) -> Reason | None:
    if not case.view.mail or case.view.condition != "running" or not case.head or case.head[0].problem:
        return None
    head = case.head[0]
    what = wording.message(head, case.view.type)
    text = f"Nothing on disk holds {case.name}: {what} is next, and its turn comes when a node runs."
    advice = (
        "The store does not tell whether a node runs, or is in the middle of that turn, nor whether its "
        f"code has the class {case.type!r} with a handler {safe(head.handler)!r} of version "
        f"{head.version}: without one, the mailbox waits for a deploy, and the node's log says so."
    )
    return Reason("next", text, advice)


_LOOKS: Final[tuple[Callable[[Case], Reason | None], ...]] = (
    _paused,
    _type_paused,
    _no_actor,
    _retrying,
    _suspected,
    _unreadable,
    _idle,
    _full,
    _next,
)


def _around(case: Case, *, held: bool) -> Iterator[Reason]:
    """What lies behind the message that is next, and who else has a say."""
    view = case.view
    if held and view.mail > 1:
        age = f", the oldest sent {wording.ago(view.oldest, case.now)}" if view.oldest else ""
        text = f"{wording.count(view.mail, 'message')} wait there{age}: a mailbox is handled in order"
        if view.attempts:
            text += ", so what fails at its head holds what came after it, and no other mailbox"
        yield Reason("mail", f"{text}.")
    elif held and view.mail and view.condition != "running":
        yield Reason("mail", "1 message waits there.")
    if case.supervisor:
        yield Reason(
            "supervised",
            f"It is a child of the supervisor '{safe(case.supervisor)}': its mail waits from the node's "
            "start until its tree is started, and from a failure until that has decided.",
            "See what it is doing: callboard tree. The tree is started by await node.start(…).",
        )
