"""An ordinary program, as a user of the kill loop has one: tills sell, and a ledger adds up.

All it knows of the kill loop are the journals that its tills keep.
"""

import sys
from pathlib import Path

import attrs
import trio

from callboard import Actor, ActorRef, Node, handler, run
from callboard.testing.journal import Journal

TILLS = ("north", "south", "west")


class Ledger(Actor, type_name="crash.Ledger"):
    sales: dict[str, list[int]] = attrs.Factory(dict[str, list[int]])

    @handler
    async def sell(self, till: str, number: int) -> None:
        self.sales.setdefault(till, []).append(number)


async def sell(till: str, ledger: ActorRef[Ledger], notes: Path) -> None:
    """Sell for ever, one thing after the other."""
    journal = Journal(notes, till)
    while True:
        with journal.call("ledger") as number:
            await ledger.tell(Ledger.sell(till, number))
        print(till, number)
        await trio.sleep(0.0005)


async def sell_carelessly(till: str, ledger: ActorRef[Ledger], notes: Path) -> None:
    """Believe that what was only begun is done."""
    journal = Journal(notes, till)
    async with trio.open_nursery() as nursery:
        while True:
            with journal.call("ledger") as number:
                nursery.start_soon(late, ledger, till, number)
            print(till, number)
            await trio.sleep(0.002)


async def late(ledger: ActorRef[Ledger], till: str, number: int) -> None:
    await trio.sleep(0.05)
    await ledger.tell(Ledger.sell(till, number))


async def stay_open(_: Node) -> None:
    """Sell nothing."""
    await trio.sleep_forever()


SHIFTS = {"sell": sell, "sell-carelessly": sell_carelessly}


def main(store: str, notes: str, shift: str) -> None:
    async def open_tills(node: Node) -> None:
        ledger = await node.spawn(Ledger(), name="ledger")
        async with trio.open_nursery() as nursery:
            for till in TILLS if shift in SHIFTS else ():
                nursery.start_soon(SHIFTS[shift], till, ledger, Path(notes))

    run(open_tills, store=store)


if __name__ == "__main__":
    main(*sys.argv[1:])
