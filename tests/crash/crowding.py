"""Very many actors and messages, made through the front door."""

from __future__ import annotations

from pathlib import Path

from callboard import Actor, ActorRef, handler, open_node

AT_ONCE = 500


class Sink(Actor, type_name="crowding.Sink"):
    """Counts its messages, and those out of order."""

    count: int = 0
    wrong: int = 0

    @handler
    async def take(self, number: int) -> None:
        self.wrong += number != self.count
        self.count += 1

    @handler
    async def look(self) -> tuple[int, int]:
        return self.count, self.wrong


class Sleeper(Actor, type_name="crowding.Sleeper"):
    """Rests."""

    woken: int = 0

    @handler
    async def wake(self) -> None:
        self.woken += 1


class Settler(Actor, type_name="crowding.Settler"):
    """Spawns sleepers."""

    made: int = 0

    @handler
    async def settle(self, count: int) -> None:
        for number in range(self.made, self.made + AT_ONCE):
            self.turn.spawn(Sleeper(), name=f"sleeper/{number}")
        self.made += AT_ONCE
        if count > AT_ONCE:
            await self.turn.ref.tell(Settler.settle(count - AT_ONCE))


class Filler(Actor, type_name="crowding.Filler"):
    """Sends to many mailboxes in turn."""

    sinks: list[ActorRef[Sink]]
    sent: int = 0

    @handler
    async def fill(self, count: int) -> None:
        boxes = len(self.sinks)
        for number in range(self.sent, self.sent + AT_ONCE):
            await self.sinks[number % boxes].tell(Sink.take(number // boxes))
        self.sent += AT_ONCE
        if count > AT_ONCE:
            await self.turn.ref.tell(Filler.fill(count - AT_ONCE))


async def fill(path: Path, actors: int, boxes: int, messages: int) -> None:
    """Make a store of so many actors, with so much mail that nobody handles while it is filled."""
    async with open_node(path) as node:
        settler = await node.spawn(Settler(), name="settler")
        await settler.tell(Settler.settle(actors))
        sinks = [await node.spawn(Sink(), name=f"sink/{number}") for number in range(boxes)]
        await node.spawn(Filler(sinks), name="filler")
        await node.wait_idle()
    async with open_node(path, types=[Filler]) as node:
        await node.ref(Filler, "filler").tell(Filler.fill(messages))
        await node.wait_idle()
        assert node.statistics().queued == messages
