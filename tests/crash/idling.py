"""A program whose node has nothing to do; it prints how often it woke up, and what it computed."""

import resource
import sys
import time

import trio

from callboard import Actor, Child, Node, Supervisor, handler, open_node

FOR_S = 3.0


class Idler(Actor):
    """Somebody who waits for mail."""

    asked: int = 0

    @handler
    async def ask(self) -> int:
        """Answer once."""
        self.asked += 1
        return self.asked


def wakes() -> int:
    """How often a thread of this process has given its processor away to wait."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


async def work(node: Node) -> None:
    """Some work before the rest, so that all is there that work brings with it."""
    await node.start(Supervisor("top", [Child(Idler(), name=f"idler/{number}") for number in range(5)]))
    ref = node.ref(Idler, "idler/1")
    for _ in range(50):
        await ref.ask(Idler.ask(), timeout=5)
    await ref.tell(Idler.ask(), delay=3600)


async def main(folder: str) -> None:
    """Two linked nodes in one process."""
    peers = {name: f"unix:{folder}/{name}.sock" for name in ("a", "b")}
    async with (
        open_node(f"{folder}/a", name="a", peers=peers) as a,
        open_node(f"{folder}/b", name="b", peers=peers) as b,
    ):
        await work(a)
        await b.ref(Idler, "idler/2@a").ask(Idler.ask(), timeout=10)
        await trio.sleep(1)
        woken, computed = wakes(), time.process_time()
        await trio.sleep(FOR_S)
        print((wakes() - woken) / FOR_S, (time.process_time() - computed) / FOR_S)


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
