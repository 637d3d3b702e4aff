"""TCP: the transport between machines under TLS, and on one machine without."""

import trio

from . import sockets
from .accepting import Greeting, Reception, Take
from .addresses import Address
from .errors import CannotListen, CannotReach
from .security import Tls, check_dial, check_listen
from .streams import StreamWire
from .wire import Wire

_DOUBT_PLAIN = " before anything came. If the other node takes TLS only, this one needs tls= too"
_DOUBT = (
    " before anything came. The other node may have refused this one's certificate: are both of one "
    "authority, and valid today?"
)


class TcpTransport:
    """A `Transport` over TCP."""

    def __init__(self, tls: Tls | None = None, *, insecure_network: bool = False) -> None:
        """Read the certificates, so that a wrong path is known at the start.

        Args:
            tls: this node's certificate, key and authority; without them only loopback addresses do.
            insecure_network: use other addresses without TLS all the same.

        Raises:
            BadCertificate: a file is missing or cannot be used.
        """
        self._tls = tls
        self._insecure_network = insecure_network
        self._dialling = tls.for_dialling() if tls else None
        self._listening = tls.for_listening() if tls else None

    async def dial(self, address: Address) -> Wire:
        """See `Transport`."""
        if address.is_unix:
            raise CannotReach(f"{address} is no address for TCP: write host:port")
        check_dial(address, self._tls, insecure_network=self._insecure_network)
        stream = await sockets.dial_tcp(address)
        if self._dialling is None:
            return StreamWire(stream, str(address), doubt=_DOUBT_PLAIN)
        through = sockets.tunnel(stream, self._dialling, server=False)
        wire = StreamWire(through, str(address), bottom=stream, doubt=_DOUBT)
        try:
            await _prove(wire, through, str(address))
        except BaseException:
            await wire.aclose()
            raise
        return wire

    async def listen(
        self,
        address: Address,
        take: Take,
        *,
        task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Transport`."""
        if address.is_unix:
            raise CannotListen(f"{address} is no address for TCP: write host:port")
        check_listen(address, self._tls, insecure_network=self._insecure_network)
        listeners, bound = await sockets.listen_tcp(address)
        reception = Reception(take, self._greet)
        try:
            async with trio.open_nursery() as nursery:
                for listener in listeners:
                    nursery.start_soon(reception.accept, listener, nursery)
                task_status.started(bound)
        finally:
            for listener in listeners:
                listener.socket.close()

    def _greet(self, stream: sockets.Plain) -> Greeting:
        other = sockets.other_end(stream)
        if self._listening is None:
            return StreamWire(stream, other), trio.lowlevel.checkpoint
        through = sockets.tunnel(stream, self._listening, server=True)
        wire = StreamWire(through, other, bottom=stream)
        return wire, lambda: _prove(wire, through, other)


async def _prove(wire: StreamWire, through: sockets.Tunnel, other: str) -> None:
    identity = await sockets.prove(through, other)
    wire.peer, wire.cluster = identity.node, identity.cluster
