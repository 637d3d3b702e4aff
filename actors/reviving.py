"""Reviving: what a dead letter's message is when it is taken back.

It keeps its number, its sender and its cause, and so its effect key. Its attempts begin at zero. Whoever
waited for its outcome has been told that it failed, and a key that it came under is free again, so it
answers no question and no cancellation can reach it; only the mark of its `id=` hears how it ended at last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..mailbox.envelope import Envelope, Extra, Flag, open_envelope
from ..mailbox.errors import Undecodable
from .watching import STOP

if TYPE_CHECKING:
    from .actor import ActorType
    from .ref import ActorRef

OVER = Flag.ASKED | Flag.REQUESTED | Flag.KEYED
"""What is not true of a message any more once it has died."""


def revived(raw: bytes) -> Envelope:
    """The envelope that a dead letter's message goes on with.

    Raises:
        Undecodable: the bytes are no envelope, or one that must not come again.
    """
    envelope = open_envelope(raw)
    if envelope.handler == STOP:
        raise Undecodable("it is a stop that came too late, and would end another life: drop it")
    extra = {
        name: value for name, value in envelope.extra.items() if name not in (Extra.TIMER, Extra.TIMER_KEY)
    }
    before: Any = extra.get(Extra.REPLAYS, 0)
    extra[Extra.REPLAYS] = int(before) + 1
    flags = (envelope.flags & ~OVER) | Flag.REPLAYED
    return msgspec.structs.replace(envelope, attempts=0, flags=flags, extra=extra)


def readdressed(envelope: Envelope, body: bytes, kind: ActorType, to: ActorRef[Any], post: Any) -> Envelope:
    """The envelope for an actor that may be of another type and has such a handler.

    Args:
        envelope: a revived one.
        body: of its message.
        kind: the type of the actor.
        to: the actor.
        post: what refs in the parameters belong to.

    Raises:
        TypeError: it has no such handler.
        Undecodable: the parameters do not fit that handler.
    """
    spec = kind.handlers.get(envelope.handler)
    if spec is None or spec.version != envelope.version:
        what = f"{envelope.handler!r} of version {envelope.version}"
        has = "none of that name" if spec is None else f"version {spec.version}"
        raise TypeError(
            f"{to} is a {kind.name}, which has no handler {what} (it has {has}), so nothing was redirected: "
            "choose another actor, or only letters that it can take"
        )
    spec.shape.decode(body, post)
    return msgspec.structs.replace(envelope, type=spec.type_name)
