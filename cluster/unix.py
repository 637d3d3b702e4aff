"""Unix sockets: the transport between the nodes of one user on one machine."""

import trio

from . import sockets
from .accepting import Greeting, Reception, Take
from .addresses import Address
from .errors import CannotListen, CannotReach
from .streams import StreamWire
from .wire import Wire


class UnixTransport:
    """A `Transport` over Unix sockets; the kernel says whose process is at the other end."""

    async def dial(self, address: Address) -> Wire:
        """See `Transport`."""
        if not address.is_unix:
            raise CannotReach(f"{address} is no Unix socket: write unix:path")
        return StreamWire(await sockets.dial_unix(address), str(address))

    async def listen(
        self,
        address: Address,
        take: Take,
        *,
        task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Transport`."""
        if not address.is_unix:
            raise CannotListen(f"{address} is no Unix socket: write unix:path")

        def greet(stream: sockets.Plain) -> Greeting:
            async def prove() -> None:
                if not sockets.is_ours(stream):
                    raise CannotReach(
                        f"a process of another user dialled {address}; run both nodes as one user, or use "
                        "TCP with TLS"
                    )

            return StreamWire(stream, f"a dialler of {address}"), prove

        with sockets.listening_unix(address) as listener:
            reception = Reception(take, greet)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reception.accept, listener, nursery)
                task_status.started(address)
