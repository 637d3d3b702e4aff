"""Chaos: launches the bank, kills its nodes and cuts its links at random, and lets it count its money.

Nothing in bank.py knows of this. Each node dials the others by way of a proxy in this process.
"""

import random
import sys
from pathlib import Path

import trio

from callboard.cluster import launch

BANK = Path(__file__).with_name("bank.py")


class Way:
    """The way from one node to another: a proxy on loopback that can be cut."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.target = ""
        self.listener = listener
        self.scopes: set[trio.CancelScope] = set()

    def lead_to(self, target: str) -> str:
        """Take the other node's address; what to dial instead."""
        self.target = target
        return f"127.0.0.1:{self.listener.socket.getsockname()[1]}"

    def cut(self) -> None:
        """End all connections, wherever they are in their bytes; the next ones are carried again."""
        for scope in self.scopes:
            scope.cancel()

    async def carry(self, near: trio.SocketStream) -> None:
        """Carry one connection both ways, until it ends or is cut."""
        host, _, port = self.target.rpartition(":")
        with trio.CancelScope() as scope:
            self.scopes.add(scope)
            try:
                async with (
                    near,
                    await trio.open_tcp_stream(host, int(port)) as far,
                    trio.open_nursery() as both,
                ):
                    both.start_soon(pump, near, far, scope)
                    both.start_soon(pump, far, near, scope)
            except* (OSError, trio.BrokenResourceError):
                pass
            finally:
                self.scopes.discard(scope)


async def pump(source: trio.SocketStream, to: trio.SocketStream, scope: trio.CancelScope) -> None:
    while chunk := await source.receive_some():
        await to.send_all(chunk)
    scope.cancel()


async def main(folder: Path, seconds: float) -> None:
    rng = random.Random()
    ways: dict[tuple[str, str], Way] = {}
    kills = cuts = 0
    async with trio.open_nursery() as nursery:
        for near, far in ("ab", "ba", "ac", "ca", "bc", "cb"):
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            way = ways[near, far] = Way(listener)
            nursery.start_soon(trio.serve_listeners, way.carry, [listener])

        def route(near: str, far: str, address: str) -> str:
            return ways[near, far].lead_to(address)

        async with launch(BANK, folder=folder, listen="tcp", restart=True, route=route) as cluster:
            with trio.move_on_after(seconds):
                while True:
                    await trio.sleep(rng.uniform(0.1, 0.8))
                    node = cluster[rng.choice("abc")]
                    if rng.random() < 0.5:
                        near, far = rng.choice(list(ways))
                        print(f"cut {near} to {far}")
                        ways[near, far].cut()
                        cuts += 1
                    elif node.linked:
                        print(f"kill -9 {node.name}")
                        node.kill()
                        kills += 1
            print(f"calm after {kills} kills and {cuts} cuts")
            await cluster.wait_done()
        nursery.cancel_scope.cancel()
    if any(node.code for node in cluster):
        raise SystemExit(1)


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8
    trio.run(main, Path("cluster_bank.stores"), seconds)
