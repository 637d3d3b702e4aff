"""Arrivals: what parcels of another node do here.

All of it happens with the open batch, the same in which the link notes how far it has come: a parcel is
taken in and counted, or neither. Nothing here raises for what a parcel holds, since one that raised would
hold up all those behind it; what cannot be understood becomes a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from ..mailbox.envelope import Envelope, Extra, Flag, encode_fields, open_envelope
from ..mailbox.errors import BadName, CallboardError, Undecodable
from ..mailbox.names import check_name
from ..mailbox.records import Mark, Outcome
from .addresses import ENDED, REPLY, SPAWN, STOP, UNWATCH, WATCH
from .answers import encode_failure
from .burying import bury
from .errors import Failure, IdReused
from .mail import from_envelope

if TYPE_CHECKING:
    from .mail import Mail
    from .runtime import Runtime

log = logging.getLogger("callboard.node")
_decode = msgspec.msgpack.decode
_MEANINGLESS = (Undecodable, msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)

KEPT = Flag.ASKED | Flag.REQUESTED | Flag.MARKED
"""Flags that mean something here; the others are the sender's own affairs."""


class Arrivals:
    """Takes in what the links bring."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._acts: dict[str, Callable[[str, str, Envelope], None]] = {
            REPLY: self._reply,
            WATCH: self._watch,
            UNWATCH: self._unwatch,
            ENDED: self._ended,
            SPAWN: self._spawn,
            STOP: self._stop,
        }

    def take(self, node: str, uuid: bytes, raw: bytes) -> int:
        """Do what one parcel asks for, with the open batch.

        Args:
            node: the name of the node that it comes from, proven by its link.
            uuid: of that node's store.
            raw: the envelope; empty if the sender lost it.

        Returns:
            Its number in the sender's store; 0 if it cannot be read.
        """
        if not raw:
            return 0
        try:
            envelope = open_envelope(raw)
        except Undecodable as error:
            self._bury(raw, "", str(error))
            return 0
        if envelope.flags & Flag.CHUNKED:
            # Chunks stay in the store they lie in: what it says of them must never be believed here.
            raw = encode_fields(replace(envelope, flags=envelope.flags & ~Flag.CHUNKED))
            self._bury(raw, "", "its body did not come with it")
            return 0
        number = envelope.number
        if number < 0:
            self._bury(raw, "", f"its number is {number}")
            return 0
        to = envelope.extra.get(Extra.TO)
        if not isinstance(to, str):
            self._bury(raw, "", "it says not whom it is for")
            return number
        if envelope.sender:
            envelope.sender = f"{envelope.sender.partition('@')[0]}@{node}"
        envelope.origin = uuid
        act = self._acts.get(envelope.handler)
        try:
            if act is not None:
                act(node, to and check_name(to), envelope)
            elif envelope.handler.startswith("$"):
                self._bury(raw, to, f"node {node!r} asks for {envelope.handler!r:.80}, unknown here")
            else:
                self._deliver(node, to, envelope)
        except BadName as error:
            self._bury(raw, "", f"it is for {to!r:.80}: {error}", reason="misaddressed")
        except _MEANINGLESS as error:
            # A damaged record of ours, or an act that a newer release means otherwise.
            self._bury(raw, to, f"{envelope.handler:.80} for {to!r:.80} could not be taken in: {error}")
        return number

    def _bury(self, raw: bytes, box: str, text: str, reason: str = "undecodable") -> None:
        log.error("a message of another node is a dead letter: %s", text)
        self._ledger.counters.accepted += 1
        bury(self._ledger, raw, box, "", reason, text=text)

    def _mail(self, node: str, envelope: Envelope) -> Mail:
        """The mail of this node that a parcel becomes; its envelope is that of the parcel from now on."""
        extra: dict[int, object] = {Extra.FROM: node, Extra.ORIGIN: envelope.number}
        if envelope.flags & (Flag.ASKED | Flag.REQUESTED):
            extra[Extra.REQUEST] = envelope.number
        if isinstance(given := envelope.extra.get(Extra.MARK), str):  # what else it is could not be written
            extra[Extra.MARK] = given
        envelope.number = envelope.root = self._ledger.next_number()
        envelope.cause = envelope.attempts = 0
        envelope.flags &= KEPT
        envelope.extra = extra
        return from_envelope(envelope)

    def _deliver(self, node: str, name: str, envelope: Envelope) -> None:
        runtime = self._runtime
        cell = runtime.cells.by_name.get(name)
        if cell is None or name[0] in "$@":  # else it is a name: an actor of that name is here
            check_name(name)
        mail = self._mail(node, envelope)
        if not mail.flags and cell is not None:
            runtime.sending.deliver_to(cell, mail)
            return
        if mail.flags & Flag.ASKED:
            cell = runtime.cells.find(name)
            if cell is None or not cell.type:
                text = f"no actor lives at {name!r} on node {runtime.name!r}: spawn it first"
                runtime.away.answer(mail, Outcome.FAILED, _failure("no_actor", "NoSuchActor", text, mail))
                return
        cell = runtime.cells.get(name)
        if mail.flags & Flag.MARKED:
            given = mail.note(Extra.MARK)
            try:
                mark = runtime.marks.find_mail(cell, given, mail)
            except IdReused as error:
                self._refuse_id(mail, name, error)
                return
            if mark is not None:
                if mark.outcome != Outcome.PENDING and mail.flags & Flag.ASKED:
                    runtime.away.answer(mail, mark.outcome, mark.body)
                return
            runtime.marks.set_mail(cell, given, mail)
        runtime.sending.deliver_to(cell, mail)

    def _refuse_id(self, mail: Mail, name: str, error: IdReused) -> None:
        if mail.flags & Flag.ASKED:
            self._runtime.away.answer(mail, Outcome.FAILED, _failure("failed", "IdReused", str(error), mail))
        else:
            assert mail.envelope is not None
            self._bury(mail.encode(), name, str(error), reason="misaddressed")

    # The acts of the runtime.

    def _reply(self, node: str, to: str, envelope: Envelope) -> None:
        outcome, body = _decode(envelope.body, type=tuple[int, bytes])
        number = envelope.extra.get(Extra.REQUEST)
        if not isinstance(number, int) or number < 0:
            raise TypeError("it answers no question")
        given = envelope.extra.get(Extra.MARK)
        mark = Mark(b"", number, 0, outcome, body)
        if to:
            self._runtime.requests.settle_from(node, to, number, mark)
            return
        of = envelope.sender.partition("@")[0]
        self._runtime.away.answered(node, of, number, None if given is None else str(given), mark)

    def _watch(self, node: str, to: str, envelope: Envelope) -> None:
        life, stops = _decode(envelope.body, type=tuple[int, bool])
        # Somebody outside a turn is known by the number of the question.
        watcher, life = (envelope.sender, life) if envelope.sender else (f"@{node}", envelope.number)
        self._runtime.watches.begin_away(to, watcher, life, envelope, stops=stops)

    def _unwatch(self, node: str, to: str, envelope: Envelope) -> None:
        self._runtime.watches.end_away(to, envelope.sender)

    def _ended(self, node: str, to: str, envelope: Envelope) -> None:
        life, stops, value = _decode(envelope.body, type=tuple[int, bool, bytes])
        if to:
            self._runtime.watches.ended_away(envelope.sender, to, life, node, value, stops=stops)
        else:
            self._runtime.away.answered(node, "", life, None, Mark(b"", 0, 0, Outcome.REPLIED, value))

    def _stop(self, node: str, to: str, envelope: Envelope) -> None:
        cell = self._runtime.cells.find(to)
        if cell is None or not cell.type:
            log.warning("node %s asks %r to stop, and no actor lives there", node, to)
            return
        self._runtime.watches.stop(cell, envelope.sender)

    def _spawn(self, node: str, to: str, envelope: Envelope) -> None:
        runtime = self._runtime
        mail = self._mail(node, envelope)
        fresh, state = _decode(envelope.body, type=tuple[bool, bytes])
        try:
            with runtime.away.reading_from(node):
                seed = runtime.seeds.prepare_bytes(envelope.type, check_name(to), state, fresh=fresh)
            runtime.seeds.sow(seed, None)
        except (CallboardError, BadName, Undecodable) as error:
            log.warning("node %s could not spawn %r here: %s", node, to, error)
            if not mail.flags & Flag.ASKED:
                self._bury(mail.encode(), to, f"it could not be spawned: {error}", reason="misaddressed")
                return
            text = _failure("failed", type(error).__name__, str(error), mail)
            runtime.away.answer(mail, Outcome.FAILED, text)
            return
        if mail.flags & Flag.ASKED:
            runtime.away.answer(mail, Outcome.REPLIED, b"\xc0")


def _failure(reason: str, name: str, text: str, mail: Mail) -> bytes:
    return encode_failure(Failure(reason, name, text, mail.show(), 0))
