"""Weights: what the size of a state and of a message costs.

The state changes with every turn, so every batch saves it anew. Rates are of turns that are durable.
"""

import time
from pathlib import Path

import attrs
import trio
from measures import goal
from sizes import BLOCK, Measured, Sizes, check

from callboard import Actor, ActorRef, Message, Node, handler, open_node

SHARES = {100: 5, 10_000: 20, 1_000_000: 1000}
"""By how much less is sent when it weighs more."""
LINE = 14
"""Bytes of one entry of the dict, more or less."""


class Vault(Actor):
    """Holds bytes."""

    blob: bytes
    count: int = 0

    @handler
    async def turn_over(self) -> None:
        """Change the state, all of it."""
        self.blob = self.blob[1:] + self.blob[:1]
        self._counted()

    @handler
    async def take(self, what: bytes) -> None:
        """Take a payload; the state stays as small as it is."""
        self._counted()

    @handler
    async def show(self) -> int:
        """How many there were."""
        return self.count

    def _counted(self) -> None:
        self.count += 1
        if self.count == goal.count:
            goal.reached.set()


class Book(Vault):
    """Holds a dict, one entry of which changes."""

    lines: dict[str, int] = attrs.field(factory=dict[str, int])

    @handler
    async def turn_over(self) -> None:
        """Change one entry."""
        self._counted()
        self.lines["line 0"] = self.count


class Carrier(Actor):
    """Sends payloads to another, some of them in a turn."""

    to: ActorRef[Vault]
    left: int

    @handler
    async def carry(self, size: int, count: int) -> None:
        """Send some, and then some more in another turn."""
        what = bytes(size)
        for _ in range(min(count, self.left)):
            self.left -= 1
            await self.to.tell(Vault.take(what))
        if self.left:
            await self.turn.ref.tell(Carrier.carry(size, count))


async def _until_all(node: Node, vault: ActorRef[Vault], count: int, began: float) -> Measured:
    await goal.reached.wait()
    await node.wait_idle()
    took = time.perf_counter() - began
    check("turns", await vault.ask(Vault.show()), count)
    return {"value": count / took}


def _state(sizes: Sizes, folder: Path, size: int, actor: Vault) -> Measured:
    async def measure() -> Measured:
        count = max(sizes.tells // SHARES[size], 1)
        async with open_node(folder / "store") as node:
            vault = await node.spawn(actor, name="vault")
            goal.aim(count)
            began = time.perf_counter()
            message: Message[Vault, None] = type(actor).turn_over()
            for first in range(0, count, sizes.batch):
                await node.tell_all([(vault, message)] * min(sizes.batch, count - first))
            return await _until_all(node, vault, count, began)

    return trio.run(measure)


def state_small(sizes: Sizes, folder: Path) -> Measured:
    """Turns a second of an actor whose state is 100 bytes."""
    return _state(sizes, folder, 100, Vault(bytes(100)))


def state_large(sizes: Sizes, folder: Path) -> Measured:
    """Turns a second of an actor whose state is 10 KB."""
    return _state(sizes, folder, 10_000, Vault(bytes(10_000)))


def state_huge(sizes: Sizes, folder: Path) -> Measured:
    """Turns a second of an actor whose state is 1 MB."""
    return _state(sizes, folder, 1_000_000, Vault(bytes(1_000_000)))


def state_dict(sizes: Sizes, folder: Path) -> Measured:
    """Turns a second of an actor whose state is a dict of 10 KB, and may have been changed anywhere."""
    lines = {f"line {number}": number for number in range(10_000 // LINE)}
    return _state(sizes, folder, 10_000, Book(b"", lines=lines))


def _payload(sizes: Sizes, folder: Path, size: int) -> Measured:
    async def measure() -> Measured:
        count = max(sizes.tells // SHARES[size], 1)
        async with open_node(folder / "store") as node:
            vault = await node.spawn(Vault(b""), name="vault")
            carrier = await node.spawn(Carrier(vault, count), name="carrier")
            goal.aim(count)
            began = time.perf_counter()
            await carrier.tell(Carrier.carry(size, min(BLOCK, max(1_000_000 // size, 1))))
            return await _until_all(node, vault, count, began)

    return trio.run(measure)


def payload_small(sizes: Sizes, folder: Path) -> Measured:
    """Messages a second from actor to actor, each with 100 bytes."""
    return _payload(sizes, folder, 100)


def payload_large(sizes: Sizes, folder: Path) -> Measured:
    """Messages a second from actor to actor, each with 10 KB."""
    return _payload(sizes, folder, 10_000)


def payload_huge(sizes: Sizes, folder: Path) -> Measured:
    """Messages a second from actor to actor, each with 1 MB."""
    return _payload(sizes, folder, 1_000_000)
