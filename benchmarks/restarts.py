"""Restarts: what supervision costs, to an actor, to its neighbours, and for very many children."""

import time

import trio
from measures import BLOCK, Sink, Source, goal, on_a_node
from sizes import AHEAD, Measured, Sizes, check

from callboard import Actor, Child, Dynamic, Node, Retry, Supervisor, handler

FOR_EVER = 10**9
"""More restarts than a measure has time for."""


class Martyr(Actor):
    """Every message to it dies, and it with the message."""

    @handler(retry=Retry(attempts=1))
    async def die(self) -> None:
        """Fail for good."""
        raise ValueError("as always")


def _tree(*children: Child | Dynamic) -> Supervisor:
    return Supervisor("top", children, intensity=FOR_EVER, backoff=None)


@on_a_node
async def restart(node: Node, sizes: Sizes) -> Measured:
    """Seconds for one message that dies and the restart that follows, all of it on disk."""
    await node.start(_tree(Child(Martyr(), name="martyr")))
    martyr = node.ref(Martyr, "martyr")
    began = time.perf_counter()
    await node.tell_all([(martyr, Martyr.die())] * sizes.restarts)
    while node.statistics().died < sizes.restarts:  # noqa: ASYNC110 - nobody says when a message has died
        await trio.sleep(0.001)
    await node.wait_idle()
    took = time.perf_counter() - began
    check("restart", node.statistics().died, sizes.restarts)
    return {"value": took / sizes.restarts}


async def _tells(node: Node, sizes: Sizes) -> float:
    """Messages a second between two declared neighbours."""
    sink, source = node.ref(Sink, "sink"), node.ref(Source, "source")
    goal.aim(sizes.tells, pace=BLOCK)
    began = time.perf_counter()
    await node.tell_all([(source, Source.send(BLOCK))] * AHEAD)
    await goal.reached.wait()
    await node.wait_idle()
    took = time.perf_counter() - began
    check("tell", await sink.ask(Sink.ask("ann", 0, "")), sizes.tells)
    return sizes.tells / took


def _neighbours(node: Node, sizes: Sizes) -> Supervisor:
    sink = node.ref(Sink, "sink")
    return _tree(
        Child(Sink(), name="sink"),
        Child(Source(sink, sizes.tells), name="source"),
        Child(Martyr(), name="martyr"),
    )


@on_a_node
async def alone(node: Node, sizes: Sizes) -> Measured:
    """Messages a second between two actors under a supervisor, nobody failing."""
    await node.start(_neighbours(node, sizes))
    return {"value": await _tells(node, sizes)}


@on_a_node
async def beside_a_failing_one(node: Node, sizes: Sizes) -> Measured:
    """The same beside a third that dies and is restarted a hundred times a second."""
    await node.start(_neighbours(node, sizes))
    martyr = node.ref(Martyr, "martyr")

    async def die_again_and_again() -> None:
        while True:
            await martyr.tell(Martyr.die())
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(die_again_and_again)
        rate = await _tells(node, sizes)
        nursery.cancel_scope.cancel()
    return {"value": rate}


@on_a_node
async def many_children(node: Node, sizes: Sizes) -> Measured:
    """Seconds to start many children of one template, and to stop them all."""
    tree = await node.start(_tree(Dynamic("pool", Sink, backoff=None)))
    numbers = iter(range(sizes.actors))

    async def hire() -> None:
        for number in numbers:
            await tree.start_child("pool", f"sink {number}")

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(sizes.senders):
            nursery.start_soon(hire)
    started = time.perf_counter() - began
    check("children", tree.count_children("pool").active, sizes.actors)
    await tree.terminate_child("pool")
    await node.wait_idle()
    return {"value": time.perf_counter() - began, "starting": started}
