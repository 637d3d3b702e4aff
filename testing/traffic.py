"""Traffic: all that goes from node to node, and the promises about it.

What lies in an outbox on disk is *posted*; what the other node has taken in is *taken*. Everything that is
posted has to be taken once, in the order in which it was posted (G16), and may leave the outbox only when
it is on the other's disk. Held against every parcel of every simulation with links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..mailbox.envelope import open_envelope
from ..mailbox.errors import Undecodable
from ..mailbox.records import Box, open_key, open_pair, open_segment, pair_key, unpack
from ..mailbox.soundness import ALL
from ..mailbox.store import Table

if TYPE_CHECKING:
    from ..mailbox.store import Store


@attrs.define
class Lane:
    """All that one node has sent to one other."""

    posted: list[int] = attrs.field(factory=list[int])
    """Numbers of what was ever in the outbox on disk, in order; 0 for what was not readable."""
    taken: list[int] = attrs.field(factory=list[int])
    """Numbers of what was taken in, in order, on disk or not."""
    durable: int = 0
    """How many of those are on the taker's disk."""
    excused: bool = False
    """One of the stores was exchanged or damaged on purpose."""


class Traffic:
    """Between all nodes of a simulation."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._names: dict[bytes, str] = {}
        self._pending: dict[str, list[tuple[int, Lane]]] = {}
        """By taker: which batch brings something, and on which lane."""

    def lane(self, sender: str, taker: str) -> Lane:
        """All that one node has sent to one other."""
        found = self._lanes.get((sender, taker))
        if found is None:
            found = self._lanes[sender, taker] = Lane()
        return found

    def meet(self, name: str, uuid: bytes) -> None:
        """A node has this store."""
        self._names[uuid] = name
        self._pending.setdefault(name, [])

    def excuse(self, name: str) -> None:
        """A node's store was exchanged or damaged on purpose: nothing can be said of it any more."""
        for other in self._names.values():
            self.lane(name, other).excused = self.lane(other, name).excused = True

    # What happens.

    def look(self, name: str, store: Store) -> str:
        """A commit of a node is on disk: see what is posted, and what has left; returns what is wrong."""
        for number, box in _outboxes(store):
            lane = self.lane(name, box.name[1:])
            if box.tail > len(lane.posted):
                lane.posted += _numbers(store, number, len(lane.posted), box.tail)
            if box.head > lane.durable and not lane.excused:
                return (
                    f"{box.head} messages have left the outbox of {name} for {box.name[1:]}, and "
                    f"{lane.durable} are on disk there"
                )
        return ""

    def arrived(self, taker: str, uuid: bytes, number: int, lsn: int) -> tuple[str, str]:
        """A parcel was taken in with the open batch; which promise that breaks, and how."""
        lane = self.lane(self._names.get(uuid, ""), taker)
        place = len(lane.taken)
        lane.taken.append(number)
        self._pending[taker].append((lsn, lane))
        if lane.excused or not number:
            return "", ""
        if number in lane.taken[:-1]:
            return "once", f"{taker} takes in twice what {self._names[uuid]} has posted as {number}"
        if place >= len(lane.posted):
            return "watermark", f"{taker} takes in {number}, which is not on the disk of its sender"
        if lane.posted[place] not in {0, number}:
            return "order", f"{taker} takes in {number}, and {lane.posted[place]} was posted before it"
        return "", ""

    def commit(self, taker: str, lsn: int) -> None:
        """Batch `lsn` of a taker is on disk."""
        pending = self._pending.get(taker, [])
        while pending and pending[0][0] <= lsn:
            pending.pop(0)[1].durable += 1

    def crash(self, taker: str) -> None:
        """What a taker had not on disk it never took."""
        self._pending[taker] = []
        for (_, to), lane in self._lanes.items():
            if to == taker:
                del lane.taken[lane.durable :]

    def lost(self) -> str:
        """What was posted and not taken, when all is said and done."""
        for (sender, taker), lane in self._lanes.items():
            if not lane.excused and lane.durable != len(lane.posted):
                return f"{sender} has posted {len(lane.posted)} for {taker}, and {lane.durable} were taken"
        return ""


def _outboxes(store: Store) -> list[tuple[int, Box]]:
    boxes = [(key, unpack(Box, value)) for key, value in store.scan(Table.BOXES, limit=ALL)]
    return [(open_key(key), box) for key, box in boxes if box.name.startswith("@")]


def _numbers(store: Store, box: int, first: int, end: int) -> list[int]:
    """The numbers of what lies in an outbox, from a sequence on."""
    found = dict.fromkeys(range(first, end), 0)
    for key, value in store.scan(Table.MAIL, pair_key(box, 0), pair_key(box + 1, 0), limit=ALL):
        start = open_pair(key)[1]
        try:
            raws = open_segment(value)
        except Undecodable:
            continue
        for sequence, raw in enumerate(raws, start):
            if sequence in found and raw is not None:
                found[sequence] = open_envelope(raw).number
    return list(found.values())
