"""Links: mail from a node in this process to one in another, on disk at both ends.

The clock stops when the last message is handled over there, and that is on that node's disk: a question
behind all of them, in the same order, is answered. Beside it stand the same work on one node, and frames of
the same bytes over the bare transport, which nobody stores.
"""

import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from sizes import Measured, NotHere, Sizes, check, percentile

from callboard import Actor, ActorRef, Node, Peer, Tls, handler, open_node
from callboard.cluster.addresses import Address, parse_address
from callboard.cluster.network import Network
from callboard.cluster.wire import Wire

FRAME = 64 * 1024
"""Bytes of a frame of mail."""
ENVELOPE = 80
"""Bytes around a payload, more or less."""


class Till(Actor):
    """Counts what it is paid."""

    count: int = 0

    @handler
    async def pay(self, what: bytes) -> None:
        """One message."""
        self.count += 1

    @handler
    async def show(self) -> int:
        """How many there were."""
        return self.count


def unix(sizes: Sizes, folder: Path) -> Measured:
    """Many messages in one commit each, over a Unix socket."""
    return trio.run(_hop, sizes, folder, "unix", 100, sizes.batch)


def tcp(sizes: Sizes, folder: Path) -> Measured:
    """The same over TCP on the loopback."""
    return trio.run(_hop, sizes, folder, "tcp", 100, sizes.batch)


def tls(sizes: Sizes, folder: Path) -> Measured:
    """The same under TLS."""
    return trio.run(_hop, sizes, folder, "tls", 100, sizes.batch)


