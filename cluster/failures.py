"""Failures: errors on their way over the control socket, by name, and never as code.

What arrives is an error of the same class if it is one of ours, or a refusal whose class the program has
imported; otherwise it is a plain one that names the class.
"""

from __future__ import annotations

from typing import Final

from ..actors.answers import refusal
from ..actors.errors import (
    AskFailed,
    AskTimeout,
    Failure,
    IdReused,
    InTurn,
    MessageTooLarge,
    NodeClosed,
    NoSuchActor,
    NotStorable,
    Overloaded,
    Refusal,
)
from ..mailbox.errors import BadName, CallboardError, StoreError, StoreFailed, StoreFull, Undecodable
from .commands import Failed
from .errors import NodeUnreachable

_KINDS: Final[dict[str, type[Exception]]] = {
    kind.__name__: kind
    for kind in (
        *(AskTimeout, BadName, CallboardError, IdReused, InTurn, MessageTooLarge, NoSuchActor, NodeClosed),
        *(NodeUnreachable, NotStorable, Overloaded, StoreError, StoreFailed, StoreFull, Undecodable),
        *(TypeError, ValueError),
    )
}


def told(error: Exception) -> Failed:
    """An error as an answer."""
    if isinstance(error, Refusal):
        return Failed(type(error).__qualname__, str(error), refused=True)
    if isinstance(error, AskFailed):
        why = error.failure
        return Failed(
            "AskFailed",
            str(error),
            failure=(why.reason, why.error, why.text, why.message, why.attempts),
        )
    return Failed(type(error).__name__, str(error))


def raised(answer: Failed) -> Exception:
    """The error of an answer, to be raised."""
    if answer.refused:
        return refusal(answer.error, answer.text)
    if answer.failure is not None:
        return AskFailed(answer.text, Failure(*answer.failure))
    kind = _KINDS.get(answer.error)
    return CallboardError(f"{answer.error}: {answer.text}") if kind is None else kind(answer.text)
