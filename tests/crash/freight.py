"""Messages of a megabyte each: shippers send freight to a depot, which passes it on to a yard."""

import sys
from pathlib import Path

import attrs
import trio

from callboard import Actor, ActorRef, Node, handler, run
from callboard.testing.journal import Journal

SHIPPERS = ("rail", "road")
BYTES = 1_000_000


def freight(number: int) -> bytes:
    """So many bytes, of which no page is like another, nor like that of another number."""
    return b"".join((number * BYTES + at).to_bytes(8) for at in range(0, BYTES, 8))


class Yard(Actor, type_name="crash.Yard"):
    arrived: dict[str, list[int]] = attrs.Factory(dict[str, list[int]])

    @handler
    async def take(self, shipper: str, number: int, load: bytes) -> None:
        if load != freight(number):
            raise ValueError(f"the load {number} of {shipper} is not what was sent")
        self.arrived.setdefault(shipper, []).append(number)


class Depot(Actor, type_name="crash.Depot"):
    yard: ActorRef[Yard]

    @handler
    async def ship(self, shipper: str, number: int, load: bytes) -> None:
        if number % 4 == 0 and self.turn.sender is None:
            self.turn.after(
                0.01, Depot.ship(shipper, number, load)
            )  # so it overtakes nothing of its own kind
        else:
            await self.yard.tell(Yard.take(shipper, number, load))


async def ship(shipper: str, depot: ActorRef[Depot], notes: Path) -> None:
    """Ship for ever."""
    journal = Journal(notes, shipper)
    while True:
        with journal.call("depot") as number:
            await depot.tell(Depot.ship(shipper, number, freight(number)))
        print(shipper, number)
        await trio.sleep(0.001)


def main(store: str, notes: str, shift: str) -> None:
    async def open_depot(node: Node) -> None:
        yard = await node.spawn(Yard(), name="yard")
        depot = await node.spawn(Depot(yard), name="depot")
        if shift != "ship":
            await trio.sleep_forever()  # what the depot still has to ship may have to wait for its time
        async with trio.open_nursery() as nursery:
            for shipper in SHIPPERS:
                nursery.start_soon(ship, shipper, depot, Path(notes))

    run(open_depot, store=store)


if __name__ == "__main__":
    main(*sys.argv[1:])
