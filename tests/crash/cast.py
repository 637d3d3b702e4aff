"""The cast of the kill loop: actors that write down what they hear, so that nothing can go wrong unseen.

Every message from outside has a stream and a number; a sender counts each of its streams up. What a
listener heard is kept as spans in the order of hearing, so that a duplicate, a swap and a
gap all stay visible for ever, and a long undisturbed stream takes two numbers.
"""

from __future__ import annotations

import os
import zlib
from functools import partial
from pathlib import Path

import attrs
import msgspec
import trio

from callboard import Actor, ActorRef, Failure, Refusal, Retry, handler
from callboard.testing.journal import append

EFFECTS = "CALLBOARD_CRASH_EFFECTS"
"""Environment variable: the file that effects are written to."""
OPENING_BALANCE = 1000
TWICE_AGAIN = Retry(attempts=3, wait=0.015, jitter=0)


class Short(Refusal):
    """Not enough money."""


class Shown(msgspec.Struct):
    """What a listener knows at the end."""

    heard: dict[str, list[int]]
    wrong: list[str]
    facts: dict[str, int]


class Listener(Actor, type_name="crash.Listener"):
    heard: dict[str, list[int]] = attrs.Factory(dict[str, list[int]])
    """Per stream: first, last, first, last, ... in the order of hearing."""
    open: list[str] = attrs.Factory(list[str])
    """What was begun and has to be ended exactly once."""
    wrong: list[str] = attrs.Factory(list[str])

    def hear(self, stream: str, number: int) -> None:
        spans = self.heard.setdefault(stream, [])
        if spans and spans[-1] == number - 1:
            spans[-1] = number
        else:
            spans += (number, number)

    def begin(self, what: str) -> None:
        if what in self.open:
            self.wrong.append(f"{what} begun twice")
        self.open.append(what)

    def end(self, what: str) -> None:
        if what in self.open:
            self.open.remove(what)
        else:
            self.wrong.append(f"{what} ended twice, or never begun")

    def facts(self) -> dict[str, int]:
        return {}

    @handler
    async def show(self) -> str:
        facts = {"open": len(self.open), **self.facts()}
        return msgspec.json.encode(Shown(self.heard, self.wrong, facts)).decode()


class Recorder(Listener, type_name="crash.Recorder"):
    count: int = 0

    def facts(self) -> dict[str, int]:
        return {"count": self.count}

    @handler
    async def note(self, stream: str, number: int) -> int:
        self.hear(stream, number)
        self.count += 1
        return self.count

    @handler
    async def note_slowly(self, stream: str, number: int) -> int:
        """Once it has waited, the message and the state under it are on disk, so an effect may follow."""
        await trio.sleep(0.0005 * (number % 3))
        self.effect(f"{self.turn.ref.name}/{stream}/{number}", stream, number)
        return await self.note(stream, number)

    def effect(self, key: str, stream: str, number: int) -> None:
        """An effect outside shows the state under it, which must be the same however often it is repeated."""
        line = f"{key} {self.turn.ref.name} {stream} {number} {self.count}"
        append(Path(os.environ[EFFECTS]), line.encode())

    @handler(retry=TWICE_AGAIN)
    async def note_stumbling(self, stream: str, number: int) -> int:
        self.hear(stream, number)
        if self.turn.attempt < 3:
            self.turn.after(0, Recorder.impossible(stream, number))
            raise ValueError("stumbled")
        self.count += 1
        return self.count

    @handler(retry=Retry(attempts=2, wait=0.002, jitter=0))
    async def doomed(self, stream: str, number: int) -> None:
        self.hear(stream, number)
        raise ValueError("doomed")

    @handler
    async def impossible(self, stream: str, number: int) -> None:
        self.wrong.append(f"a failed attempt at {stream} {number} has sent something")

    @handler
    async def note_with_effect(self, stream: str, number: int) -> int:
        self.effect(await self.turn.effect_key(), stream, number)
        if number % 2:
            await trio.sleep(0.001)
        return await self.note(stream, number)

    @handler
    async def note_late(self, stream: str, number: int, due: float) -> None:
        self.hear(stream, number)
        if self.turn.now().timestamp() < due - 0.000_01:
            self.wrong.append(f"{stream} {number} came early")


