"""Sealing: from a cell to the records that its batch writes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..mailbox.errors import Undecodable
from ..mailbox.records import pack_segments, pair_key, seal
from ..mailbox.segments import has_room, open_segment
from .bodies import Bodies
from .cell import Cell

_encode = msgspec.msgpack.Encoder().encode

Changes = dict[bytes, bytes | None]
Read = Callable[[bytes], bytes | None]


def seal_cell(cell: Cell, boxes: Changes, mail: Changes, states: Changes, read: Read, bodies: Bodies) -> None:
    """Add what the open batch writes of a cell to the changes of three tables.

    Args:
        cell: whose mail and state go to disk.
        boxes: changes of the table of that name.
        mail: likewise.
        states: likewise.
        read: the latest value of a key of MAIL.
        bodies: take in those that are too large for a segment.
    """
    key = cell.key()
    state = cell.state  # which may only now be found to have changed
    if cell.state_touched:
        cell.state_touched = False
        states[key] = seal(state) if cell.type else None
    segments, head = cell.segments, cell.head
    done = 0
    for first, end in segments:
        if end > head:
            break
        done += 1
        mail[pair_key(cell.box, first)] = None
        if first == cell.last:
            cell.last = -1
    if done:
        del segments[:done]
    if cell.fresh:
        _seal_fresh(cell, mail, read, bodies)
    boxes[key] = seal(_encode(cell.record()))


def _seal_fresh(cell: Cell, mail: Changes, read: Read, bodies: Bodies) -> None:
    """Write the messages of this batch that are still waiting; the others never existed."""
    fresh = cell.fresh
    first = cell.tail - len(fresh)
    # If all that came before is in memory, there is no segment that we do not know.
    known = cell.loaded >= first
    handled = cell.head - first
    if handled > 0:
        first, fresh = cell.head, fresh[handled:]
    cell.fresh = []
    if not fresh:
        return
    most = bodies.inline
    envelopes = [item.encode() if item.size <= most else bodies.stow(item) for item in fresh]
    for start, end, value in pack_segments(first, envelopes, _last(cell, first, envelopes[0], read)):
        mail[pair_key(cell.box, start)] = value
        cell.last, cell.last_end = start, end
        _note(cell, start, end, known=known)


def _last(cell: Cell, first: int, envelope: bytes, read: Read) -> tuple[int, bytes] | None:
    """The last segment, if it is whole, ends where the new mail begins, and has room for some.

    It always does end there, unless it was damaged: mail must not be put behind a broken length.
    """
    if cell.last < 0:
        return None
    value = read(pair_key(cell.box, cell.last))
    if value is None or not has_room(value, envelope):
        return None
    if cell.last_end < 0:
        try:
            cell.last_end = cell.last + len(open_segment(value))
        except Undecodable:
            return None
    return (cell.last, value) if cell.last_end == first else None


def _note(cell: Cell, start: int, end: int, *, known: bool) -> None:
    """Keep what is known of the segments on disk true."""
    if cell.segments and cell.segments[-1][0] == start:
        cell.segments[-1] = (start, end)
        cell.known = end
    elif known:
        cell.segments.append((start, end))
        cell.known = end
