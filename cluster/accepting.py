"""Accepting: the loop under every listener on real sockets.

A stranger costs as little as can be: until its `admitted` is set a wire counts, and beyond a few dozen
the next one is closed before a byte of it is read. A user of a wire that fails ends that wire only.
"""

import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

from . import sockets
from .errors import ClusterError
from .streams import StreamWire
from .wire import MOST_UNADMITTED, Wire

Take = Callable[[Wire], Awaitable[None]]
Prove = Callable[[], Awaitable[None]]
"""Finds out who dialled, or raises a `ClusterError` for the log."""
Greeting = tuple[StreamWire, Prove]
"""The wire over a connection, made without waiting, and how to prove it."""

_log: Final = logging.getLogger("callboard.cluster")

_FULL: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_FULL_S: Final = 0.1


@attrs.define
class Reception:
    """Who came to one listener and is still here."""

    take: Take
    greet: Callable[[sockets.Plain], Greeting]
    open: set[StreamWire] = attrs.field(factory=set[StreamWire])
    refusing: bool = False

    async def accept(self, listener: sockets.Ear, nursery: trio.Nursery) -> None:
        """Take wires until cancelled; each runs in the nursery."""
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                _log.error("no connection can be taken (%s); trying again", error.strerror)
                await trio.sleep(_FULL_S)
                continue
            if sum(not wire.admitted for wire in self.open) >= MOST_UNADMITTED:
                self._refuse()
                await trio.aclose_forcefully(stream)
                continue
            self.refusing = False
            wire, prove = self.greet(stream)
            self.open.add(wire)
            nursery.start_soon(self._serve, wire, prove)

    async def _serve(self, wire: StreamWire, prove: Prove) -> None:
        try:
            await prove()
        except ClusterError as error:
            _log.warning("a connection was refused: %s", error)
        else:
            await self._use(wire)
        finally:
            self.open.discard(wire)
            await wire.aclose()

    async def _use(self, wire: StreamWire) -> None:
        try:
            await self.take(wire)
        except ClusterError as error:
            _log.warning("a connection ended: %s", error)
        except Exception:
            _log.exception("a connection was closed since its task failed")

    def _refuse(self) -> None:
        if not self.refusing:  # once, or strangers could fill the log
            self.refusing = True
            _log.warning(
                "%d connections have not said who they are; more are closed at once", MOST_UNADMITTED
            )