class Account(Listener, type_name="crash.Account"):
    balance: int = OPENING_BALANCE

    def facts(self) -> dict[str, int]:
        return {"balance": self.balance}

    @handler
    async def pay(self, stream: str, number: int, to: ActorRef[Account], amount: int) -> None:
        self.hear(stream, number)
        if amount <= self.balance:
            self.balance -= amount
            await to.tell(Account.deposit(amount))

    @handler
    async def deposit(self, amount: int) -> None:
        self.balance += amount

    @handler
    async def borrow(self, stream: str, number: int, lender: ActorRef[Account], amount: int) -> None:
        self.hear(stream, number)
        loan = f"{stream}/{number}"
        self.begin(loan)
        self.turn.request(
            lender,
            Account.give(amount),
            then=partial(Account.given, loan=loan),
            failed=partial(Account.denied, loan=loan),
        )

    @handler(retry=Retry(attempts=2, wait=0.002, jitter=0))
    async def give(self, amount: int) -> int:
        if amount > self.balance:
            raise Short(f"{amount} is more than {self.balance}")
        self.balance -= amount
        if amount % 5 == 0:
            await trio.lowlevel.checkpoint()
        if amount % 7 == 0:
            raise ValueError("no sevens")
        return amount

    @handler
    async def given(self, amount: int, loan: str) -> None:
        self.balance += amount
        self.end(loan)

    @handler
    async def denied(self, why: Failure, loan: str) -> None:
        self.end(loan)


class Asker(Listener, type_name="crash.Asker"):
    answers: int = 0
    late: int = 0

    def facts(self) -> dict[str, int]:
        return {"answers": self.answers, "late": self.late}

    @handler
    async def question(self, stream: str, number: int, to: ActorRef[Sluggard]) -> None:
        self.hear(stream, number)
        what = f"{stream}/{number}"
        self.begin(what)
        self.turn.request(
            to,
            Sluggard.answer(number),
            then=partial(Asker.answered, what=what),
            failed=partial(Asker.unanswered, what=what),
            timeout=0.05 if number % 2 else 0.003,
        )

    @handler
    async def answered(self, number: int, what: str) -> None:
        self.answers += 1
        self.end(what)

    @handler
    async def unanswered(self, why: Failure, what: str) -> None:
        self.late += why.reason == "timed_out"
        self.end(what)


class Sluggard(Listener, type_name="crash.Sluggard"):
    @handler
    async def answer(self, number: int) -> int:
        await trio.sleep(0.002 * (number % 3))
        return number


class Hive(Listener, type_name="crash.Hive"):
    hatched: int = 0

    def facts(self) -> dict[str, int]:
        return {"hatched": self.hatched}

    @handler
    async def hatch(self, stream: str, number: int) -> None:
        """A chick is born, pecks, is gone; what it is told after that has nobody to hear it."""
        self.hear(stream, number)
        egg = f"chick/{stream}/{number}"
        self.begin(egg)
        self.hatched += 1
        chick = self.turn.spawn(Chick(hive=self.turn.ref), name=egg)
        await chick.tell(Chick.peck())
        await chick.tell(Chick.late())

    @handler
    async def pecked(self, egg: str) -> None:
        self.end(egg)

    @handler
    async def haunted(self, egg: str) -> None:
        self.wrong.append(f"{egg} heard something after its end")


class Chick(Actor, type_name="crash.Chick"):
    hive: ActorRef[Hive]

    @handler
    async def peck(self) -> None:
        await self.hive.tell(Hive.pecked(self.turn.ref.name))
        self.turn.stop()

    @handler
    async def late(self) -> None:
        await self.hive.tell(Hive.haunted(self.turn.ref.name))


class Ticker(Listener, type_name="crash.Ticker"):
    armed: str = ""
    rings: int = 0

    def facts(self) -> dict[str, int]:
        return {"armed": int(bool(self.armed)), "rings": self.rings}

    @handler
    async def arm(self, stream: str, number: int) -> None:
        self.hear(stream, number)
        self.armed = f"{stream}/{number}"
        self.turn.after(0.004 * (number % 3), Ticker.ring(self.armed), key="bell")

    @handler
    async def disarm(self, stream: str, number: int) -> None:
        self.hear(stream, number)
        self.armed = ""
        self.turn.cancel("bell")

    @handler
    async def ring(self, what: str) -> None:
        if what != self.armed:
            self.wrong.append(f"{what} rang, and {self.armed or 'nothing'} was armed")
        self.armed = ""
        self.rings += 1


class Hoarder(Listener, type_name="crash.Hoarder"):
    """Keeps the last heap it was given, and what it should hold."""

    heap: bytes = b""
    crc: int = 0

    @handler
    async def hoard(self, stream: str, number: int, heap: bytes) -> None:
        self.hear(stream, number)
        if zlib.crc32(self.heap) != self.crc:
            self.wrong.append(f"the heap before {stream} {number} is not what it was")
        self.heap, self.crc = heap, zlib.crc32(heap)
