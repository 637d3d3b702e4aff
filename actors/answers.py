"""Answers that were kept: what a repeated `id=` gets instead of a second turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ..mailbox.envelope import MAX_BODY
from ..mailbox.records import Mark, Outcome
from .errors import AskFailed, Failure, IdReused, MessageTooLarge, NoSuchActor, Refusal

if TYPE_CHECKING:
    from .mail import Mail
    from .message import Message


def raise_outcome(mark: Mark, message: Message[Any, Any]) -> NoReturn:
    """Raise what the first message with this id ended in.

    Raises:
        Refusal: it was refused; its own type, if the code still has it.
        AskFailed: it failed for good, or its reply was too large to keep.
    """
    if mark.outcome == Outcome.TOO_LARGE:
        failure = Failure("failed", "", "its reply was too large to keep", repr(message), 1)
        raise AskFailed(
            f"{message!r} was handled, but its reply was above 64 KiB and was not kept: "
            "ask for it with a message of its own",
            failure,
        )
    failure = decode_failure(mark.body)
    if mark.outcome == Outcome.REFUSED:
        raise refusal(failure.error, failure.text)
    if failure.reason == "no_actor":
        raise NoSuchActor(failure.text)
    if failure.error == "IdReused":
        raise IdReused(failure.text)
    raise AskFailed(
        f"{failure.message} failed for good after {failure.attempts} attempts: {failure.text}", failure
    )


def check_reply(mail: Mail, body: bytes) -> bytes:
    """The bytes of a reply, if they are not too many.

    Raises:
        MessageTooLarge: they are.
    """
    if len(body) > MAX_BODY:
        raise MessageTooLarge(
            f"the reply to {mail.show()} has {len(body)} bytes and {MAX_BODY} is the most: "
            "return a reference to the data, or have it asked for in parts"
        )
    return body


def encode_failure(failure: Failure) -> bytes:
    """A failure as it is kept with a mark, and sent to other nodes."""
    return msgspec.msgpack.encode(
        (failure.reason, failure.error, failure.text, failure.message, failure.attempts)
    )


def decode_failure(body: bytes) -> Failure:
    """The inverse."""
    return Failure(*msgspec.msgpack.decode(body, type=tuple[str, str, str, str, int]))


def refusal(name: str, text: str) -> Refusal:
    """A refusal by the name of its class; a plain `Refusal` if the code has none of that name.

    The class is looked for among the imported subclasses and never imported.
    """
    kind = _classes(Refusal).get(name, Refusal)
    error = kind.__new__(kind)
    error.args = (text,)
    return error


def _classes(base: type[Refusal]) -> dict[str, type[Refusal]]:
    found = {base.__qualname__: base}
    for kind in base.__subclasses__():
        found |= _classes(kind)
    return found
