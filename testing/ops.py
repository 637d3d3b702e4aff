"""Ops: operations of plans that need no code of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from hypothesis import strategies as st

from ..mailbox.errors import CallboardError
from .errors import Crashed
from .plan import Verb

if TYPE_CHECKING:
    from ..actors.message import Message
    from ..actors.ref import ActorRef
    from .simulation import Simulation

ASK_TIMEOUT_S = 60.0


def tell(refs: st.SearchStrategy[Any], messages: st.SearchStrategy[Any], *, name: str = "tell") -> Verb:
    """A client that sends one message and waits until it is stored.

    Args:
        refs: whom to (`refs(Account, "ann", "bob")`), or their names.
        messages: what (`messages(Account)`).
        name: of the operation in plans and reports.
    """

    async def send(sim: Simulation, to: Any, message: Message[Any, Any], node: int = 0) -> None:
        await bind(sim, to, node).tell(message)

    return Verb(send, {"to": refs, "message": messages}, name=name)


def ask(
    refs: st.SearchStrategy[Any],
    messages: st.SearchStrategy[Any],
    *,
    timeout: float = ASK_TIMEOUT_S,
    name: str = "ask",
) -> Verb:
    """A client that asks, and takes whatever answer comes: a reply, a refusal, a failure or a time-out.

    Args:
        refs: whom.
        messages: what.
        timeout: simulated seconds.
        name: of the operation in plans and reports.
    """

    async def question(sim: Simulation, to: Any, message: Message[Any, Any], node: int = 0) -> None:
        try:
            await bind(sim, to, node).ask(message, timeout=timeout)
        except Crashed:
            raise
        except CallboardError as error:
            sim.trace.note(-1, "client hears", type(error).__name__)

    return Verb(question, {"to": refs, "message": messages}, name=name)


def bind(sim: Simulation, to: Any, node: int) -> ActorRef[Any]:
    """A ref of the simulation for a ref or a name."""
    from ..actors.actor import Actor

    return sim.ref(Actor, to if isinstance(to, str) else str(to), node=node)


async def _wait(_: Simulation, seconds: float) -> None:
    await trio.sleep(seconds)


wait = Verb(_wait, {"seconds": st.sampled_from([0.001, 0.1, 1.0, 60.0])}, is_fault=True, name="wait")
"""Let time pass before the next operation. Without it, operations follow each other at once."""


async def _settle(sim: Simulation) -> None:
    await sim.settle()


settle = Verb(_settle, {}, is_fault=True, name="settle")
"""Let everything run that can without time passing, before the next operation."""
