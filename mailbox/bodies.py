"""Bodies that are too large for a segment: they lie in chunks of their own, in the table BODIES.

A segment is read and rewritten whole, and a window of thousands of messages is kept in memory, so an
envelope has to be small. What is larger lies beside it, a chunk to a page, under a number that no other body
of this store ever had; the envelope says so with a flag, and has a `Body` in the place of the body.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

from .envelope import MAX_BODY, Envelope, Flag
from .errors import Undecodable
from .store import Snapshot, Table

CHUNK: Final = 4080
"""Bytes of a chunk: with LMDB's own head it fills one page, and a chunk more would take a second."""
MOST: Final = 2 * MAX_BODY
"""The largest that is read: an answer may lie with what its receiver was promised besides."""
CHUNK_KEY: Final = 12
"""Bytes of the key of a chunk."""
PAGE: Final = 128
"""Chunks read at a time: 510 KiB."""

_key = Struct(">QI")


class Body(msgspec.Struct, array_like=True, gc=False):
    """In an envelope with `Flag.CHUNKED`: where its body lies."""

    number: int
    """The upper half of the keys of its chunks."""
    length: int
    """Of the body, in bytes."""
    crc: int
    """CRC-32 of the body."""

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.length // CHUNK)

    def keys(self) -> Iterator[bytes]:
        """The keys of the chunks, in order."""
        return (chunk_key(self.number, index) for index in range(self.chunks))


_decode = msgspec.msgpack.Decoder(Body).decode
_encode = msgspec.msgpack.Encoder().encode


def chunk_key(number: int, index: int) -> bytes:
    """BODIES: the body's number, and which chunk of it."""
    return _key.pack(number, index)


def open_chunk_key(data: bytes) -> tuple[int, int]:
    """The two numbers in a key of BODIES."""
    number, index = _key.unpack(data)
    return number, index


def cut(number: int, body: bytes) -> tuple[Body, dict[bytes, bytes]]:
    """A body as what stands in its envelope, and its chunks by key."""
    place = Body(number, len(body), 0)
    [chunks] = cut_in_pieces(place, body, max(place.chunks, 1))
    return place, chunks


def cut_in_pieces(place: Body, body: bytes, most: int) -> Iterator[dict[bytes, bytes]]:
    """The chunks of a body by key, so many at a time; `place.crc` is whole when all were taken.

    Cutting 16 MiB and their checksum hold up the loop for some 10 ms, so it is done as they are written.
    """
    for first in range(0, max(place.chunks, 1), most):
        piece = body[first * CHUNK : (first + most) * CHUNK]
        place.crc = crc32(piece, place.crc)
        yield {
            chunk_key(place.number, first + index): piece[at : at + CHUNK]
            for index, at in enumerate(range(0, len(piece), CHUNK))
        }


def apart(envelope: Envelope, body: Body) -> Envelope:
    """An envelope whose body lies elsewhere."""
    flags = envelope.flags | Flag.CHUNKED
    return msgspec.structs.replace(envelope, body=_encode(body), flags=flags)


def together(envelope: Envelope, body: bytes) -> Envelope:
    """The same envelope with its body in it again, as it goes to another store."""
    return msgspec.structs.replace(envelope, body=body, flags=envelope.flags & ~Flag.CHUNKED)


def body_of(envelope: Envelope) -> Body | None:
    """Where an envelope's body lies; None if it lies in the envelope itself.

    Raises:
        Undecodable: it does not say where.
    """
    if not envelope.flags & Flag.CHUNKED:
        return None
    try:
        body = _decode(envelope.body)
    except msgspec.MsgspecError as error:
        raise Undecodable(f"it does not say where its body lies: {error}") from error
    if not (0 <= body.number < 1 << 64 and 0 < body.length <= MOST):
        raise Undecodable(f"it says that its body lies at {body.number} and has {body.length} bytes")
    return body


def read_body(reads: Snapshot, body: Body) -> bytes:
    """A body from its chunks.

    Raises:
        Undecodable: a chunk is missing or damaged.
    """
    return whole(read_in_pieces(body, lambda first, end: chunks_of(reads, body, first, end)))


def chunks_of(reads: Snapshot, body: Body, first: int, end: int) -> list[bytes]:
    """Some of the chunks of a body, as far as they are there."""
    start, stop = chunk_key(body.number, first), chunk_key(body.number, end)
    return [value for _, value in reads.scan(Table.BODIES, start, stop, end - first)]


def read_in_pieces(body: Body, read: Callable[[int, int], list[bytes]]) -> Iterator[bytes | None]:
    """Read a body, so many chunks at a step: None while there are more, and then the whole.

    Reading 16 MiB and their checksum would hold up the loop for some 10 ms.

    Args:
        body: which.
        read: gives the chunks from one number up to another, as far as they are there.

    Raises:
        Undecodable: a chunk is missing or damaged.
    """
    parts: list[bytes] = []
    count = crc = 0
    for first in range(0, body.chunks, PAGE):
        if first:
            yield None
        chunks = read(first, min(first + PAGE, body.chunks))
        count += len(chunks)
        parts.append(b"".join(chunks))
        crc = crc32(parts[-1], crc)
    data = b"".join(parts)
    if count != body.chunks or len(data) != body.length:
        raise Undecodable(
            f"its body has {body.length} bytes in {body.chunks} chunks, "
            f"and {len(data)} bytes in {count} are there"
        )
    if crc != body.crc:
        raise Undecodable("the checksum of its body does not match its bytes: the store is damaged there")
    yield data


def whole(steps: Iterator[bytes | None]) -> bytes:
    """What comes after the last step."""
    return next(data for data in steps if data is not None)
