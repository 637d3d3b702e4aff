"""Control: the socket in a store's directory over which its running node takes commands.

Only processes of the same user reach it: the file has mode 0600 before anybody can connect, and the
system says whose each caller is. A caller can be slow, silent, or talk nonsense: it is left, and nobody
else hears of it. While nobody calls, a task waits in trio and costs nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from ..mailbox.preflight import is_still
from .doorbell import SOCKET, address

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from .node import Node

MOST_CALLERS: Final = 64
BREATH_S: Final = 0.1
"""After a call that the system could not put through, for want of descriptors perhaps."""

log = logging.getLogger("callboard.node")


def attend(runtime: Runtime, node: Node, directory: Path) -> None:
    """Serve commands as long as the node lives; without a socket, after a word in the log, if none can be."""
    listener = _listen(directory)
    if listener is not None:
        runtime.start_soon(_Control(runtime, node, listener, directory / SOCKET).serve)


def _listen(directory: Path) -> socket.socket | None:
    """The socket of a directory whose store is ours, so that what lies at its place is a dead node's."""
    listener: socket.socket | None = None
    try:
        with address(directory) as where:
            Path(where).unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(where)
            Path(where).chmod(0o600)
            listener.listen(MOST_CALLERS)
    except (OSError, AttributeError) as error:  # no such file system, or no such sockets
        log.warning("no commands are taken beside this node: %s has no control socket: %s", directory, error)
        if listener is not None:
            listener.close()
        return None
    return listener


class _Control:
    """One node's open socket."""

    def __init__(self, runtime: Runtime, node: Node, listener: socket.socket, path: Path) -> None:
        self._runtime = runtime
        self._node = node
        self._listener = listener
        self._path = path
        self._made = path.stat()
        self._callers = 0

    @trio.lowlevel.enable_ki_protection
    async def serve(self) -> None:
        """Take calls until cancelled."""
        with trio.socket.from_stdlib_socket(self._listener) as door:
            try:
                async with trio.open_nursery() as nursery:
                    while True:
                        caller = await _accept(door)
                        if caller is not None:
                            nursery.start_soon(self._attend, caller)
            finally:
                if is_still(self._path, self._made):
                    self._path.unlink(missing_ok=True)

    @trio.lowlevel.enable_ki_protection
    async def _attend(self, caller: trio.socket.SocketType) -> None:
        """Have one caller served, and let nothing of it reach the node."""
        self._callers += 1
        try:
            async with trio.SocketStream(caller) as stream:
                if not _is_ours(caller):
                    log.warning("somebody else's process called at the control socket and was left")
                    return
                from .conversing import converse  # most nodes are never called

                await converse(self._runtime, self._node, stream, full=self._why_full())
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            log.debug("a caller at the control socket was left: %s", error)
        except Exception:
            log.exception("a caller at the control socket was left")
        finally:
            self._callers -= 1

    def _why_full(self) -> str:
        if self._callers <= MOST_CALLERS:
            return ""
        return f"{MOST_CALLERS} connections to this node are open already, and that is the most"


async def _accept(door: trio.socket.SocketType) -> trio.socket.SocketType | None:
    try:
        caller, _ = await door.accept()
    except OSError as error:
        log.warning("a call at the control socket could not be taken: %s", error)
        await trio.sleep(BREATH_S)
        return None
    return caller


def _is_ours(caller: trio.socket.SocketType) -> bool:
    """Whether a caller is a process of our user; where the system does not say, the file's mode does."""
    option: int | None = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, uid, _ = struct.unpack("iII", caller.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("iII")))
    return bool(uid == os.geteuid())