def large(sizes: Sizes, folder: Path) -> Measured:
    """The same with 10 KB each, over a Unix socket."""
    return trio.run(_hop, sizes, folder, "unix", 10_000, sizes.batch // 10)


def small_batches(sizes: Sizes, folder: Path) -> Measured:
    """Ten messages in a commit."""
    return trio.run(_hop, sizes, folder, "unix", 100, 10)


def single(sizes: Sizes, folder: Path) -> Measured:
    """One message in a commit, one after the other."""
    return trio.run(_hop, sizes, folder, "unix", 100, 1)


def local_single(sizes: Sizes, folder: Path) -> Measured:
    """The same work, one message in a commit."""
    return trio.run(_local, sizes, folder, 100, 1)


def local(sizes: Sizes, folder: Path) -> Measured:
    """The same work without a hop."""
    return trio.run(_local, sizes, folder, 100, sizes.batch)


def local_large(sizes: Sizes, folder: Path) -> Measured:
    """The same work with 10 KB each."""
    return trio.run(_local, sizes, folder, 10_000, sizes.batch // 10)


def local_small_batches(sizes: Sizes, folder: Path) -> Measured:
    """The same work with ten messages in a commit."""
    return trio.run(_local, sizes, folder, 100, 10)


def wire(sizes: Sizes, folder: Path) -> Measured:
    """As many bytes in frames over a Unix socket, counted and not stored."""
    return trio.run(_bare, sizes, folder)


def ask(sizes: Sizes, folder: Path) -> Measured:
    """One question after the other, each answered from the other node's disk: the median."""
    return trio.run(_ask, sizes, folder, "unix")


async def _hop(sizes: Sizes, folder: Path, way: str, size: int, batch: int) -> Measured:
    async with _pair(folder, way) as (node, till):
        return await _pay(node, till, _count(sizes, size, batch), size, batch)


async def _local(sizes: Sizes, folder: Path, size: int, batch: int) -> Measured:
    async with open_node(folder / "a.store", name="a") as node:
        till = await node.spawn(Till(), name="till")
        return await _pay(node, till, _count(sizes, size, batch), size, batch)


def _count(sizes: Sizes, size: int, batch: int) -> int:
    share = {100: 1, 10_000: 20}[size] * {1: 50, 10: 5}.get(batch, 1)
    return max(sizes.tells // share // batch, 1) * batch


async def _pay(node: Node, till: ActorRef[Till], count: int, size: int, batch: int) -> Measured:
    await till.ask(Till.show())
    what = bytes(size)
    began = time.perf_counter()
    for _ in range(count // batch):
        await node.tell_all([(till, Till.pay(what))] * batch)
    check("a hop", await till.ask(Till.show()), count)
    return {"value": count / (time.perf_counter() - began)}


async def _ask(sizes: Sizes, folder: Path, way: str) -> Measured:
    async with _pair(folder, way) as (_, till):
        await till.ask(Till.show())
        took: list[float] = []
        for _ in range(sizes.idle_tells):
            began = time.perf_counter()
            await till.ask(Till.show())
            took.append(time.perf_counter() - began)
        return {"value": percentile(took, 0.5), "p99": percentile(took, 0.99)}


@asynccontextmanager
async def _pair(folder: Path, way: str) -> AsyncGenerator[tuple[Node, ActorRef[Till]]]:
    """A node here, and one with a till in a process of its own."""
    command = [sys.executable, __file__, str(folder), way]
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        where = await trio.to_thread.run_sync(child.stdout.readline)
        try:
            peers = {"b": where.strip(), "a": _address(folder, way, "a")}
            async with open_node(folder / "a.store", name="a", peers=peers, **_tls(folder, way)) as node:
                assert node.links is not None
                print(node.links.listening[0], file=child.stdin, flush=True)
                yield node, node.ref(Till, "till@b")
        finally:
            child.stdin.close()
            child.wait()


def _address(folder: Path, way: str, name: str) -> str:
    return f"unix:{folder}/{name}" if way == "unix" else "127.0.0.1:0"


def _tls(folder: Path, way: str) -> dict[str, Tls]:
    if way != "tls":
        return {}
    from callboard.cluster.certificates import AUTHORITY, make_authority, make_node, pair_of
    from callboard.cluster.errors import NoCryptography

    name = "b" if __name__ == "__main__" else "a"
    try:
        if name == "b":
            make_authority(folder, "callboard")
            make_node(folder, "a")
            make_node(folder, "b")
    except NoCryptography as error:
        raise NotHere(str(error)) from error
    pair = pair_of(folder, name)
    return {"tls": Tls(pair.certificate, pair.key, pair_of(folder, AUTHORITY).certificate)}


async def _bare(sizes: Sizes, folder: Path) -> Measured:
    count = sizes.tells
    frames = count * (100 + ENVELOPE) // FRAME + 1
    done = trio.Event()

    async def take(wire: Wire) -> None:
        for _ in range(frames):
            await wire.receive(FRAME)
        done.set()

    network = Network()
    async with trio.open_nursery() as nursery:
        listen = partial(network.listen, parse_address(f"unix:{folder}/raw"), take)
        where: Address = await nursery.start(listen)
        wire = await network.dial(where)
        began = time.perf_counter()
        for _ in range(frames):
            await wire.send(bytes(FRAME))
        await done.wait()
        took = time.perf_counter() - began
        await wire.aclose()
        nursery.cancel_scope.cancel()
    return {"value": count / took}


async def _serve(folder: Path, way: str) -> None:
    """The other process: a node with a till, until its standard input ends."""
    secure = _tls(folder, way)
    ear = _address(folder, way, "b")
    if way != "unix":
        with trio.socket.socket() as probe:
            await probe.bind(("127.0.0.1", 0))
            ear = f"127.0.0.1:{probe.getsockname()[1]}"
    print(ear, flush=True)
    other = (await trio.to_thread.run_sync(sys.stdin.readline)).strip()
    peers = {"a": Peer(other), "b": Peer(ear)}
    async with open_node(folder / "b.store", name="b", peers=peers, **secure) as node:
        await node.spawn(Till(), name="till")
        await trio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    trio.run(_serve, Path(sys.argv[1]), sys.argv[2])
