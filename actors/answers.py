"""Answers that were kept: what a repeated `id=` gets instead of a second turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ..mailbox.records import Mark, Outcome
from .errors import AskFailed, Failure, Refusal

if TYPE_CHECKING:
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
    reason, name, text, shown, attempts = msgspec.msgpack.decode(mark.body)
    if mark.outcome == Outcome.REFUSED:
        raise refusal(name, text)
    raise AskFailed(
        f"{shown} failed for good after {attempts} attempts: {text}",
        Failure(reason, name, text, shown, attempts),
    )


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
