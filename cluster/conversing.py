"""Conversing: what is said with one caller at a node's control socket, until one of both leaves."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio
from trio.abc import Stream

from .clerk import Clerk
from .commands import (
    MOST,
    MOST_OF_HELLO,
    READ_COMMAND,
    READ_HELLO,
    VERSION,
    Answer,
    BadFrame,
    Command,
    End,
    Failed,
    Hello,
    Part,
    frame,
    frame_size,
    read,
)
from .failures import told

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from .node import Node

PATIENCE_S: Final = 5.0
"""How long a caller may take for its hello, for the rest of a frame it has begun, and to read an answer."""

log = logging.getLogger("callboard.node")


async def converse(runtime: Runtime, node: Node, stream: Stream, *, full: str = "") -> None:
    """Answer a caller's commands, one after the other; one that talks nonsense is left.

    Args:
        runtime: the node's inside.
        node: the node.
        stream: to the caller.
        full: why nothing is done for this one, which hears that and nothing else; empty if all is well.

    Raises:
        OSError, trio.BrokenResourceError, trio.TooSlowError: the caller is gone, or too slow.
    """
    if full:
        await _put(stream, Failed("NodeUnreachable", full))
        return
    try:
        await _serve(Clerk(runtime, node), stream)
    except BadFrame as error:
        log.debug("a caller at the control socket was left: %s", error)


async def _serve(clerk: Clerk, stream: Stream) -> None:
    if not await _greet(clerk, stream):
        return
    while (body := await _next(stream)) is not None:
        command: Command = read(body, READ_COMMAND)
        answer = await _answer(clerk, stream, command)
        if answer is None:
            return
        await _put(stream, answer)
        if isinstance(command, End):
            clerk.end()


async def _greet(clerk: Clerk, stream: Stream) -> bool:
    """Exchange versions; whether they fit."""
    with trio.fail_after(PATIENCE_S):
        body = await _get(stream, MOST_OF_HELLO)
    if body is None:
        return False
    hello: Hello = read(body, READ_HELLO)
    fits = hello.version == VERSION
    await _put(stream, Hello(VERSION, node=clerk.name))
    return fits


async def _answer(clerk: Clerk, stream: Stream, command: Command) -> Answer | None:
    """Do what a command says; None if the caller left meanwhile, for nobody waits for the answer then."""
    answer: Answer | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_hang_up, stream, nursery.cancel_scope)
        answer = await clerk.do(command)
        nursery.cancel_scope.cancel()
    return answer


@trio.lowlevel.enable_ki_protection
async def _hang_up(stream: Stream, scope: trio.CancelScope) -> None:
    """Give up a command when its caller leaves, or speaks before it has heard the answer."""
    with suppress(trio.BrokenResourceError):
        await stream.receive_some(1)
    scope.cancel()


async def _put(stream: Stream, part: Part) -> None:
    try:
        data = frame(part)
    except ValueError as error:
        data = frame(told(error))
    with trio.fail_after(PATIENCE_S):
        await stream.send_all(data)


async def _next(stream: Stream) -> bytes | None:
    """The next frame, which may take for ever to begin; None if the caller has left."""
    first = await _exactly(stream, 1)
    if not first:
        return None
    with trio.fail_after(PATIENCE_S):
        return await _get(stream, MOST, first)


async def _get(stream: Stream, most: int, begun: bytes = b"") -> bytes | None:
    """A frame; None if the caller has left."""
    head = begun + await _exactly(stream, 4 - len(begun))
    if len(head) < 4:
        return None
    size = frame_size(head, most)
    body = await _exactly(stream, size)
    return body if len(body) == size else None


async def _exactly(stream: Stream, size: int) -> bytes:
    """So many bytes; fewer if the caller has left."""
    found = bytearray()
    while len(found) < size:
        some = await stream.receive_some(min(size - len(found), 65536))
        if not some:
            break
        found += some
    return bytes(found)
