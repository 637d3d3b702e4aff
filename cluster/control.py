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
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from ..mailbox.preflight import is_still
from .clerk import Clerk
from .commands import (
    MOST,
    MOST_OF_HELLO,
    READ_COMMAND,
    READ_HELLO,
    SOCKET,
    VERSION,
    Answer,
    BadFrame,
    Command,
    End,
    Failed,
    Hello,
    Part,
    address,
    frame,
    frame_size,
    read,
)
from .failures import told

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from .node import Node

MOST_CALLERS: Final = 64
PATIENCE_S: Final = 5.0
"""How long a caller may take for its hello, for the rest of a frame it has begun, and to read an answer."""
BREATH_S: Final = 0.1
"""After a call that the system could not put through, for want of descriptors perhaps."""

log = logging.getLogger("callboard.node")


def attend(runtime: Runtime, node: Node, directory: Path) -> None:
    """Serve commands as long as the node lives; without a socket, after a word in the log, if none can be."""
    listener = _listen(directory)
    if listener is not None:
        runtime.start_soon(_Control(Clerk(runtime, node), listener, directory / SOCKET).serve)


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

    def __init__(self, clerk: Clerk, listener: socket.socket, path: Path) -> None:
        self._clerk = clerk
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
                await self._serve(stream, caller)
        except (BadFrame, OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            log.debug("a caller at the control socket was left: %s", error)
        except Exception:
            log.exception("a caller at the control socket was left")
        finally:
            self._callers -= 1

    async def _serve(self, stream: trio.SocketStream, caller: trio.socket.SocketType) -> None:
        if not _is_ours(caller):
            log.warning("somebody else's process called at the control socket and was left")
            return
        if self._callers > MOST_CALLERS:
            text = f"{MOST_CALLERS} connections to this node are open already, and that is the most"
            await _put(stream, Failed("NodeUnreachable", text))
            return
        if not await self._greet(stream):
            return
        while (body := await _next(stream)) is not None:
            command: Command = read(body, READ_COMMAND)
            answer = await self._answer(stream, command)
            if answer is None:
                return
            await _put(stream, answer)
            if isinstance(command, End):
                self._clerk.end()

    async def _greet(self, stream: trio.SocketStream) -> bool:
        """Exchange versions; whether they fit."""
        with trio.fail_after(PATIENCE_S):
            body = await _get(stream, MOST_OF_HELLO)
        if body is None:
            return False
        hello: Hello = read(body, READ_HELLO)
        fits = hello.version == VERSION
        await _put(stream, Hello(VERSION, node=self._clerk.name))
        return fits

    async def _answer(self, stream: trio.SocketStream, command: Command) -> Answer | None:
        """Do what a command says; None if the caller left meanwhile, for nobody waits for the answer then."""
        answer: Answer | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hang_up, stream, nursery.cancel_scope)
            answer = await self._clerk.do(command)
            nursery.cancel_scope.cancel()
        return answer


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


@trio.lowlevel.enable_ki_protection
async def _hang_up(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Give up a command when its caller leaves, or speaks before it has heard the answer."""
    with suppress(trio.BrokenResourceError):
        await stream.receive_some(1)
    scope.cancel()


async def _put(stream: trio.SocketStream, part: Part) -> None:
    try:
        data = frame(part)
    except ValueError as error:
        data = frame(told(error))
    with trio.fail_after(PATIENCE_S):
        await stream.send_all(data)


async def _next(stream: trio.SocketStream) -> bytes | None:
    """The next frame, which may take for ever to begin; None if the caller has left."""
    first = await _exactly(stream, 1)
    if not first:
        return None
    with trio.fail_after(PATIENCE_S):
        return await _get(stream, MOST, first)


async def _get(stream: trio.SocketStream, most: int, begun: bytes = b"") -> bytes | None:
    """A frame; None if the caller has left."""
    head = begun + await _exactly(stream, 4 - len(begun))
    if len(head) < 4:
        return None
    size = frame_size(head, most)
    body = await _exactly(stream, size)
    return body if len(body) == size else None


async def _exactly(stream: trio.SocketStream, size: int) -> bytes:
    """So many bytes; fewer if the caller has left."""
    found = bytearray()
    while len(found) < size:
        some = await stream.receive_some(min(size - len(found), 65536))
        if not some:
            break
        found += some
    return bytes(found)
