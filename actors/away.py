"""Away: how what is meant for another node is put down and addressed.

Whatever goes to another node is a *parcel*: an envelope that names its receiver there and lies in the outbox
for that node. Messages to actors are parcels, and so are the acts of the runtime itself, which have handlers
whose names begin with `$`: answers, watches, spawns. `arrivals` does what they ask for, on the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from ..mailbox.envelope import Codec, Envelope, Extra, Flag
from ..mailbox.errors import CallboardError
from ..mailbox.records import Mark, Outcome
from . import abroad
from .addresses import REPLY, split
from .answers import decode_failure, raise_outcome
from .durations import Seconds, in_seconds
from .errors import NoSuchActor
from .mail import Cause, Mail, from_envelope
from .marks import check_id
from .outbox import Outbox
from .sending import check_key, check_message, check_size, name_of

if TYPE_CHECKING:
    from .asks import Ask
    from .message import Message
    from .ref import ActorRef
    from .runtime import Runtime

_encode = msgspec.msgpack.Encoder().encode

MAX_REPLY = 16 * 1024 * 1024
"""Bytes of the largest reply that is sent to another node."""


class Away:
    """The outboxes of a node."""

    def __init__(self, runtime: Runtime, peers: frozenset[str]) -> None:
        self.peers = peers
        """The nodes that mail may be sent to."""
        self.outboxes: dict[str, Outbox] = {}
        self.may_pickle: frozenset[str] = frozenset()
        """The nodes whose pickled values are read."""
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._asked: dict[int, _Asked] = {}

    # Outboxes.

    def adopt(self, cell: Any) -> None:
        """A cell called "@b" was made active: it is an outbox."""
        self.outboxes[cell.name[1:]] = Outbox(self._ledger, cell)

    def outbox(self, node: str) -> Outbox:
        """The outbox for a node, made if there is none."""
        found = self.outboxes.get(node)
        if found is None:
            cell = self._runtime.cells.get_for_life(f"@{node}")
            if node not in self.outboxes:
                self.adopt(cell)
            found = self.outboxes[node]
        return found

    def known_outbox(self, node: str) -> Outbox | None:
        """The outbox for a node, if there is one."""
        self._runtime.cells.find(f"@{node}")
        return self.outboxes.get(node)

    def is_away(self, ref: ActorRef[Any]) -> bool:
        """Whether a ref is to another node.

        Raises:
            NoSuchActor: it is, and this node has no link to it.
        """
        if not ref.node or ref.node == self._runtime.name:
            return False
        if ref.node not in self.peers:
            listed = ", ".join(sorted(self.peers)) or "none"
            raise NoSuchActor(
                f"{ref} is on node {ref.node!r}, and this node has no link to it: "
                f"name it in open_node(peers=...); listed are: {listed}"
            )
        return True

    def why_late(self, node: str) -> str:
        """What is known of an answer that does not come, for people."""
        waiting = self.outbox(node).cell.waiting
        wait = f"{waiting} messages for node {node!r} wait for a link to it"
        return wait if waiting else f"node {node!r} has taken it in"

    # Parcels.

    def parcel(
        self,
        to: str,
        handler: str,
        body: bytes,
        cause: Cause,
        *,
        type: str = "",
        version: int = 0,
        flags: int = 0,
        extra: dict[int, Any] | None = None,
    ) -> Mail:
        """Something for another node, with a number of its own."""
        number = self._ledger.next_number()
        return from_envelope(
            Envelope(
                number=number,
                origin=b"",
                type=type,
                handler=handler,
                version=version,
                codec=Codec.MSGPACK,
                body=body,
                sender=cause.sender,
                sent_at=cause.sent_at,
                cause=cause.number,
                root=cause.root or number,
                trace=cause.trace,
                attempts=0,
                flags=flags,
                extra={Extra.TO: to, **(extra or {})},
            )
        )

    def message(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        cause: Cause,
        flags: int = 0,
        extra: dict[int, Any] | None = None,
    ) -> Mail:
        """A message for an actor of another node.

        Raises:
            TypeError: it is no message.
            MessageTooLarge: its body is above the limit.
            BadName: the ref was made of something that is no address.
        """
        check_message(message)
        name, spec = name_of(ref), message.spec
        body = message.body()
        if not spec.shape.native:
            with self.abroad():
                body = spec.shape.encode(message.values)
        check_size(message, len(body))
        return self.parcel(
            *(name, spec.name, body, cause),
            type=spec.type_name,
            version=spec.version,
            flags=flags,
            extra=extra,
        )

    def abroad(self) -> AbstractContextManager[None]:
        """Around making bytes for another node."""
        return abroad.speaking_from(self._runtime.name)

    def reading_from(self, node: str) -> AbstractContextManager[None]:
        """Around reading bytes that came from another node."""
        return abroad.reading_from("" if node in self.may_pickle else node)

    def put(self, node: str, mail: Mail) -> None:
        """Put a parcel into the outbox for a node, with the open batch."""
        self.outbox(node).put(mail)

    def staged_tell(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        cause: Cause,
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> Callable[[], None]:
        """A send to another node, checked now, to be applied to the open batch.

        Its timer runs here. Whether its `id=` was used is seen over there.
        """
        wait_ns = int(in_seconds(delay, "delay=") * 1e9)
        if key is not None:
            check_key(key)
        if id is not None:
            check_id(id)
            mail = self.message(ref, message, cause, Flag.MARKED, {Extra.MARK: id})
        else:
            mail = self.message(ref, message, cause)
        if not wait_ns and key is None:
            return lambda: self.put(ref.node, mail)
        return lambda: self._runtime.timers.set_for(
            f"{ref.name}@{ref.node}", mail, self._ledger.now_ns() + wait_ns, key
        )

    # Asks from outside.

    def ask(
        self, ref: ActorRef[Any], mail: Mail, message: Message[Any, Any], id: str | None
    ) -> tuple[Ask, int]:
        """Wait for the answer of a message that is put into the outbox with the open batch."""
        return self._wait(ref.node, mail, _Asked(message, (ref.node, ref.name, id) if id else None))

    def act(self, node: str, mail: Mail) -> tuple[Ask, int]:
        """Put something down that the other node answers when it is done."""
        return self._wait(node, mail, _Asked(None, None))

    def _wait(self, node: str, mail: Mail, asked: _Asked) -> tuple[Ask, int]:
        ask = self._runtime.asks.wait_for(mail.number)
        self._asked[mail.number] = asked
        self.put(node, mail)
        return ask, mail.number

    def forget(self, number: int) -> None:
        """Whoever asked has gone."""
        self._asked.pop(number, None)

    def answered(self, node: str, name: str, number: int, id: str | None, mark: Mark) -> None:
        """The answer to somebody outside has come: it is on the other node's disk, which is all it takes."""
        for waiting in list(self._those_who_wait(node, name, number, id)):
            asked = self._asked.pop(waiting)
            try:
                with self.reading_from(node):
                    value = self._value(asked, mark)
            except Exception as error:
                self._runtime.asks.give(waiting, None, error)
            else:
                self._runtime.asks.give(waiting, value, None)

    def _those_who_wait(self, node: str, name: str, number: int, id: str | None) -> Iterator[int]:
        for waiting, asked in self._asked.items():
            if waiting == number or (id is not None and asked.shared == (node, name, id)):
                yield waiting

    def _value(self, asked: _Asked, mark: Mark) -> Any:
        if mark.outcome != Outcome.REPLIED:
            if asked.message is None:
                raise _refused(mark)
            raise_outcome(mark, asked.message)
        if asked.message is None:
            return mark.body
        return asked.message.spec.reply.decode(mark.body, self._runtime.post)

    # Answers to other nodes.

    def answer(self, mail: Mail, outcome: int, body: bytes) -> None:
        """Send what became of a question back to the node that asked it, with the open batch."""
        name, node = split(mail.cause.sender)
        if len(body) > MAX_REPLY:
            outcome, body = Outcome.TOO_LARGE, b""
        cause = Cause("", self._ledger.now_ns(), mail.number, mail.root, mail.cause.trace)
        extra: dict[int, Any] = {Extra.REQUEST: mail.note(Extra.REQUEST) or 0}
        if mail.note(Extra.MARK) is not None:
            extra[Extra.MARK] = mail.note(Extra.MARK)
        answer = self.parcel(name, REPLY, _encode((outcome, body)), cause, flags=Flag.REPLY, extra=extra)
        self.put(str(mail.note(Extra.FROM) or node), answer)


class _Asked:
    """A question of somebody outside that another node is to answer."""

    __slots__ = ("message", "shared")

    def __init__(self, message: Message[Any, Any] | None, shared: tuple[str, str, str] | None) -> None:
        self.message = message
        """None for an act of the runtime, whose answer is bytes."""
        self.shared = shared
        """Node, name and `id=`: the answer to a first question with an id answers those that repeat it."""


def _refused(mark: Mark) -> CallboardError:
    """The error for an act of the runtime that another node refused."""
    failure = decode_failure(mark.body)
    kinds = {kind.__name__: kind for kind in CallboardError.__subclasses__()}
    return kinds.get(failure.error, CallboardError)(failure.text)
