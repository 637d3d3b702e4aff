"""An ordinary program with a supervision tree whose children fail often, for the kill loop."""

import sys
from itertools import count
from pathlib import Path

import attrs
import trio

from callboard import (
    Actor,
    Backoff,
    Child,
    ChildRefused,
    Dynamic,
    Node,
    Retry,
    Supervisor,
    handler,
    run,
)
from callboard.testing.journal import Journal

FIXED = ("left", "right")
POOL = tuple(f"pool/{number}" for number in range(4))


class Till(Actor, type_name="trees.Till"):
    """Takes numbers; every seventh message is poison, and dies beside them."""

    sales: dict[str, list[int]] = attrs.Factory(dict[str, list[int]])

    @handler
    async def sell(self, clerk: str, number: int) -> None:
        self.sales.setdefault(clerk, []).append(number)

    @handler(retry=Retry(attempts=1))
    async def break_down(self) -> None:
        self.sales.clear()
        raise ValueError("the drawer is stuck")


def tree() -> Supervisor:
    quick = Backoff(first=0.002, longest=0.005)
    tills = [Child(Till(), name=name) for name in FIXED]
    return Supervisor(
        "shop",
        [
            Supervisor("tills", tills, strategy="one_for_all", intensity=10**6, backoff=quick),
            Dynamic("pool", Till, intensity=10**6, backoff=quick),
        ],
    )


async def sell(node: Node, name: str, notes: Path) -> None:
    """Sell for ever, with a breakdown now and then."""
    journal, till = Journal(notes, name.replace("/", "-")), node.ref(Till, name)
    for round_ in count():
        with journal.call(name) as number:
            await till.tell(Till.sell(name.replace("/", "-"), number))
        print(name, number)
        if round_ % 7 == 6:
            await till.tell(Till.break_down())


def main(store: str, notes: str, shift: str) -> None:
    async def open_shop(node: Node) -> None:
        running = await node.start(tree())
        there = {child.name for child in running.which_children("pool")}
        print("pool", *sorted(there))
        if shift == "close":
            await trio.sleep_forever()
        for name in POOL:
            try:
                await running.start_child("pool", name)
            except ChildRefused:
                assert name in there
        async with trio.open_nursery() as nursery:
            for name in (*FIXED, *POOL):
                nursery.start_soon(sell, node, name, Path(notes))

    run(open_shop, store=store)


if __name__ == "__main__":
    main(*sys.argv[1:])
