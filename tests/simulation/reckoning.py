"""Reckoning: what must be true of a world when nothing waits any more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from callboard.mailbox.envelope import Flag
from callboard.testing import InvariantBroken, Simulation, check
from callboard.testing.history import ENDED, Sent

from .worlds import ATTEMPTS, Pawn, Program, World

SENDS = frozenset({"tell", "after", "request"})


def reckon(world: World) -> None:
    """Hold what became of every message against its program.

    Raises:
        InvariantBroken: the first thing that is wrong.
    """
    sim = world.sim
    check.exactly_once(sim, dead=True)
    check.fifo(sim)
    by_token = _by_token(sim)
    for name, found in (
        ("once", _sent_once(world, by_token)),
        ("atomic", _all_or_nothing(world, by_token)),
        ("answers", _answered_once(world)),
        ("states", _states_follow(world)),
    ):
        for wrong in found:
            raise InvariantBroken(name, wrong)


def waiting(sim: Simulation) -> list[Sent]:
    """Messages that have not ended; a keyed timer may have been cancelled."""
    node = sim.nodes[0]
    queued, scheduled = node.disk.waiting()["queued"], node.disk.waiting()["scheduled"]
    return [node.history.sent[number] for number in sorted(queued | scheduled)]


def token_of(sent: Sent) -> str:
    """The token of a message that carries a program; empty for an answer."""
    message = sent.message
    return "" if message is None else str(message.values[0])


def has_ended(sim: Simulation, token: str) -> bool:
    """Whether a message has been handled, refused or given up, and that is on disk."""
    status = sim.nodes[0].history.durable.status
    return any(token_of(sent) == token and status[sent.number] in ENDED for sent in sim.sent())


def _by_token(sim: Simulation) -> dict[str, list[Sent]]:
    found: defaultdict[str, list[Sent]] = defaultdict(list)
    for sent in sim.sent():
        if token := token_of(sent):
            found[token].append(sent)
    return found


def _sent_once(world: World, by_token: dict[str, list[Sent]]) -> Iterator[str]:
    """No message was sent twice, not even with another number."""
    again = set(world.ids.values()) if world.forgets else set[str]()
    for token, found in by_token.items():
        if len(found) > 1 and token not in again:
            yield f"{token} was sent {len(found)} times: {found}"


def _all_or_nothing(world: World, by_token: dict[str, list[Sent]]) -> Iterator[str]:
    """A turn that was handled did all of its program; one that was not did nothing (G2)."""
    status = world.sim.nodes[0].history.durable.status
    for token, found in by_token.items():
        program, ended = world.programs[token], status[found[0].number]
        if ended == "handled" and _never_succeeds(program):
            yield f"{token} was handled, and can only fail: {program}"
        for number, (verb, *_) in enumerate(program):
            sent = f"{token}.{number}" in by_token
            if verb in SENDS and sent != (ended == "handled"):
                yield f"{token} is {ended}, and what it sends was sent: {sent}"


def _never_succeeds(program: Program) -> bool:
    return any(verb == "refuse" or (verb == "fail" and args[0] >= ATTEMPTS) for verb, *args in program)


def _answered_once(world: World) -> Iterator[str]:
    """A question gets exactly one answer, unless there is no mailbox left that could take it (G12)."""
    answers = Counter(sent.cause for sent in world.sim.sent() if sent.is_answer)
    for sent in world.sim.sent():
        got = answers[sent.number]
        if sent.flags & Flag.REQUESTED and got != 1 and not (got == 0 and world.forgets):
            yield f"the question {sent} got {got} answers"


def _states_follow(world: World) -> Iterator[str]:
    """The state of each actor is what its handled messages made of it (G3)."""
    expected = _logs(world)
    for name, pawn in world.sim.named_states(Pawn).items():
        known = expected.get(name, [])
        log = pawn.log.split("|")[:-1]
        if len(log) != len(known) or not all(map(_is_of, log, known)):
            yield f"{name} has the log {log}, and handled {known}"


def _logs(world: World) -> dict[str, list[str]]:
    """The tokens that each name handled in its last life; empty for answers."""
    history = world.sim.nodes[0].history
    found: defaultdict[str, list[str]] = defaultdict(list)
    for sent in history.order:
        if history.durable.status[sent.number] == "handled":
            token = token_of(sent)
            found[sent.to].append(token)
            if any(verb == "stop" for verb, *_ in world.programs.get(token, ())):
                found[sent.to].clear()
    return found


def _is_of(entry: str, token: str) -> bool:
    return entry == token if token else "!" in entry
