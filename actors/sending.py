"""Sending: how a message gets a number, finds its mailbox, and is put there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..mailbox.envelope import INLINE, MAX_BODY
from ..mailbox.errors import Undecodable
from ..mailbox.names import check_name
from .burying import bury
from .cell import WINDOW, Cell, Phase
from .current import turn_in_hand
from .durations import Seconds, in_seconds
from .errors import MessageTooLarge
from .handler import Factory
from .load import look_soon
from .mail import Cause, Mail, size_of
from .marks import is_text
from .message import Message

if TYPE_CHECKING:
    from .ref import ActorRef
    from .runtime import Runtime

GONE, IDLE, READY = Phase.GONE, Phase.IDLE, Phase.READY

Where = Cell | str
"""A mailbox, or the name of one that is made when something is put there."""
Effect = tuple[Where, Mail] | Callable[[], None]
"""Something that a turn does once its handler has returned."""


class Sending:
    """The way of a message from its maker to its mailbox."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._active = runtime.cells.by_name
        self._cells = runtime.cells
        self._schedule = runtime.schedule
        self._quantum = runtime.schedule.quantum
        self._probe = runtime.probe

    def make_mail(
        self,
        message: Message[Any, Any],
        cause: Cause,
        flags: int = 0,
        extra: dict[int, Any] | None = None,
    ) -> Mail:
        """A message with a number of its own.

        Raises:
            MessageTooLarge: its body is above the limit.
        """
        size, body = size_of(message), None
        if size > INLINE:
            body = self._ledger.bodies.laid.pop(id(message), None)
            size = len(message.body()) if body is None else body.length
            check_size(message, size)
            look_soon(turn_in_hand())
        mail = Mail(self._ledger.next_number(), message, cause, flags, extra, size=size)
        if body is not None:
            self._ledger.bodies.attach(mail, body)
        return mail

    def staged(self, ref: ActorRef[Any], message: Message[Any, Any], cause: Cause) -> tuple[Where, Mail]:
        """A plain message of a turn, and where it goes at the turn's end: `target` and `make_mail` in one.

        Raises:
            TypeError: it is no message, or one of another actor's class.
            MessageTooLarge: its body is above the limit.
        """
        cell = self._active.get(ref.name)
        if cell is not None and message.__class__ is Message:
            kind = cell.kind
            if kind is not None and message.spec in kind.specs:
                size, ledger = message.size or size_of(message), self._ledger
                if size <= INLINE:
                    ledger.number = number = ledger.number + 1
                    return cell, Mail(number, message, cause, 0, None, None, None, 0, size)
        return self.target(ref, message), self.make_mail(message, cause)

    def target(self, ref: ActorRef[Any], message: Message[Any, Any]) -> Where:
        """The mailbox of a ref, if its actor has a handler for the message; its name if there is none yet.

        Raises:
            TypeError: it is no message, or one of another actor's class.
            BadName: the ref was made of something that is no address.
        """
        if type(message) is not Message:
            check_message(message)
        cell = self._active.get(ref.name)
        if cell is None or cell.kind is None:
            check_name(ref.name)
        if cell is None:
            cell = self._runtime.cells.find(ref.name)
            if cell is None:
                return ref.name
        kind = cell.kind
        if kind is not None and message.spec.owner not in kind.cls.__mro__:
            raise TypeError(
                f"{message!r} is a message for {message.spec.owner.__name__}, "
                f"and {ref.name!r} is a {kind.name}: make it with a handler of {kind.name}"
            )
        return cell

    def staged_tell(
        self,
        name: str,
        message: Message[Any, Any],
        cause: Cause,
        *,
        delay: Seconds,
        key: str | None,
        id: str | None,
    ) -> Callable[[], None]:
        """A send with options, checked now, to be applied to the open batch."""
        wait_ns = int(in_seconds(delay, "delay=") * 1e9)
        if key is not None:
            check_key(key)
        if id is not None and self._runtime.marks.find(self._runtime.cells.find(name), id, message):
            return lambda: None
        mail = self.make_mail(message, cause)

        def apply() -> None:
            cell = self._runtime.cells.get(name)
            if id is not None:
                if self._runtime.marks.find(cell, id, message) is not None:
                    return
                self._runtime.marks.set(cell, id, message, mail)
            if wait_ns or key is not None:
                self._runtime.timers.set(cell, mail, self._ledger.now_ns() + wait_ns, key)
            else:
                self.deliver_to(cell, mail)

        return apply

    def apply(self, effects: list[Effect]) -> None:
        """Do what a turn staged, in order, with the open batch."""
        ledger, sent = self._ledger, 0
        batch = ledger.open
        lsn = batch.lsn
        effect: Any
        cell: Any
        mail: Mail
        for effect in effects:
            if effect.__class__ is not tuple:  # it takes longer to see that something cannot be called
                effect()
                continue
            cell, mail = effect
            if cell.__class__ is str:
                cell = self._cells.get(cell)
            phase = cell.phase
            if phase is GONE:
                cell = self._cells.get(cell.name)
                phase = cell.phase
            sent += 1
            mail.lsn = lsn
            batch.bytes += mail.size
            mails, tail = cell.mail, cell.tail
            waiting = len(mails)
            cell.tail = tail + 1
            if cell.loaded == tail and waiting < WINDOW:
                mails.append(mail)
                cell.loaded = tail + 1
            cell.fresh.append(mail)
            if cell.touched != lsn:
                ledger.touch(cell)
            if self._probe is not None:
                self._probe.delivered(cell, mail)
            if phase is IDLE:
                cell.phase = READY
                self._schedule.add(cell)
            elif waiting == self._quantum and phase is READY:
                self._schedule.filled(cell)
        batch.accepted += sent

    def deliver_to(self, where: Where, mail: Mail) -> None:
        """Put a message into a mailbox, which is made if there is none, with the open batch."""
        self.apply([(where, mail)])

    def deliver(self, name: str, mail: Mail) -> None:
        """Put a message that was counted before, as a timer's when it was set, into a mailbox."""
        self.apply([(name, mail)])
        self._ledger.counters.accepted -= 1

    def bury_bytes(self, raw: bytes, box: str, text: str) -> None:
        """Write bytes that no mailbox can take as a dead letter."""
        bury(self._ledger, raw, box, "", "undecodable", Undecodable(text))


def check_size(message: Message[Any, Any], size: int) -> None:
    """Refuse a body that is too large.

    Raises:
        MessageTooLarge: it is.
    """
    if size > MAX_BODY:
        raise MessageTooLarge(
            f"{message.spec.name} has a body of {size} bytes and {MAX_BODY} is the most: nothing was sent. "
            "Send a reference to the data, such as the path of a file, or split it"
        )


def check_key(key: object) -> None:
    """Refuse what cannot be the key of a timer."""
    if not isinstance(key, str) or not is_text(key) or not 1 <= len(key.encode()) <= 255:
        raise ValueError(f"a timer's key is a str of 1 to 255 bytes of UTF-8; got {key!r:.80}")


def name_of(ref: ActorRef[Any]) -> str:
    """The name in a ref to this node.

    Raises:
        BadName: the ref was made of something that is no address.
    """
    return check_name(ref.name)


def check_message(given: object) -> None:
    """Refuse what is no message.

    Raises:
        TypeError: with the remedy.
    """
    if isinstance(given, Factory):
        name = given.__qualname__
        raise TypeError(f"{name} is a handler and not a message: call it, as {name}(...), to make one")
    if not isinstance(given, Message):
        raise TypeError(f"{given!r:.80} is no message: make one as Account.deposit(30)")
