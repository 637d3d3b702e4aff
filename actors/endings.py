"""Endings: what a turn's end writes.

A turn ends in one of five ways. It is *handled*: the message goes, the state and all
staged effects come, in one batch. It is *refused*: undone, and the refusal is the answer.
It *fails*: undone, and the message stays in hand for another attempt, or dies, or the
mailbox pauses. It is *interrupted*: undone, and nothing is counted (G18). Or the message
is *dropped* before its turn: void, or unreadable.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..mailbox.envelope import Extra, Flag
from ..mailbox.records import Outcome
from .answers import check_reply, encode_failure
from .burying import bury
from .cell import Cell, Phase
from .declared import check_state
from .errors import AskFailed, Failure, Refusal
from .exits import Finished, Stopped
from .mail import Mail
from .retry import Again, Pause, Retry
from .texts import describe, storable

if TYPE_CHECKING:
    from .handler import HandlerSpec
    from .runtime import Runtime
    from .turn import Turn

log = logging.getLogger("callboard.actor")

NIL = b"\xc0"
"""None in msgpack."""
ANSWERED = Flag.ASKED | Flag.REQUESTED | Flag.MARKED
HEARD = Flag.ASKED | Flag.MARKED
"""Somebody may wait for the outcome: the asker, or one who asked again with the same id."""
ENDED = Flag.ASKED | Flag.REQUESTED | Flag.KEYED | Flag.MARKED


class Endings:
    """Writes the ends of turns into the open batch."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._apply = runtime.sending.apply
        self._probe = runtime.probe

    # Handled.

    def weigh(self, turn: Turn, spec: HandlerSpec, result: Any) -> tuple[bytes, Any, bytes]:
        """The new state, the reply and its bytes, all that can be wrong with them found.

        Raises:
            Exception: they are not what was declared; nothing was written.
        """
        cell = turn.cell
        kind, actor = cell.kind, cell.actor
        assert kind is not None
        assert actor is not None
        state = kind.encode(actor)
        check_state(state, repr(cell.name))
        if turn.claimed is not None:
            for (name, given), message in turn.claimed.items():
                # Another turn may have used the id since this one staged it.
                self._runtime.marks.find(self._runtime.cells.find(name), given, message)
        reply = spec.reply
        if result is not None or not reply.nothing:
            result = reply.check(result)
        if not turn.mail.flags & ANSWERED:
            return state, result, NIL
        if turn.mail.note(Extra.FROM) is not None:
            with self._runtime.away.abroad():
                return state, result, check_reply(turn.mail, reply.encode(result))
        body = check_reply(turn.mail, reply.encode(result))
        return state, result if reply.live else reply.decode(body, self._runtime.post), body

    def handled(self, turn: Turn, state: bytes, value: Any, body: bytes) -> None:
        """Commit a turn: message out, state and effects in. Nothing here can fail."""
        cell, ledger = turn.cell, self._ledger
        turn.over = True
        batch = ledger.open
        cell.lsn = batch.lsn
        if state != cell.state:
            cell.state = state
            cell.state_touched = True
            if self._runtime.roundtrip:
                self.reread(cell)
            batch.bytes += len(state)
        if turn.effects:
            self._apply(turn.effects)
        self._count(cell)
        mail = turn.mail
        if mail.flags & ENDED:
            self._answer(cell, mail, value, body)
        if turn.stopping:
            self._runtime.lives.end(cell, Finished())
        if self._probe is not None:
            self._probe.handled(cell, mail)

    def reread(self, cell: Cell) -> None:
        """Put the decoded state in place of the live one, so that a difference would show."""
        kind = cell.kind
        assert kind is not None
        for name, value in zip(
            kind.state.names, kind.state.decode(cell.state, self._runtime.post), strict=True
        ):
            setattr(cell.actor, name, value)

    def _answer(self, cell: Cell, mail: Mail, value: Any, body: bytes) -> None:
        runtime = self._runtime
        if mail.flags & Flag.MARKED:
            runtime.marks.settle(cell, mail, Outcome.REPLIED, body)
        if mail.flags & HEARD:
            runtime.asks.answer(mail.number, value)
            if mail.flags & Flag.ASKED and mail.note(Extra.FROM) is not None:
                runtime.away.answer(mail, Outcome.REPLIED, body)
        if mail.flags & Flag.REQUESTED:
            runtime.requests.reply(mail, body)
        if mail.flags & Flag.KEYED:
            runtime.timers.settle(cell, mail)

    def told_to_stop(self, cell: Cell, mail: Mail) -> None:
        """The actor's life ends with this message, which is nobody's handler's."""
        self._count(cell)
        self._runtime.lives.end(
            cell,
            Stopped(f"{mail.cause.sender!r}, with which it stops" if mail.cause.sender else "an operator"),
        )
        if self._probe is not None:
            self._probe.handled(cell, mail)

    # Refused.

    def refused(self, cell: Cell, mail: Mail, refusal: Refusal) -> None:
        """Undo the turn; the refusal is its answer, and the message is handled (G10)."""
        text = storable(refusal)
        if not mail.flags & (Flag.ASKED | Flag.REQUESTED):
            log.info("%s refused %s: %s", cell.name, mail.show(), text)
        failure = Failure("refused", type(refusal).__name__, text, mail.show(), cell.attempts + 1)
        self._fail_askers(cell, mail, failure, refusal, Outcome.REFUSED)
        self._count(cell)
        if self._probe is not None:
            self._probe.refused(cell, mail)

    # Failed.

    def failed(self, cell: Cell, mail: Mail, policy: Retry, error: BaseException) -> None:
        """Undo the turn; the message is tried again, or dies, or the mailbox pauses (G7)."""
        ledger = self._ledger
        now = ledger.now_ns()
        cell.attempts += 1
        cell.error = describe(error)
        cell.failed_at = cell.failed_at or now
        decision = self._runtime.decide(policy, mail.base_attempts + cell.attempts, error, now)
        if isinstance(decision, Again):
            log.warning("%s failed %s (attempt %d): %s", cell.name, mail.show(), cell.attempts, cell.error)
            cell.retry_at = decision.at_ns
            self._back_off(cell)
        elif isinstance(decision, Pause):
            log.error("%s is paused at %s: %s", cell.name, mail.show(), cell.error)
            self.pause(cell, f"{mail.show()} failed: {cell.error}")
        else:
            log.error("%s gave up on %s: %s", cell.name, mail.show(), cell.error, exc_info=error)
            self.died(cell, mail, "failed", error)
            if cell.guardian is not None:
                self._runtime.guarding.failed(cell, error)
            return
        if self._probe is not None:
            self._probe.failed(cell, mail)

    def failed_to_start(self, cell: Cell, error: BaseException) -> None:
        """The actor cannot be woken: its state will not load or `started` raised."""
        if cell.guardian is not None:
            self._runtime.guarding.failed(cell, error)
            return
        now = self._ledger.now_ns()
        cell.starts += 1
        cell.error = describe(error)
        cell.failed_at = cell.failed_at or now
        decision = self._runtime.decide(Retry(exhausted="pause"), cell.starts, error, now)
        log.warning("%s cannot start (attempt %d): %s", cell.name, cell.starts, cell.error)
        if isinstance(decision, Again):
            cell.retry_at = decision.at_ns
            self._back_off(cell)
        else:
            self.pause(cell, f"it cannot start: {cell.error}")

    def started(self, cell: Cell) -> None:
        """The actor woke after all; what that took is no message's fault."""
        cell.starts = 0
        self._ledger.touch(cell)

    def _back_off(self, cell: Cell) -> None:
        """Wait for the next attempt, which begins only when the count is on disk."""
        self._ledger.touch(cell)
        cell.attempts_lsn = self._ledger.open.lsn
        cell.phase = Phase.BACKING_OFF
        self._runtime.retry_later(cell)

    def pause(self, cell: Cell, reason: str) -> None:
        """Stop taking mail until somebody resumes the mailbox."""
        cell.paused = reason
        self._runtime.cells.block(cell)
        self._ledger.touch(cell)

    # Dead.

    def died(self, cell: Cell, mail: Mail, reason: str, error: BaseException | None, text: str = "") -> None:
        """Move the message at the head to the dead letters, all its bytes kept."""
        raw = mail.raw if mail.raw is not None else mail.encode()
        attempts = mail.base_attempts + cell.attempts
        bury(
            *(self._ledger, raw, cell.name, cell.type, reason, error, text, attempts, cell.failed_at),
            life=cell.life,
            restarts=cell.restarts,
            replays=int(mail.note(Extra.REPLAYS) or 0),
        )
        outcome = "no_actor" if reason == "unclaimed" else "failed"
        name = type(error).__name__ if error else ""
        failure = Failure(outcome, name, text or storable(error or reason), mail.show(), attempts)
        refusal = AskFailed(
            f"{mail.show()} at {cell.name!r} failed for good after {attempts} attempts: "
            f"{name} {failure.text}. It is a dead letter now; see it with: callboard dead ls",
            failure,
        )
        self._fail_askers(cell, mail, failure, refusal, Outcome.FAILED)
        self._done(cell)
        if self._probe is not None:
            self._probe.died(cell, mail)

    def disposed(self, cell: Cell, mail: Mail) -> None:
        """No turn begins: the message is damaged, or a timer's that is void."""
        if mail.raw is None:
            self.dropped(cell, mail)
        else:
            self.died(cell, mail, "undecodable", None, "its bytes are damaged")

    def dropped(self, cell: Cell, mail: Mail) -> None:
        """A keyed timer's message was void: it is discarded."""
        self._done(cell)
        self._ledger.bodies.drop(mail.envelope)
        self._ledger.counters.discarded += 1
        if self._probe is not None:
            self._probe.dropped(cell, mail)

    # Shared.

    def _fail_askers(
        self, cell: Cell, mail: Mail, failure: Failure, error: BaseException, outcome: int
    ) -> None:
        if mail.flags & HEARD:
            body = encode_failure(replace(failure, error=type(error).__qualname__))
            self._runtime.asks.fail(mail.number, error)
            if mail.flags & Flag.MARKED:
                self._runtime.marks.settle(cell, mail, outcome, body)
            if mail.flags & Flag.ASKED and mail.note(Extra.FROM) is not None:
                self._runtime.away.answer(mail, outcome, body)
        if mail.flags & Flag.REQUESTED:
            self._runtime.requests.fail(mail, failure)
        if mail.flags & Flag.KEYED:
            self._runtime.timers.settle(cell, mail)

    def _count(self, cell: Cell) -> None:
        """The message at the head is handled."""
        if cell.mail[0].flags & Flag.CHUNKED:
            self._ledger.bodies.drop(cell.mail[0].envelope)
        self._done(cell)
        self._ledger.open.handled += 1
        cell.handled += 1

    def _done(self, cell: Cell) -> None:
        """The message at the head is done with."""
        cell.mail.popleft()
        cell.head += 1
        if cell.attempts or cell.error:
            cell.clear_failure()
        batch = self._ledger.open
        batch.turns += 1
        cell.lsn = batch.lsn  # whoever is next and may not run ahead waits for this end, too
        if cell.touched != batch.lsn:
            self._ledger.touch(cell)
