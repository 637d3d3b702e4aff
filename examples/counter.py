"""A counter that goes on where the last run stopped; run it twice."""

from callboard import Actor, Node, handler, run


class Counter(Actor):
    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count


async def main(node: Node) -> None:
    counter = await node.spawn(Counter(), name="counter")
    print(await counter.ask(Counter.add(), timeout=5))


if __name__ == "__main__":
    run(main, store="./counter.store")
