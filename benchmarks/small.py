"""Small: a program that makes a store, opens a node and asks once; it prints how many seconds that took."""

import time

BEGAN = time.perf_counter()

import trio  # noqa: E402 - the import is what is timed

from callboard import Actor, handler, open_node  # noqa: E402


class Counter(Actor):
    count: int = 0

    @handler
    async def add(self, number: int) -> int:
        self.count += number
        return self.count


async def main() -> None:
    async with open_node("small.store") as node:
        counter = await node.spawn(Counter())
        if await counter.ask(Counter.add(3)) != 3:
            raise SystemExit("an answer is wrong")


if __name__ == "__main__":
    trio.run(main)
    print(time.perf_counter() - BEGAN)
