"""The actors of the golden stores. Old stores name these types and handlers: nothing here may be renamed."""

from __future__ import annotations

import attrs

from callboard import Actor, ActorRef, Child, Failure, Refusal, Retry, Supervisor, Terminated, handler

MENDED = False
"""Whether what failed when a golden store was made works now."""


class Ann(Actor, type_name="golden.Ann"):
    owner: str = ""
    heard: list[str] = attrs.field(factory=list[str])
    amount: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.amount += amount
        return self.amount

    @handler
    async def hear(self, what: str) -> None:
        self.heard.append(what)

    @handler
    async def refuse(self) -> None:
        raise Refusal("not today")

    @handler(retry=Retry(attempts=2, wait=0.1))
    async def fail(self) -> None:
        raise ValueError("it never works")

    @handler(retry=Retry(attempts=100, wait=1000, max_wait=1000, jitter=0))
    async def struggle(self) -> None:
        if not MENDED:
            raise ValueError("it does not work yet")
        self.heard.append("at last")

    @handler
    async def remind(self, seconds: int, what: str, key: str | None) -> None:
        self.turn.after(seconds, Ann.hear(what), key=key)

    @handler
    async def wonder(self, about: ActorRef[Ann], seconds: int) -> None:
        self.turn.request(about, Ann.add(100), then=Ann.answered, failed=Ann.unanswered, timeout=seconds)

    @handler
    async def answered(self, total: int) -> None:
        self.heard.append(f"the answer is {total}")

    @handler
    async def unanswered(self, why: Failure) -> None:
        self.heard.append(f"no answer: {why.reason}")

    @handler
    async def look_after(self, other: ActorRef[Ann]) -> None:
        self.turn.watch(other, then=Ann.missed)

    @handler
    async def missed(self, what: Terminated) -> None:
        self.heard.append(f"{what.ref.name} ended")

    @handler
    async def leave(self) -> None:
        self.turn.stop()

    @handler
    async def show(self) -> list[str]:
        return self.heard


class Ben(Actor, type_name="golden.Ben"):
    @handler
    async def echo(self, number: int) -> int:
        return number


TYPES: list[type[Actor]] = [Ann, Ben]


def tree() -> Supervisor:
    return Supervisor("golden", [Child(Ann(owner="the tree"), name="declared")])
