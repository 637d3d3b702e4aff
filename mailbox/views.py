"""What `reading` returns: mailboxes, dead letters and timers as frozen values."""

from typing import Any

import msgspec

from .letter import Letter


class MailboxView(msgspec.Struct, frozen=True):
    """One mailbox as it is on disk."""

    box: int
    name: str = ""
    type: str = ""
    condition: str = ""
    """paused, outbox, no actor, retrying or running; whether there is code for it only its node knows."""
    mail: int = 0
    """Messages that wait, the one in hand included."""
    oldest: int | None = None
    """When the message at the head was sent, ns."""
    attempts: int = 0
    retry_at: int = 0
    error: str = ""
    failed_at: int = 0
    paused: str = ""
    """Why this mailbox is paused."""
    type_paused: str = ""
    """Why all actors of its type are."""
    starts: int = 0
    """Failed attempts at waking the actor."""
    park_at: int = 0
    life: int = 0
    handled: int = 0
    problem: str = ""


class MailboxDetail(msgspec.Struct, frozen=True):
    """One mailbox with what lies around it."""

    view: MailboxView
    state: Any
    """The actor's fields by name, decoded as far as msgpack goes; None without an actor."""
    state_problem: str
    timers: int
    """Messages due later, among the store's next 10,000 timers."""


class DeadView(msgspec.Struct, frozen=True):
    """One dead letter."""

    number: int
    box: str = ""
    type: str = ""
    reason: str = ""
    error: str = ""
    text: str = ""
    traceback: str = ""
    attempts: int = 0
    failed_at: int = 0
    died_at: int = 0
    life: int = 0
    restarts: int = 0
    replays: int = 0
    """How often it had been replayed before."""
    letter: Letter = msgspec.field(default_factory=Letter)
    problem: str = ""


class TimerView(msgspec.Struct, frozen=True):
    """One thing that is due later."""

    due: int
    number: int
    kind: str = ""
    to: str = ""
    setter: str = ""
    key: str = ""
    letter: Letter | None = None
    problem: str = ""
