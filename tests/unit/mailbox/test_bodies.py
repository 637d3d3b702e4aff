"""Bodies that lie apart: what an envelope may say of one, and what its chunks must be."""

from zlib import crc32

import pytest

from callboard.mailbox.bodies import CHUNK, MOST, PAGE, Body, apart, body_of, cut, read_in_pieces, whole
from callboard.mailbox.envelope import Codec, Envelope
from callboard.mailbox.errors import Undecodable


def saying(body: Body) -> Envelope:
    """An envelope that says so of its body."""
    here = Envelope(5, b"", "Ann", "add", 1, Codec.MSGPACK, b"", "", 0, 0, 5, "", 0, 0, {})
    return apart(here, body)


@pytest.mark.parametrize("body", [Body(7, 0, 0), Body(7, MOST + 1, 0), Body(7, 1 << 62, 0), Body(-1, 5, 0)])
def test_a_body_that_no_store_could_have_is_not_looked_for(body: Body) -> None:
    """Whoever believed it would look for chunks for ever."""
    assert body_of(saying(Body(7, MOST, 0))) == Body(7, MOST, 0)
    with pytest.raises(Undecodable, match="it says that its body lies at"):
        body_of(saying(body))


def join(parts: list[bytes], body: Body) -> bytes:
    """What is read where these chunks lie."""
    return whole(read_in_pieces(body, lambda first, end: parts[first:end]))


def test_chunks_that_are_missing_are_told_from_chunks_that_are_damaged() -> None:
    body, chunks = cut(7, bytes(range(256)) * 40)
    parts = list(chunks.values())
    assert [len(part) for part in parts] == [CHUNK, CHUNK, 10240 - 2 * CHUNK]
    assert join(parts, body) == bytes(range(256)) * 40
    with pytest.raises(Undecodable, match="in 3 chunks, and 8160 bytes in 2 are there"):
        join(parts[:2], body)
    with pytest.raises(Undecodable, match="checksum"):
        join([*parts[:2], bytes(len(parts[2]))], body)
    with pytest.raises(Undecodable, match="and 0 bytes in 0 are there"):
        join([], Body(7, 5, crc32(b"")))


def test_a_body_is_read_so_many_chunks_at_a_step_each_of_them_once() -> None:
    body, chunks = cut(7, bytes(range(256)) * 16 * (2 * PAGE + 1))
    parts, asked = list(chunks.values()), list[tuple[int, int]]()

    def read(first: int, end: int) -> list[bytes]:
        asked.append((first, end))
        return parts[first:end]

    *before, data = read_in_pieces(body, read)
    assert before == [None] * len(before)
    assert data == b"".join(parts)
    assert asked == [(0, PAGE), (PAGE, 2 * PAGE), (2 * PAGE, body.chunks)]
    steps = read_in_pieces(body, read)
    assert next(steps) is None
    assert asked[3:] == [(0, PAGE)], "nothing is read before it is asked for"
