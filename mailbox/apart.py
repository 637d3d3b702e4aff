"""What lies apart: whether the large bodies there are, and those that messages have, are the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from .bodies import CHUNK_KEY, Body, body_of, open_chunk_key
from .envelope import Envelope
from .errors import Undecodable
from .store import Snapshot, Table

_PAGE = 1000


def names_of(envelopes: Iterable[Envelope]) -> list[Body]:
    """The bodies that messages say they have."""
    found: list[Body] = []
    for envelope in envelopes:
        with suppress(Undecodable):
            if (body := body_of(envelope)) is not None:
                found.append(body)
    return found


def count_chunks(reads: Snapshot) -> dict[int, tuple[int, int]]:
    """How many chunks of each body there are, and bytes in them; memory may not hold all at once."""
    found: dict[int, tuple[int, int]] = {}
    start = b""
    while rows := reads.scan(Table.BODIES, start, limit=_PAGE):
        for at, chunk in rows:
            if len(at) == CHUNK_KEY:
                number, _ = open_chunk_key(at)
                chunks, size = found.get(number, (0, 0))
                found[number] = chunks + 1, size + len(chunk)
        start = rows[-1][0] + b"\0"
    return found


def unmatched(
    there: Mapping[int, tuple[int, int]], said: list[Body], loose: Mapping[int, int]
) -> Iterator[str]:
    """What is wrong: each body that lies apart is there whole and is that of one message, or is loose."""
    for body in said:
        chunks, size = there.get(body.number, (0, 0))
        if (chunks, size) != (body.chunks, body.length):
            yield (
                f"the body {body.number} has {body.length} bytes in {body.chunks} chunks, "
                f"and {size} bytes in {chunks} are there"
            )
    counted = Counter(body.number for body in said)
    if twice := [number for number, times in counted.items() if times > 1]:
        yield f"bodies that two messages have: {twice}"
    if both := loose.keys() & counted.keys():
        yield f"bodies that a message has and that count as loose: {sorted(both)}"
    if left := there.keys() - counted.keys() - loose.keys():
        yield f"there are bodies of no message: {sorted(left)}"
