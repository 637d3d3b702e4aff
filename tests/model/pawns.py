"""Pawns: actors that do what their messages say, so that a drawn plan can drive a whole node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import trio

from callboard import Actor, ActorRef, Failure, Message, Refusal, Retry, handler

ATTEMPTS = 3
NAMES = ("a", "b", "c", "d")
"""The last of them is not there from the beginning."""

Step = tuple[Any, ...]
"""A verb and its arguments; programs inside it are tuples of steps."""
Program = tuple[Step, ...]


class No(Refusal):
    """What a pawn says that was told to refuse."""


@attrs.define
class Witness:
    """What handlers did outside the store; it forgets nothing in a crash."""

    went_on: set[str] = attrs.field(factory=set[str])
    """Tokens whose handler was resumed, or got an effect key: durable from then on (G6)."""
    keys: dict[str, set[str]] = attrs.field(factory=dict[str, set[str]])
    """Effect keys by token."""
    refused: set[str] = attrs.field(factory=set[str])
    """Tokens that were refused; some of those refusals a crash may have undone."""
    early: list[str] = attrs.field(factory=list[str])
    """Delayed messages that came before their time."""

    def clear(self) -> None:
        """Begin anew."""
        for noted in (self.went_on, self.keys, self.refused, self.early):
            noted.clear()


WITNESS = Witness()


class Archive(Actor, type_name="model.Archive"):
    """Keeps what pawns logged before they stopped."""

    logs: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])

    @handler
    async def keep(self, name: str, log: list[str]) -> None:
        self.logs[name] = [*self.logs.get(name, []), *log]


class Pawn(Actor, type_name="model.Pawn"):
    """Logs the token of each message it handled, after doing the message's program."""

    log: list[str] = attrs.field(factory=list[str])

    @handler(retry=Retry(attempts=ATTEMPTS, wait=1, jitter=0))
    async def act(self, token: str, program: str, not_before: float = 0.0) -> str:
        if self.turn.now().timestamp() < not_before - 1e-6:
            WITNESS.early.append(token)
        for number, step in enumerate(json.loads(program)):
            await self._do(token, f"{token}.{number}", *step)
        self.log.append(token)
        return token

    @handler(retry=Retry(attempts=ATTEMPTS, wait=1, jitter=0))
    async def act_slowly(self, token: str, program: str, not_before: float = 0.0) -> str:
        """The same for programs that suspend, so that the others go on running ahead of the disk."""
        return await self.act(token, program, not_before)

    async def _do(self, token: str, child: str, verb: str, *args: Any) -> None:
        match verb, args:
            case "tell", (to, program):
                await self._ref(to).tell(act(child, program))
            case "after", (delay, key, program):
                due = self.turn.now().timestamp() + delay
                self.turn.after(delay, act(child, program, due), key=key)
            case "cancel", (key,):
                self.turn.cancel(key)
            case "request", (to, program, timeout):
                self.turn.request(
                    self._ref(to),
                    act(child, program),
                    then=partial(Pawn.got, token=child),
                    failed=partial(Pawn.got_failure, token=child),
                    timeout=timeout,
                )
            case "spawn", (name, program):
                ref = self.turn.spawn(Pawn(), name=name)
                await ref.tell(act(child, program))
            case "stop", ():
                name = self.turn.ref.name
                archive: ActorRef[Archive] = ActorRef("archive")
                await archive.tell(Archive.keep(name, [*self.log, token]))
                self.log = []
                self.turn.stop()
            case "fail", (times,):
                if self.turn.attempt <= times:
                    self.log.append("never seen")
                    raise ValueError(token)
            case "refuse", ():
                self.log.append("never seen")
                WITNESS.refused.add(token)
                raise No(token)
            case "sleep", (seconds,):
                await trio.sleep(seconds)
                WITNESS.went_on.add(token)
            case "effect", ():
                key = await self.turn.effect_key()
                WITNESS.keys.setdefault(token, set()).add(key)
                WITNESS.went_on.add(token)
            case _:
                raise AssertionError(verb)

    def _ref(self, name: str) -> ActorRef[Pawn]:
        return ActorRef(name)

    @handler
    async def got(self, reply: str, token: str) -> None:
        assert reply == token
        self.log.append(f"{token}!reply")

    @handler
    async def got_failure(self, why: Failure, token: str) -> None:
        self.log.append(f"{token}!{why.reason}")


def act(token: str, program: Sequence[Step], not_before: float = 0.0) -> Message[Pawn, str]:
    """The message that carries a program."""
    suspends = any(verb in {"sleep", "effect"} for verb, *_ in program)
    return (Pawn.act_slowly if suspends else Pawn.act)(token, json.dumps(program), not_before)


def forget_habits() -> None:
    """A process that begins anew does not know which handlers suspend."""
    for spec in (Pawn.act.spec, Pawn.act_slowly.spec):
        spec.suspends = False


def fate(program: Program) -> str:
    """What becomes of a message in the end: done, refused or dead."""
    for verb, *args in program:
        if verb == "refuse":
            return "refused"
        if verb == "fail" and args[0] >= ATTEMPTS:
            return "dead"
    return "done"


def children(token: str, program: Program) -> list[tuple[str, Step]]:
    """The messages a program sends, in order, by token."""
    sent = [(f"{token}.{number}", step) for number, step in enumerate(program)]
    return [(child, step) for child, step in sent if step[0] in ("tell", "after", "request", "spawn")]
