"""Network: one transport of all that a node's addresses may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .addresses import Address
    from .security import Tls
    from .wire import Transport, Wire


class Network:
    """A `Transport` over TCP and Unix sockets, as each address asks for."""

    def __init__(self, tls: Tls | None = None, *, insecure_network: bool = False) -> None:
        self._tls = tls
        self._insecure_network = insecure_network

    # Loaded when they are used: most nodes have no links, and none should wait for sockets and TLS.

    @cached_property
    def _tcp(self) -> Transport:
        from .tcp import TcpTransport

        return TcpTransport(self._tls, insecure_network=self._insecure_network)

    @cached_property
    def _unix(self) -> Transport:
        from .unix import UnixTransport

        return UnixTransport()

    def _way(self, address: Address) -> Transport:
        return self._unix if address.is_unix else self._tcp

    async def dial(self, address: Address) -> Wire:
        """See `Transport`."""
        return await self._way(address).dial(address)

    async def listen(
        self,
        address: Address,
        take: Callable[[Wire], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Transport`."""
        await self._way(address).listen(address, take, task_status=task_status)
