"""What does not belong together in a store is found, and nothing in one that is sound."""

from typing import Any

import msgspec
import pytest

from callboard.mailbox.checking import check_records
from callboard.mailbox.envelope import Codec, encode_fields
from callboard.mailbox.maps import MAPS, SmallMap
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import Box, Counters, name_key, pack, pack_segments, pair_key, seal
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table, Writes

KEY = (1).to_bytes(8, "big")


def store_with(changes: Writes) -> MemoryStore:
    """One actor's mailbox with two messages in hand, and then these changes."""
    store = MemoryStore()
    store.commit(
        {
            Table.META: {b"counters": pack(Counters(accepted=9, handled=7, next_box=2, actors=1))},
            Table.NAMES: {name_key("ann"): KEY},
            Table.BOXES: {KEY: box(6, 8)},
            Table.STATES: {KEY: pack(Counters())},
            Table.MAIL: {pair_key(1, 5): segment(1, 2, 3)},
        }
    )
    store.commit(changes)
    return store


def segment(*numbers: int) -> bytes:
    """A segment of messages with these numbers."""
    envelopes = (
        encode_fields((number, b"", "Ann", "add", 1, Codec.MSGPACK, b"", "", 0, 0, 1, "", 0, 0, {}))
        for number in numbers
    )
    return pack_segments(5, envelopes)[0][2]


def box(head: int, tail: int) -> bytes:
    return pack(Box("ann", head, tail, "Ann", 1, "", 0, 0, "", 0, 0, 7))


def test_a_store_that_belongs_together_has_no_damage() -> None:
    assert find_damage(store_with({})) == []


@pytest.mark.parametrize(
    ("changes", "damage"),
    [
        ({Table.BOXES: {KEY: box(7, 8)}}, "the counters say 2 queued, and 1 are there"),
        ({Table.BOXES: {KEY: box(5, 7)}}, "'ann' ends at 7, and its segments at 8"),
        ({Table.BOXES: {KEY: box(8, 10)}}, "'ann' begins at 8 and still has a segment from 5 to 8"),
        ({Table.BOXES: {KEY: box(3, 5)}}, "'ann' has a segment from 5, and the one before ends at 3"),
        ({Table.NAMES: {name_key("ann"): None}}, "mailbox 1 is called 'ann' and cannot be found"),
        ({Table.STATES: {KEY: None}}, "mailbox 'ann' has the type 'Ann', and a state: False"),
        ({Table.BOXES: {KEY: None}}, "there is mail without a mailbox: [1]"),
        ({Table.MAIL: {pair_key(1, 5): segment(1, 2, 2)}}, "numbers given twice: [2]"),
    ],
)
def test_what_does_not_belong_together_is_found(changes: Writes, damage: str) -> None:
    found = find_damage(store_with(changes))
    assert any(line.startswith(damage) for line in found), found


@pytest.mark.parametrize("kept", MAPS.values(), ids=lambda kept: kept.key.decode())
def test_a_small_map_that_no_node_could_read_is_found(kept: SmallMap[Any, Any]) -> None:
    """Those of suspects were not looked at, and of the others only whether they are msgpack."""
    store = store_with({Table.META: {kept.key: seal(msgspec.msgpack.encode([1, 2]))}})
    [found] = [each for each in check_records(store) if each.place == "META"]
    assert "wrong shape" in found.text
