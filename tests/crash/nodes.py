"""What runs on every node while the cluster is tormented: streams of numbers, and money.

`main` runs until the file `stop` is in the folder of the stores. All that it needs after a kill is on disk:
the actors' states, and for the callers outside a file with the last number that was acknowledged.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import attrs
import trio

from callboard import Actor, ActorRef, AskTimeout, Failure, Node, NoSuchActor, Refusal, handler
from callboard.mailbox.disk import DiskStore

NODES = ("a", "b", "c")
ACCOUNTS = 3
"""On each node."""
OPENING = 100
TELLERS = 2
"""On each node."""


class Hub(Actor, type_name="nodes.Hub"):
    """Hears numbered messages of many streams, each of which has to be 1, 2, 3 and so on."""

    last: dict[str, int] = attrs.field(factory=dict[str, int])
    wrong: list[str] = attrs.field(factory=list[str])

    @handler
    async def hear(self, stream: str, number: int) -> int:
        if number != self.last.get(stream, 0) + 1 and len(self.wrong) < 20:
            self.wrong = [*self.wrong, f"{stream}: {number} came after {self.last.get(stream, 0)}"]
        self.last = {**self.last, stream: number}
        return number


class Source(Actor, type_name="nodes.Source"):
    """Tells the hubs of all nodes numbers, for as long as it is not stopped."""

    sent: int = 0
    going: bool = False

    @handler
    async def begin(self) -> None:
        if not self.going:
            self.going = True
            self.turn.after(0, Source.pump())

    @handler
    async def stop(self) -> None:
        self.going = False

    @handler
    async def pump(self) -> None:
        if self.going:
            name = self.turn.ref.name
            for _ in range(self.turn.random.choice((1, 1, 5, 60))):
                self.sent += 1
                for node in NODES:
                    await ActorRef[Hub]("hub", node).tell(Hub.hear(name, self.sent))
            self.turn.after(0.01, Source.pump())

    @handler
    async def total(self) -> int:
        return self.sent


class OverdrawnAbroad(Refusal):
    """There is not so much in the account."""


class Account(Actor, type_name="nodes.Account"):
    balance: int = OPENING

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise OverdrawnAbroad
        self.balance -= amount
        return self.balance


class Teller(Actor, type_name="nodes.Teller"):
    """Moves money from any account to any other, one transfer after the other."""

    going: bool = False
    busy: bool = False
    moved: int = 0
    refused: int = 0

    @handler
    async def begin(self) -> None:
        self.going = True
        if not self.busy:
            self.busy = True
            self.turn.after(0, Teller.move())

    @handler
    async def stop(self) -> None:
        self.going = False

    @handler
    async def move(self) -> None:
        if not self.going:
            self.busy = False
            return
        source, target = self.turn.random.choices(
            [f"{i}@{node}" for node in NODES for i in range(ACCOUNTS)], k=2
        )
        amount = self.turn.random.randrange(1, 120)
        self.turn.request(
            account(source),
            Account.withdraw(amount),
            then=partial(Teller.withdrawn, target=target, amount=amount),
            failed=Teller.declined,
        )

    @handler
    async def withdrawn(self, left: int, target: str, amount: int) -> None:
        self.turn.request(account(target), Account.deposit(amount), then=Teller.done)

    @handler
    async def done(self, balance: int) -> None:
        self.moved += 1
        self.turn.after(0.005, Teller.move())

    @handler
    async def declined(self, failure: Failure) -> None:
        self.refused += failure.error == "OverdrawnAbroad"
        self.turn.after(0.005, Teller.move())

    @handler
    async def is_busy(self) -> bool:
        return self.busy


def account(place: str) -> ActorRef[Account]:
    """The account of `number@node`."""
    number, _, node = place.partition("@")
    return ActorRef(f"account/{number}", node)


async def main(node: Node) -> None:
    """Torment-proof work until the file `stop` is there."""
    assert isinstance(node.store, DiskStore)
    folder = node.store.path.parent
    stop = folder / "stop"
    await node.spawn(Hub(), name="hub")
    for number in range(ACCOUNTS):
        await node.spawn(Account(), name=f"account/{number}")
    source = await node.spawn(Source(), name=f"source/{node.name}")
    tellers = [await node.spawn(Teller(), name=f"teller/{number}") for number in range(TELLERS)]
    if not stop.exists():
        await source.tell(Source.begin())
        for teller in tellers:
            await teller.tell(Teller.begin())
    async with trio.open_nursery() as nursery:
        for other in NODES:
            nursery.start_soon(call_from_outside, node, other, folder, stop)
    await source.tell(Source.stop())
    for teller in tellers:
        await teller.tell(Teller.stop())
        while await teller.ask(Teller.is_busy()):  # noqa: ASYNC110
            await trio.sleep(0.05)


async def call_from_outside(node: Node, other: str, folder: Path, stop: Path) -> None:
    """Tell and ask the hub of a node numbers, each until it is acknowledged, under an id."""
    notes = folder / f"{node.name}-to-{other}.acked"
    number = int(notes.read_text() or 0) if notes.exists() else 0
    hub = node.ref(Hub, f"hub@{other}")
    stream = f"outside/{node.name}"
    while not stop.exists():  # noqa: ASYNC240 - a test's own file
        number += 1
        message, key = Hub.hear(stream, number), f"{stream}/{number}"
        if number % 2:
            await hub.tell(message, id=key)
        else:
            while True:
                try:
                    assert await hub.ask(message, id=key, timeout=0.3) == number
                    break
                except (AskTimeout, NoSuchActor):  # its main may not have come so far
                    pass
        beside = notes.with_suffix(".new")
        beside.write_text(str(number))
        beside.replace(notes)
        await trio.sleep(0.002)
