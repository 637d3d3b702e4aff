"""Errors of the actors' floor, sorted by whose act it was.

CallboardError
├── DefinitionError (TypeError)    a class or handler that cannot be declared so (its author)
├── NotStorable (TypeError)        a value that its annotation does not allow (the sender)
├── MessageTooLarge (ValueError)   a body above the limit (the sender)
├── NotInTurn                      `self.turn` outside a turn (the caller)
├── TurnOver                       a task used its turn after the turn's end (the caller)
├── InTurn                         a verb for callers outside was used inside a turn (the caller)
│   └── AskInTurn                  `await ref.ask()` inside a turn; use `self.turn.request` (the caller)
├── NotBound                       a ref without a node to send through (the caller)
├── NameTaken                      the name belongs to an actor of another type, or is taken (the caller)
├── IdReused                       an `id=` used again with other content (the caller)
├── Refusal                        an actor's business no, raised again at the asker (the actor)
├── AskFailed                      the message failed for good (the actor)
├── AskTimeout (TimeoutError)      no reply in time; the outcome is unknown (nobody's)
├── NoSuchActor                    no actor lives at the address (nobody's)
├── Overloaded                     it can never fit (the sender)
└── NodeClosed                     the node was closed (the caller)
"""

from typing import TypeGuard

import msgspec

from ..mailbox.errors import CallboardError


class DefinitionError(CallboardError, TypeError):
    """An actor class or handler that cannot be declared like this; the text has the remedy."""


class NotStorable(CallboardError, TypeError):
    """A value that its annotation does not allow, found at the sender."""


class MessageTooLarge(CallboardError, ValueError):
    """A message or state above the size limit."""


class NotInTurn(CallboardError, RuntimeError):
    """`self.turn` was used outside a turn."""


class TurnOver(CallboardError, RuntimeError):
    """A task outlived the turn it belonged to and tried to act in it."""


class InTurn(CallboardError, RuntimeError):
    """A verb for callers outside a turn was used inside one, where it would escape the turn's commit."""


class AskInTurn(InTurn):
    """`await ref.ask()` inside a turn: the question could only leave when the turn ends."""


class NotBound(CallboardError, RuntimeError):
    """A ref that belongs to no node was asked to send."""


class NameTaken(CallboardError):
    """The name already belongs to another actor."""


class IdReused(CallboardError, ValueError):
    """The same `id=` was used for a message with other content."""


class Refusal(CallboardError):
    """An actor's business no: the turn is undone, the asker gets this very type, nothing is retried.

    Subclass it and raise it in a handler (G10).
    """


class Failure(msgspec.Struct, frozen=True):
    """Why a request or an ask got no reply."""

    reason: str
    """refused, failed, timed_out or no_actor."""
    error: str
    """Name of the exception's class; empty for timed_out and no_actor."""
    text: str
    """The exception's text."""
    message: str
    """The message as people see it, such as `withdraw(50)`."""
    attempts: int
    """How often it was tried."""


class AskFailed(CallboardError):
    """The message that was asked failed for good; it is a dead letter now."""

    def __init__(self, text: str, failure: Failure) -> None:
        super().__init__(text)
        self.failure = failure


class AskTimeout(CallboardError, TimeoutError):
    """No reply in time. The outcome is unknown: ask again with the same `id=` to be safe."""


class NoSuchActor(CallboardError, LookupError):
    """No actor lives at this address."""


class Overloaded(CallboardError):
    """What was sent can never fit, however long the caller waits."""


class NodeClosed(CallboardError, RuntimeError):
    """The node was closed; nothing can be sent through it any more."""


def is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    """Whether an exception is a group, as trio's nurseries raise them."""
    return isinstance(error, BaseExceptionGroup)
