"""Checks: what a test asserts about a simulation when its work is done.

The promises of the runtime are checked all the time and need no call. These say what a test means by
right: that nothing is left, that a sum is what it was, that a message was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import InvariantBroken
from .history import ENDED
from .reading import fits

if TYPE_CHECKING:
    from .history import Sent
    from .simulation import Simulation


def exactly_once(sim: Simulation, what: Any = None, *, dead: bool = False) -> None:
    """Assert that every message that a client heard was stored took effect exactly once, and none is left.

    Args:
        sim: after `converge`.
        what: only this message, or messages of this handler.
        dead: whether messages may have become dead letters.

    Raises:
        InvariantBroken: one waits still, became a dead letter, or was handled more than once.
    """
    for node in sim.nodes:
        ended = Counter(sent.number for sent in node.history.order)
        for sent in node.clients.acked:
            if not fits(sent, what) or sent.number in node.history.excused:
                continue
            status = node.history.durable.status.get(sent.number, "lost")
            if status == "cancelled":
                continue
            if status not in ENDED:
                raise InvariantBroken("exactly_once", f"{sent} was acknowledged, and is {status}")
            if status == "dead" and not dead:
                raise InvariantBroken("exactly_once", f"{sent} became a dead letter")
            if ended[sent.number] != 1:
                raise InvariantBroken("exactly_once", f"{sent} ended {ended[sent.number]} times")


def fifo(sim: Simulation, what: Any = None) -> None:
    """Assert that each sender's messages to one receiver were done in the order in which they were sent.

    Args:
        sim: at any time.
        what: only messages of this handler.

    Raises:
        InvariantBroken: one overtook another.
    """
    last: dict[tuple[int, str, str, str], Sent] = {}
    for node in sim.nodes:
        for sent in node.history.order:
            if sent.due or not fits(sent, what):
                continue
            pair = node.index, *sent.pair
            before = last.get(pair)
            if before is not None and before.place > sent.place:
                raise InvariantBroken("fifo", f"{before} was done before {sent}, which was sent first")
            last[pair] = sent


def conserved(sim: Simulation, measure: Callable[[Simulation], object], expected: object) -> None:
    """Assert that something is what it was in the beginning: a sum of money, a number of things.

    Args:
        sim: after `converge`, unless it holds at every commit (then see `Simulation.always`).
        measure: such as `lambda sim: sum(a.balance for a in sim.states(Account))`.
        expected: what it was.

    Raises:
        InvariantBroken: it is another.
    """
    found = measure(sim)
    if found != expected:
        raise InvariantBroken("conserved", f"it was {expected!r}, and is {found!r}")


def sent(sim: Simulation, what: Any, *, to: str | None = None, times: int | None = None) -> list[Sent]:
    """Assert that a message was sent, and is on disk or was; returns all that fit.

    Args:
        sim: at any time.
        what: a message, `Account.deposit(5)`, or a handler, `Account.deposit`.
        to: the receiver's name.
        times: exactly how often; by default at least once.

    Raises:
        AssertionError: it was not; the text has what was sent instead.
    """
    return _expect(sim.sent(what, to=to), sim.sent(to=to), "sent", what, to, times)


def not_sent(sim: Simulation, what: Any, *, to: str | None = None) -> None:
    """Assert that a message was not sent.

    Raises:
        AssertionError: it was.
    """
    sent(sim, what, to=to, times=0)


def scheduled(sim: Simulation, what: Any, *, to: str | None = None, times: int | None = None) -> list[Sent]:
    """Assert that a message waits as a timer; returns all that fit, with their `due`.

    Args:
        sim: at any time.
        what: a message or a handler.
        to: the receiver's name.
        times: exactly how many; by default at least one.

    Raises:
        AssertionError: none waits; the text has what waits instead.
    """
    found = sim.sent(what, to=to, status="scheduled")
    return _expect(found, sim.sent(to=to, status="scheduled"), "scheduled", what, to, times)


def _expect(
    found: list[Sent],
    others: list[Sent],
    verb: str,
    what: Any,
    to: str | None,
    times: int | None,
) -> list[Sent]:
    if len(found) == times or (times is None and found):
        return found
    wanted = "at least once" if times is None else f"{times} times"
    where = f" to {to}" if to else ""
    instead = "".join(f"\n  {each}" for each in others[-10:]) or " nothing"
    raise AssertionError(
        f"{what!r} was to be {verb}{where} {wanted}, and was {len(found)} times. "
        f"What was {verb}{where}:{instead}"
    )
