"""Requests: questions a turn asks, whose answers come back as ordinary mail (G12).

The request, its question and its time-out are written with the asking turn. Whatever
ends it first (a reply, a refusal, a failure, the time-out) deletes the record and
delivers the answer in one batch; whatever comes later finds no record and is dropped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from ..mailbox.envelope import Codec, Envelope, Extra, Flag
from ..mailbox.errors import Undecodable
from ..mailbox.records import Callback, Request, Timer, TimerKind, pair_key, unpack
from ..mailbox.store import Table
from .errors import Failure
from .mail import from_envelope
from .shape import Reply

if TYPE_CHECKING:
    from .cell import Cell
    from .mail import Mail
    from .runtime import Runtime

log = logging.getLogger("callboard.node")

FAILURE = Reply(Failure, "a Failure")
_encode = msgspec.msgpack.Encoder().encode
_decode_raw = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


class Requests:
    """The open requests of one node's actors."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger

    def ask(
        self,
        asker: Cell,
        mail: Mail,
        to: str,
        then: Callback | None,
        failed: Callback | None,
        due: int,
    ) -> None:
        """Write a request with the open batch."""
        ledger = self._ledger
        timer = ledger.next_number() if due else 0
        request = Request(
            to=to,
            text=mail.show(),
            then=then,
            failed=failed,
            due=due,
            timer=timer,
            cause=mail.cause.number,
            root=mail.root,
            trace=mail.cause.trace,
        )
        ledger.write_record(Table.REQUESTS, pair_key(asker.box, mail.number), request)
        if due:
            record = Timer(TimerKind.REQUEST, asker.name, "", "", b"", mail.number, b"")
            self._runtime.timers.arm(due, timer, record)

    def reply(self, mail: Mail, value: bytes) -> None:
        """The question was answered; `value` is the encoded reply."""
        self._settle(mail.cause.sender, mail.request, mail.number, value, None)

    def fail(self, mail: Mail, failure: Failure) -> None:
        """The question was refused, failed for good, or found nobody."""
        self._settle(mail.cause.sender, mail.request, mail.number, None, failure)

    def time_out(self, asker: str, number: int) -> None:
        """The request's time is over."""
        failure = Failure("timed_out", "", "no answer in time", "", 0)
        self._settle(asker, number, number, None, failure)

    def _settle(
        self, asker: str, number: int, cause: int, value: bytes | None, failure: Failure | None
    ) -> None:
        try:
            cell = self._runtime.cells.find(asker)
        except Undecodable as error:
            log.warning("the answer of a request of %s is dropped: %s", asker, error)
            return
        if cell is None:
            return
        key = pair_key(cell.box, number)
        record = self._ledger.read(Table.REQUESTS, key)
        if record is None:
            return
        self._ledger.write(Table.REQUESTS, key, None)
        try:
            request = unpack(Request, record)
        except Undecodable as error:
            log.warning("the answer of a request of %s is dropped: %s", asker, error)
            return
        if request.due:
            self._ledger.write(Table.TIMERS, pair_key(request.due, request.timer), None)
        if value is not None:
            self._answer(cell, request, request.then, value, cause)
        elif failure is not None:
            told = Failure(failure.reason, failure.error, failure.text, request.text, failure.attempts)
            self._answer(cell, request, request.failed, FAILURE.encode(told), cause)

    def _answer(
        self, cell: Cell, request: Request, callback: Callback | None, value: bytes, cause: int
    ) -> None:
        """Deliver an answer to the asker's own handler, if it named one."""
        if callback is None:
            return
        filled = _decode_raw(callback.body)
        filled[callback.parameter] = msgspec.Raw(value)
        envelope = Envelope(
            number=self._ledger.next_number(),
            origin=b"",
            type=cell.type,
            handler=callback.handler,
            version=callback.version,
            codec=Codec.MSGPACK,
            body=_encode(filled),
            sender=request.to,
            sent_at=self._ledger.now_ns(),
            cause=cause,
            root=request.root,
            trace=request.trace,
            attempts=0,
            flags=Flag.REPLY,
            extra={Extra.REQUEST: 0},
        )
        self._runtime.sending.deliver_to(cell, from_envelope(envelope))
