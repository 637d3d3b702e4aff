"""Frames over a stream of bytes: four bytes of length, big-endian, then the body.

The body is read as it comes, at most 64 KiB at a time, into a buffer that grows with what has really
arrived: a length that lies allocates nothing. What was read stays in the buffer, so that cancelling a
`receive` loses nothing; a `send` that is cancelled may have sent half a frame, so it closes the wire.
"""

import os
from typing import Final

import trio

from .errors import FrameTooLarge, WireClosed

_CHUNK: Final = 64 * 1024
_SLICE: Final = 256 * 1024
_HEAD: Final = 4
_ENDED: Final = "was ended by the other side"
_LONGEST: Final = 2 ** (8 * _HEAD) - 1


class StreamWire:
    """A `Wire` over any stream of trio's."""

    def __init__(
        self, stream: trio.abc.Stream, other: str, *, bottom: trio.abc.Stream | None = None, doubt: str = ""
    ) -> None:
        """Frame a stream.

        Args:
            stream: what the bytes go through.
            other: who is at the other end, for the errors.
            bottom: what to close instead, where closing the stream itself would wait for a goodbye.
            doubt: what to suspect if the wire ends before anything came.
        """
        self.peer = ""
        self.cluster = ""
        self.admitted = False
        self._stream = stream
        self._other = other
        self._bottom = bottom or stream
        self._doubt = doubt
        self._sending = trio.Lock()
        self._buffer = bytearray()
        self._ended = ""

    async def send(self, frame: bytes) -> None:
        """See `Wire`."""
        if len(frame) > _LONGEST:
            raise FrameTooLarge(f"a frame of {len(frame)} bytes has no length of {_HEAD} bytes: send less")
        head = len(frame).to_bytes(_HEAD)
        async with self._sending:
            self._check_open()
            try:
                if len(frame) <= _CHUNK:
                    await self._stream.send_all(head + frame)
                else:  # in slices, or TLS would hold all of it once more
                    await self._stream.send_all(head)
                    for at in range(0, len(frame), _SLICE):
                        await self._stream.send_all(memoryview(frame)[at : at + _SLICE])
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise await self._end(self._broke(error)) from error
            except BaseException:
                await self._end("was closed since a send was cancelled halfway")
                raise

    async def receive(self, most: int) -> bytes:
        """See `Wire`."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check_open()
            frame = await self._cut(most)
            if frame is not None:
                return frame
            try:
                chunk = await self._stream.receive_some(_CHUNK)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise await self._end(self._broke(error)) from error
            if not chunk:
                raise await self._end(_ENDED + self._doubt)
            self._doubt = ""
            self._buffer += chunk

    async def aclose(self) -> None:
        """See `Wire`."""
        await self._end("was closed on this side")

    async def _cut(self, most: int) -> bytes | None:
        """The frame at the head of the buffer, if all of it has come."""
        if len(self._buffer) < _HEAD:
            return None
        size = int.from_bytes(self._buffer[:_HEAD])
        if size > most:
            await self._end("was closed since a frame was too large")
            raise FrameTooLarge(
                f"{self._other} announced a frame of {size} bytes where at most {most} are taken; the "
                "connection is closed. Is it a node of callboard, and are its limits the same as here?"
            )
        if len(self._buffer) < _HEAD + size:
            return None
        frame = bytes(memoryview(self._buffer)[_HEAD : _HEAD + size])
        del self._buffer[: _HEAD + size]
        return frame

    def _broke(self, error: BaseException) -> str:
        reason = reason_of(error.__cause__)
        # Under TLS every end looks so: nobody waits for goodbyes, which could hang.
        return (_ENDED if reason.startswith("unexpected eof") else f"broke ({reason})") + self._doubt

    def _check_open(self) -> None:
        if self._ended:
            raise WireClosed(self._ended)

    async def _end(self, why: str) -> WireClosed:
        """Close the stream, once; the error of whoever comes too late, with the first reason."""
        if not self._ended:
            self._ended = f"the connection with {self._other} {why}"
            self._buffer.clear()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._bottom)
        return WireClosed(self._ended)


def reason_of(error: BaseException | None) -> str:
    """Why a connection broke, in the words of TLS or of the system."""
    if text := getattr(error, "verify_message", None) or getattr(error, "reason", None):
        return str(text).lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno and not hasattr(error, "reason"):  # TLS has other numbers
        return os.strerror(error.errno)
    return str(error or "") or "closed meanwhile"
