"""Orders: what a launcher tells a program that it starts, and what the program tells it back.

The program is started unchanged, so it hears of its part by one variable of its environment. It is taken
out as it is read: what the program starts itself is not the node. Two pipes come with it. One is a
*leash*, which nothing is ever written to: when the launcher has gone, even by SIGKILL, the program reads
its end and stops. Through the other it says which nodes it has no link to, and when it is done.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from .errors import LaunchFailed

if TYPE_CHECKING:
    from .node import Node

VARIABLE: Final = "CALLBOARD_LAUNCHED"
"""The variable that holds an order, as JSON."""
SOON_S, LATER_S = 0.02, 0.5
"""How often the links are looked at: until all have been up once, and from then on."""


class Order(msgspec.Struct, frozen=True):
    """What one node is to be."""

    node: str
    store: str
    peers: dict[str, str]
    """All nodes and where they are reached, this one's own address among them."""
    leash: int
    """The descriptor that ends when the launcher has gone."""
    report: int
    """The descriptor for `Report`s."""

    def environment(self) -> dict[str, str]:
        """The environment for the program; prints come out line by line, or a prefix would come late."""
        return {**os.environ, "PYTHONUNBUFFERED": "1", VARIABLE: msgspec.json.encode(self).decode()}

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options for `open_node`: the program's own, but for what the launcher decides."""
        return {**given, "name": self.node, "peers": self.peers, "listen": None}


class Report(msgspec.Struct, frozen=True):
    """What a node says of itself, whenever it has changed."""

    missing: dict[str, str]
    """The other nodes that it has no link to, and why; empty if all are linked."""
    done: bool = False
    """Its `main` has returned, its mail is handled, and nothing waits for another node."""


def take_order() -> Order | None:
    """The order this process was started with, if it was started by a launcher.

    Raises:
        LaunchFailed: the order is meant for the process that started this one, and was handed on.
    """
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    order = msgspec.json.decode(text, type=Order)
    try:
        for number in (order.leash, order.report):
            if not stat.S_ISFIFO(os.fstat(number).st_mode):
                raise OSError
            os.set_inheritable(number, False)
    except OSError:
        raise LaunchFailed(
            f"this process has the order to be node {order.node!r}, and the launcher did not start it: "
            f"let the program call run(), or take {VARIABLE} out of what it starts"
        ) from None
    return order


class Attendance:
    """A launched node, seen from inside: it stops with its launcher, and says how it is."""

    def __init__(self, order: Order, node: Node) -> None:
        """Keep an order; `attended` carries it out."""
        self.done = False
        """Whether all is done that was to do, so that being told to stop interrupts nothing."""
        self._order = order
        self._node = node

    async def watch(self) -> None:
        """Stop the program as SIGTERM would when the launcher has gone."""
        async with trio.lowlevel.FdStream(self._order.leash) as leash:
            while await leash.receive_some():
                pass
        signal.raise_signal(signal.SIGTERM)

    async def report(self) -> None:
        """Say how it is, whenever that has changed, until nobody listens any more."""
        said: Report | None = None
        pause = SOON_S
        async with trio.lowlevel.FdStream(self._order.report) as stream:
            while True:
                report = Report(self._missing(), self.done)
                if report != said:
                    said = report
                    try:
                        await stream.send_all(msgspec.json.encode(report) + b"\n")
                    except trio.BrokenResourceError:
                        return
                if not report.missing:
                    pause = LATER_S
                await trio.sleep(SOON_S if self.done else pause)

    async def finish(self) -> None:
        """When nothing waits for another node any more, be done; and serve the others until told to stop."""
        while self._waits():  # noqa: ASYNC110 - once, at the end
            await trio.sleep(SOON_S)
        self.done = True
        await trio.sleep_forever()

    def _missing(self) -> dict[str, str]:
        links = self._node.links
        others = [] if links is None else [each for each in links.status() if each.node in self._order.peers]
        return {each.node: each.trouble or "not tried yet" for each in others if not each.connected}

    def _waits(self) -> bool:
        links = self._node.links
        return links is not None and any(each.waiting for each in links.status())


@asynccontextmanager
async def attended(order: Order, node: Node) -> AsyncGenerator[Attendance]:
    """Watch and report while a block runs."""
    attendance = Attendance(order, node)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(attendance.watch)
        nursery.start_soon(attendance.report)
        yield attendance
        nursery.cancel_scope.cancel()
