"""A proxy on loopback between two nodes: it cuts, holds up, swallows and turns away, as told."""

from __future__ import annotations

import random
import struct

import attrs
import trio
from trio import socket

MOST = 16 * 1024


@attrs.define(eq=False)
class Connection:
    """One connection, from the dialler to the target."""

    scope: trio.CancelScope
    near: trio.SocketStream
    hole: bool = False
    """It swallows all that comes, and neither end hears that nobody is there any more."""
    rest: int | None = None
    """Bytes that still go through; then it is cut, in the middle of a frame perhaps."""


class Proxy:
    """The way by which one node reaches another."""

    def __init__(self, listener: trio.SocketListener, rng: random.Random) -> None:
        self.target = ("", 0)
        self.connections: set[Connection] = set()
        self.refuses = False
        self.taken = 0
        """How many connections there have been."""
        self._listener = listener
        self._rng = rng
        self._gate = trio.Event()
        self._gate.set()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._listener.socket.getsockname()[1]}"

    def lead_to(self, address: str) -> str:
        """Take a target; the address to dial instead of it."""
        host, _, port = address.rpartition(":")
        self.target = (host, int(port))
        return self.address

    async def serve(self) -> None:
        await trio.serve_listeners(self._carry, [self._listener])

    # What can go wrong.

    def cut(self) -> None:
        """End all connections."""
        for each in self.connections:
            each.scope.cancel()

    def cut_within(self, count: int) -> None:
        """End each connection after so many bytes more."""
        for each in self.connections:
            each.rest = count

    def open_holes(self) -> None:
        """Half-open: whatever is sent on the connections of now goes nowhere."""
        for each in self.connections:
            each.hole = True

    def hold(self) -> None:
        """Let nothing through for now."""
        if self._gate.is_set():
            self._gate = trio.Event()

    def release(self) -> None:
        """Let it through again."""
        self._gate.set()
        self.refuses = False

    async def _carry(self, near: trio.SocketStream) -> None:
        self.taken += 1
        try:
            if self.refuses:
                return
            far = await trio.open_tcp_stream(*self.target)
        except OSError:
            return
        finally:
            if self.refuses:
                await trio.aclose_forcefully(near)
        with trio.CancelScope() as scope:
            connection = Connection(scope, near)
            self.connections.add(connection)
            try:
                async with near, far, trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, connection, near, far)
                    nursery.start_soon(self._pump, connection, far, near)
            finally:
                self.connections.discard(connection)

    async def _pump(self, connection: Connection, source: trio.SocketStream, to: trio.SocketStream) -> None:
        try:
            while chunk := await source.receive_some(MOST):
                await self._gate.wait()
                if connection.hole:
                    continue
                if connection.rest is not None:
                    chunk = chunk[: connection.rest]
                    connection.rest -= len(chunk)
                await to.send_all(chunk)
                if connection.rest == 0:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        if not connection.hole:
            if self._rng.random() < 0.5:  # a reset instead of a goodbye
                for each in (source, to):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.scope.cancel()


async def open_proxy(rng: random.Random) -> Proxy:
    """A proxy that leads nowhere yet."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    return Proxy(listener, rng)
