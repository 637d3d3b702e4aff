"""Requests: questions a turn asks, whose answers come back as ordinary mail (G12).

The request, its question and its time-out are written with the asking turn. Whatever
ends it first (a reply, a refusal, a failure, the time-out) deletes the record and
delivers the answer in one batch; whatever comes later finds no record and is dropped.
"""

from __future__ import annotations

import logging
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..mailbox.envelope import Extra, Flag
from ..mailbox.errors import Undecodable
from ..mailbox.records import Callback, Mark, Outcome, Request, Timer, TimerKind, pair_key, unpack
from ..mailbox.store import Table
from .answers import decode_failure, encode_failure
from .callback import resolve_callback
from .calling_back import call_back
from .durations import Seconds, in_seconds
from .errors import Failure
from .shape import Reply

if TYPE_CHECKING:
    from .cell import Cell
    from .mail import Mail
    from .message import Message
    from .ref import ActorRef
    from .runtime import Runtime
    from .turn import Turn

log = logging.getLogger("callboard.node")


@cache
def _failure() -> Reply:
    return Reply(Failure, "a Failure")  # not at import: it takes a millisecond to read what it is made of


class Requests:
    """The open requests of one node's actors."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger

    def stage(
        self,
        turn: Turn,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        then: object,
        failed: object,
        timeout: Seconds | None,
    ) -> None:
        """What `turn.request` does: check everything now, and ask with the turn's commit.

        Raises:
            TypeError: `then` or `failed` is no handler of the asker's own class.
        """
        runtime, cell = self._runtime, turn.cell
        kind = cell.kind
        assert kind is not None
        then_to = None if then is None else resolve_callback(kind, then, "then")
        failed_to = None if failed is None else resolve_callback(kind, failed, "failed", Failure)
        due = 0 if timeout is None else runtime.now_ns() + int(in_seconds(timeout, "timeout=") * 1e9)
        away = runtime.away.is_away(ref)
        make = partial(runtime.away.message, ref) if away else runtime.sending.make_mail
        mail = make(message, turn.cause, Flag.REQUESTED, {Extra.REQUEST: 0})
        assert mail.extra is not None
        mail.extra[Extra.REQUEST] = mail.number
        target = None if away else runtime.sending.target(ref, message)

        def ask() -> None:
            self.ask(cell, mail, str(ref) if away else ref.name, then_to, failed_to, due)
            if target is None:
                runtime.away.put(ref.node, mail)
            else:
                runtime.sending.deliver_to(target, mail)

        turn.effects.append(ask)

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
        if mail.note(Extra.FROM) is not None:
            self._runtime.away.answer(mail, Outcome.REPLIED, value)
            return
        self._settle(mail.cause.sender, mail.request, mail.number, value, None)

    def fail(self, mail: Mail, failure: Failure) -> None:
        """The question was refused, failed for good, or found nobody."""
        if mail.note(Extra.FROM) is not None:
            outcome = Outcome.REFUSED if failure.reason == "refused" else Outcome.FAILED
            self._runtime.away.answer(mail, outcome, encode_failure(failure))
            return
        self._settle(mail.cause.sender, mail.request, mail.number, None, failure)

    def settle_from(self, node: str, asker: str, number: int, mark: Mark) -> None:
        """The answer of another node has come."""
        if mark.outcome == Outcome.REPLIED:
            self._settle(asker, number, 0, mark.body, None, node)
        elif mark.outcome == Outcome.TOO_LARGE:
            text = "its reply was too large to be sent to another node"
            self._settle(asker, number, 0, None, Failure("failed", "", text, "", 1), node)
        else:
            self._settle(asker, number, 0, None, decode_failure(mark.body), node)

    def time_out(self, asker: str, number: int) -> None:
        """The request's time is over."""
        failure = Failure("timed_out", "", "no answer in time", "", 0)
        self._settle(asker, number, number, None, failure)

    def _settle(
        self,
        asker: str,
        number: int,
        cause: int,
        value: bytes | None,
        failure: Failure | None,
        node: str = "",
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
            self._answer(cell, request, request.then, value, cause, node)
        elif failure is not None:
            told = Failure(failure.reason, failure.error, failure.text, request.text, failure.attempts)
            self._answer(cell, request, request.failed, _failure().encode(told), cause, node)

    def _answer(
        self,
        cell: Cell,
        request: Request,
        callback: Callback | None,
        value: bytes,
        cause: int,
        node: str,
    ) -> None:
        """Deliver an answer to the asker's own handler, if it named one."""
        if callback is not None:
            sender = request.to
            call_back(self._runtime, cell, callback, value, sender=sender, cause=cause, of=request, node=node)
