"""Calling back: mail that the runtime itself sends to a handler that somebody named beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..mailbox.envelope import Codec, Envelope, Extra, Flag
from .mail import from_envelope

if TYPE_CHECKING:
    from ..mailbox.records import Callback, Request, Watch
    from .cell import Cell
    from .runtime import Runtime

_encode = msgspec.msgpack.Encoder().encode
_decode_raw = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


def call_back(
    runtime: Runtime,
    cell: Cell,
    callback: Callback,
    value: bytes,
    *,
    sender: str,
    cause: int,
    of: Request | Watch,
    node: str = "",
) -> None:
    """Deliver a value to a handler of the actor at a cell, with the open batch.

    Args:
        runtime: of the node.
        cell: whose handler it is.
        callback: the handler, one parameter left open for the value.
        value: encoded.
        sender: who it comes from.
        cause: number of the message that led to it.
        of: what was asked for, and by which chain of messages.
        node: the other node that the value comes from; empty for this one.
    """
    filled = _decode_raw(callback.body)
    filled[callback.parameter] = msgspec.Raw(value)
    envelope = Envelope(
        number=runtime.ledger.next_number(),
        origin=b"",
        type=cell.type,
        handler=callback.handler,
        version=callback.version,
        codec=Codec.MSGPACK,
        body=_encode(filled),
        sender=sender,
        sent_at=runtime.ledger.now_ns(),
        cause=cause,
        root=of.root,
        trace=of.trace,
        attempts=0,
        flags=Flag.REPLY,
        extra={Extra.REQUEST: 0, Extra.FROM: node} if node else {Extra.REQUEST: 0},
    )
    runtime.sending.deliver_to(cell, from_envelope(envelope))
