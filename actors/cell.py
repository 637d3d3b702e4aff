"""Cell: what the runtime keeps of one mailbox while it is active.

The mailbox is the sequence numbers from `head` to `tail`. A window of it is in memory
(`mail`, from `head` to `loaded`); the rest lies in segments on disk. `fresh` holds what
the open batch must write: messages that are handled before the batch is sealed drop out
of it and never touch the disk.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..mailbox.records import Box, key

if TYPE_CHECKING:
    from .actor import Actor, ActorType
    from .guarding import Guardian
    from .mail import Mail
    from .ref import ActorRef
    from .worker import Worker

WINDOW = 4000
"""Messages of one mailbox held in memory."""


class Phase(Enum):
    """What a cell is doing. Only READY cells stand in the schedule."""

    IDLE = "idle"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting for the disk"
    BACKING_OFF = "retrying"
    BLOCKED = "blocked"
    """Paused, without an actor, or without code."""
    AWAY = "away"
    """An outbox: another node handles its mail."""
    GONE = "gone"
    """Passivated: this object is not the mailbox any more."""


class Cell:
    """One active mailbox and the actor behind it."""

    __slots__ = (
        "_state",
        "actor",
        "attempts",
        "attempts_lsn",
        "box",
        "careful",
        "error",
        "failed_at",
        "fresh",
        "guardian",
        "handled",
        "head",
        "held",
        "kind",
        "known",
        "last",
        "last_end",
        "left",
        "life",
        "line",
        "loaded",
        "lsn",
        "mail",
        "name",
        "newer",
        "park_at",
        "paused",
        "phase",
        "ref",
        "restarts",
        "retry_at",
        "segments",
        "starts",
        "state_touched",
        "tail",
        "touched",
        "type",
        "used_at",
        "weight",
        "worker",
    )

    worker: Worker | None
    """The worker that owns the suspended turn."""
    line: deque[Cell] | None
    """Where it stands in the schedule."""
    left: int
    """How many places it has left behind there."""
    weight: int
    """Bytes of mail in memory, about; see `window`."""

    def __init__(self, box: int, record: Box) -> None:
        self.box = box
        self.name = record.name
        self.head = record.head
        self.tail = record.tail
        self.type = record.type
        self.life = record.life
        self.paused = record.paused
        self.attempts, self.starts = record.attempts, record.starts
        self.retry_at = record.retry_at
        self.error = record.error
        self.failed_at = record.failed_at
        self.park_at = record.park_at
        self.handled = record.handled
        self.last = record.last
        """First sequence of the last segment on disk; -1 if there is none."""
        self.last_end = -1
        """Sequence after the last segment's last message; -1 if that was not looked up."""

        self.careful = 0
        """Up to here its turns do not run ahead of the disk, since a crash came in one; see `blame`."""
        self.guardian: Guardian | None = None
        """The supervisor over its actor, if one is declared."""
        self.held = ""
        """Why its supervisor lets no turn begin; empty if it does."""
        self.restarts = 0
        """How often its supervisor has started it again."""
        self.kind: ActorType | None = None
        self.actor: Actor | None = None
        self._state: bytes = b""
        self.state_touched = False
        self.newer: tuple[Any, ...] | None = None
        """The declared fields after the last turn, while no bytes were made of them."""
        self.mail: deque[Mail] = deque()
        self.loaded = record.head
        """Sequence after the last message in memory."""
        self.known = record.head
        """Sequence after the last known segment."""
        self.fresh: list[Mail] = []
        self.segments: list[tuple[int, int]] = []  # an empty deque takes 600 bytes
        """Known segments on disk: (first sequence, sequence after the last)."""
        self.lsn = 0
        """The batch that holds the last turn."""
        self.touched = 0
        """The last batch that writes anything of this cell."""
        self.attempts_lsn = self.weight = self.left = 0
        self.phase = Phase.IDLE
        self.ref: ActorRef[Any] | None = None
        """Its actor's, once somebody who heard from it asked who that was."""
        self.worker = self.line = None
        self.used_at = 0.0

    @property
    def state(self) -> bytes:
        """The declared fields after the last turn, as they are stored."""
        if self.newer is not None:
            assert self.kind is not None
            state, self.newer = self.kind.state.encode(self.newer), None
            if state != self._state:
                self._state, self.state_touched = state, True
        return self._state

    @state.setter
    def state(self, state: bytes) -> None:
        self._state, self.newer = state, None

    def record(self) -> tuple[Any, ...]:
        """The fields of `records.Box`, in order."""
        return (
            self.name,
            self.head,
            self.tail,
            self.type,
            self.life,
            self.paused,
            self.attempts,
            self.retry_at,
            self.error,
            self.failed_at,
            self.park_at,
            self.handled,
            self.last,
            self.starts,
        )

    def key(self) -> bytes:
        """Its key in BOXES and STATES."""
        return key(self.box)

    @property
    def waiting(self) -> int:
        """Messages in the mailbox, in hand or not."""
        return self.tail - self.head

    def clear_failure(self) -> None:
        """Forget the attempts at the message that was at the head."""
        self.attempts = 0
        self.starts = 0
        self.retry_at = 0
        self.error = ""
        self.failed_at = 0

    def __repr__(self) -> str:
        return f"<cell {self.name!r} {self.phase.value}, {self.waiting} waiting>"


def condition(cell: Cell, paused: str = "") -> str:
    """A mailbox's one condition, as a word; `paused` says why its type is paused, if it is."""
    if cell.paused or paused:
        return "paused"
    if not cell.type:
        return "no actor"
    if cell.held:
        return "held"
    if cell.kind is None or cell.phase is Phase.BLOCKED:
        return "no code"
    return "retrying" if cell.attempts else "running"
