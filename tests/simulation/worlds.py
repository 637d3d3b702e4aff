"""Worlds: actors that do what their messages say, clients that call them, and what must hold in the end.

A program is a tuple of steps, and a message carries one, so that a drawn plan can drive a whole node and a
shrunk one can be read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import trio

from callboard import Actor, ActorRef, Failure, Message, Refusal, Retry, handler
from callboard.testing import InvariantBroken, Simulation

ATTEMPTS = 3
NAMES = ("a", "b", "c")
"""The last of them is not there from the beginning."""
KEYS = ("k", "l")
TAINT = "never seen"
"""What a turn writes into its state before it fails, refuses or is cancelled."""

Step = tuple[Any, ...]
"""A verb and its arguments; programs inside it are tuples of steps."""
Program = tuple[Step, ...]
PLAIN = Retry(attempts=ATTEMPTS, wait=0.1, jitter=0)


class Unwilling(Refusal):
    """What a pawn says that was told to refuse."""


@attrs.define(eq=False)
class World:
    """What one run was asked to do, and what handlers did outside the store; no crash takes it back."""

    sim: Simulation
    forgets: bool = False
    """Mailboxes without an actor are forgotten after a while, and with them what they knew."""
    programs: dict[str, Program] = attrs.field(factory=dict[str, Program])
    """By token."""
    ids: dict[tuple[str, str], str] = attrs.field(factory=dict[tuple[str, str], str])
    """Token of the first message that was sent to a name with an id."""
    keys: dict[str, str] = attrs.field(factory=dict[str, str])
    """Effect key by token."""
    roots: int = 0

    def root(self, program: Program, to: str = "", id: str | None = None) -> str:
        """The token of a message from outside; one id is one message."""
        if id is not None and (to, id) in self.ids:
            return self.ids[to, id]
        self.roots += 1
        token = str(self.roots)
        if id is not None:
            self.ids[to, id] = token
        self.programs[token] = program
        return token

    def effect(self, token: str, number: int, key: str) -> None:
        """A handler has its effect key, and does something outside (G3, G6)."""
        if self.keys.setdefault(token, key) != key:
            self.broken("once", f"the effect of {token} has two keys, {self.keys[token]} and {key}")
        if number not in self.sim.nodes[0].history.durable.status:
            self.broken("watermark", f"{token} had its effect before its message was on disk")

    def broken(self, name: str, text: str) -> None:
        """Something is wrong; it ends the run."""
        self.sim.fail(InvariantBroken(name, text))


_worlds: list[World] = []


def begin(sim: Simulation, *, forgets: bool = False) -> World:
    """Make the world of a run."""
    _worlds[:] = [World(sim, forgets)]
    return _worlds[0]


def world() -> World:
    """The world that runs now."""
    return _worlds[0]


class Pawn(Actor, type_name="lab.Pawn"):
    """Logs the token of each message it handled, after doing the message's program.

    Its state is immutable, so that what it is told takes the short way through the runtime, and what it is
    asked the long one; the pawns of the models have lists.
    """

    log: str = ""
    """Words, each with a bar behind it."""
    held: str = "{}"
    """Token of the timer that was set last under a key, as JSON."""

    @handler(retry=PLAIN)
    async def act(self, token: str, program: str, key: str = "") -> str:
        if key and self._let_go(key) != token:
            world().broken("timers", f"{token} was cancelled or replaced, and its turn began")
        for number, step in enumerate(json.loads(program)):
            await self._do(token, f"{token}.{number}", *step)
        self._note(token)
        return token

    @handler(retry=PLAIN, timeout=5)
    async def act_slowly(self, token: str, program: str, key: str = "") -> str:
        """The same for programs that suspend, so that the others go on running ahead of the disk."""
        return await self.act(token, program, key)

    async def _do(self, token: str, child: str, verb: str, *args: Any) -> None:
        match verb, args:
            case "tell", (to, program):
                await _ref(to).tell(act(child, program))
            case "after", (delay, key, program):
                self._after(delay, key, child, program)
            case "cancel", (key,):
                self._let_go(key)
                self.turn.cancel(key)
            case "request", (to, program, timeout):
                self._request(to, child, program, timeout)
            case "spawn", (name,):
                self.turn.spawn(Pawn(), name=name)
            case "stop", ():
                for key in KEYS:
                    self.turn.cancel(key)
                self.turn.stop()
            case _:
                await self._misbehave(token, verb, *args)

    def _note(self, word: str) -> None:
        self.log += f"{word}|"

    def _let_go(self, key: str) -> str | None:
        held: dict[str, str] = json.loads(self.held)
        token = held.pop(key, None)
        self.held = json.dumps(held)
        return token

    def _after(self, delay: float, key: str | None, child: str, program: Program) -> None:
        if key is not None:
            self.held = json.dumps({**json.loads(self.held), key: child})
        self.turn.after(delay, act(child, program, key or ""), key=key)

    def _request(self, to: str, child: str, program: Program, timeout: float | None) -> None:
        then, failed = partial(Pawn.got, token=child), partial(Pawn.got_failure, token=child)
        self.turn.request(_ref(to), act(child, program), then=then, failed=failed, timeout=timeout)

    async def _misbehave(self, token: str, verb: str, *args: Any) -> None:
        match verb, args:
            case "fail", (times,):
                if self.turn.attempt <= times:
                    self._note(TAINT)
                    raise ValueError(token)
            case "refuse", ():
                self._note(TAINT)
                raise Unwilling(token)
            case "sleep", (seconds,):
                await trio.sleep(seconds)
            case "effect", ():
                key = await self.turn.effect_key()
                world().effect(token, self.turn.mail.number, key)
            case "stubborn", ():
                await self._ignore_a_cancellation()
            case _:
                raise AssertionError(verb)

    async def _ignore_a_cancellation(self) -> None:
        """Be cancelled by the handler's timeout, and go on as if nothing had happened."""
        if self.turn.attempt > 1:
            return
        try:
            await trio.sleep(60)
        except trio.Cancelled:
            self._note(TAINT)

    @handler
    async def got(self, reply: str, token: str) -> None:
        if reply != token:
            world().broken("answers", f"the question {token} got the answer of {reply}")
        self._note(f"{token}!")

    @handler
    async def got_failure(self, why: Failure, token: str) -> None:
        self._note(f"{token}!{why.reason}")


def _ref(name: str) -> ActorRef[Pawn]:
    return ActorRef(name)


def act(token: str, program: Sequence[Step], key: str = "") -> Message[Pawn, str]:
    """The message that carries a program."""
    known = tuple(map(tuple, program))
    world().programs.setdefault(token, known)
    suspends = any(verb in {"sleep", "effect", "stubborn"} for verb, *_ in known)
    return (Pawn.act_slowly if suspends else Pawn.act)(token, json.dumps(known), key)
