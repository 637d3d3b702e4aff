"""Sealing: from a cell to the records that its batch writes."""

from __future__ import annotations

import msgspec

from ..mailbox.records import pack_segments, pair_key, seal
from .cell import Cell

_encode = msgspec.msgpack.Encoder().encode


def seal_cell(
    cell: Cell,
    boxes: dict[bytes, bytes | None],
    mail: dict[bytes, bytes | None],
    states: dict[bytes, bytes | None],
) -> None:
    """Add what the open batch writes of a cell to the writes of three tables."""
    key = cell.key()
    boxes[key] = seal(_encode(cell.record()))
    if cell.state_touched:
        cell.state_touched = False
        states[key] = seal(cell.state) if cell.type else None
    segments, head = cell.segments, cell.head
    while segments and segments[0][1] <= head:
        mail[pair_key(cell.box, segments.popleft()[0])] = None
    if cell.fresh:
        _seal_fresh(cell, mail)


def _seal_fresh(cell: Cell, mail: dict[bytes, bytes | None]) -> None:
    """Write the messages of this batch that are still waiting; the others never existed."""
    fresh = cell.fresh
    first = cell.tail - len(fresh)
    # If all that came before is in memory, there is no segment that we do not know.
    known = cell.loaded >= first
    handled = cell.head - first
    if handled > 0:
        first, fresh = cell.head, fresh[handled:]
    cell.fresh = []
    for start, end, value in pack_segments(first, [item.encode() for item in fresh]):
        mail[pair_key(cell.box, start)] = value
        if known:
            cell.segments.append((start, end))
            cell.known = end
