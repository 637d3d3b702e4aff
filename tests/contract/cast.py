"""A cast for trees at work: one actor that starts, works and stops as well or as badly as a test wants."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from callboard import Actor, ActorRef, Child, Exit, Node, Retry, RunningTree, Supervisor, handler, open_node
from callboard.mailbox.memory import MemoryStore

LOG: list[str] = []
"""What happened, in order: `+a` has started, `-a` has stopped."""
STARTS: dict[str, Callable[[], Awaitable[None]]] = {}
"""What `started` of an actor does, by its label."""
STOPS: dict[str, Callable[[], Awaitable[None]]] = {}


def clean() -> None:
    """Begin a test."""
    for each in (LOG, STARTS, STOPS):
        each.clear()


class Hand(Actor, type_name="otp.Hand"):
    label: str
    done: list[str] = attrs.field(factory=list[str])

    async def started(self) -> None:
        if self.label in STARTS:
            await STARTS[self.label]()
        LOG.append(f"+{self.label}")

    async def stopped(self) -> None:
        if self.label in STOPS:
            await STOPS[self.label]()
        LOG.append(f"-{self.label}")

    @handler(retry=Retry(attempts=1))
    async def work(self, what: str) -> None:
        self.done.append(what)
        if what == "poison":
            raise ValueError("poison")

    @handler(retry=Retry(attempts=5, wait=0.1, jitter=0))
    async def choke(self) -> None:
        raise ValueError("never")

    @handler
    async def nap(self, seconds: float) -> None:
        attempt = self.turn.attempt
        await trio.sleep(seconds)
        self.done.append(f"nap, attempt {attempt}")

    @handler
    async def shield(self, seconds: float) -> None:
        """Let nobody interrupt this."""
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)

    @handler
    async def swallow(self) -> None:
        """Go on whatever happens, and rest a little in between."""
        while True:
            try:
                await trio.sleep(1000)
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.25)

    @handler
    async def finish(self) -> None:
        self.turn.stop()

    @handler
    async def show(self) -> list[str]:
        return self.done


class Stranger(Actor, type_name="otp.Stranger"):
    secret: int = 7

    @handler
    async def tell_it(self) -> int:
        return self.secret


OURS: dict[str, Any] = {"types": [Hand, Stranger]}
"""All test modules live in one process, so each node is told its classes."""


def hands(*labels: str, **options: Any) -> list[Child]:
    return [Child(Hand(label), name=label, **options) for label in labels]


@asynccontextmanager
async def at_work(
    *children: Any,
    store: MemoryStore | None = None,
    node_options: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncGenerator[tuple[Node, RunningTree]]:
    """A node with a tree of these children under `top`; restarts at once unless told otherwise."""
    options.setdefault("backoff", None)
    async with open_node(store or MemoryStore(), **(OURS | (node_options or {}))) as node:
        yield node, await node.start(Supervisor("top", children, **options))


def hand(node: Node, name: str) -> ActorRef[Hand]:
    return node.ref(Hand, name)


async def poison(node: Node, *names: str) -> None:
    for name in names:
        await hand(node, name).tell(Hand.work("poison"))


async def settle(node: Node, seconds: float = 10.0) -> None:
    await trio.sleep(seconds)
    await node.wait_idle()


def statuses(tree: RunningTree, supervisor: str = "top") -> dict[str, str]:
    return {child.name: child.status.value for child in tree.which_children(supervisor)}


@asynccontextmanager
async def overhearing(node: Node, *names: str) -> AsyncGenerator[dict[str, Exit | None]]:
    """The exits of lives that end within the block, as a watcher outside hears them."""
    heard: dict[str, Exit | None] = {}

    async def listen(name: str) -> None:
        heard[name] = (await node.watch(hand(node, name))).exit

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(listen, name)
        await trio.testing.wait_all_tasks_blocked()
        yield heard
        nursery.cancel_scope.cancel()


async def fail() -> None:
    raise OSError("no paper")
