"""One body of claims, held against every store there is: on disk and in memory."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callboard.mailbox.disk import DiskStore
from callboard.mailbox.errors import BadName, StoreError, WrongNode
from callboard.mailbox.identity import COUNT_BITS
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import open_disk
from callboard.mailbox.records import INCARNATION_KEY, pack_number, unpack_number
from callboard.mailbox.store import MAX_KEY, Store, Table, Writes


class Shelf(Protocol):
    """A place where one store lies, open or not."""

    def open(self, node: str = "") -> Store:
        """Open the store; the first time makes it."""
        ...

    def lose(self, store: Store) -> None:
        """End the node that has it open as kill -9 would."""
        ...


class DiskShelf:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.seeds = itertools.count(1)

    def open(self, node: str = "") -> DiskStore:
        return open_disk(
            self.path,
            entropy=lambda size: next(self.seeds).to_bytes(size, "big"),
            now_ns=lambda: 1,
            node=node,
        )

    def lose(self, store: Store) -> None:
        store.close(clean=False)


class MemoryShelf:
    def __init__(self, _path: Path) -> None:
        self.store: MemoryStore | None = None

    def open(self, node: str = "") -> MemoryStore:
        self.store = MemoryStore(node=node) if self.store is None else self.store.reopen(node=node)
        return self.store

    def lose(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.crash()


SHELVES: list[Callable[[Path], Shelf]] = [DiskShelf, MemoryShelf]


@pytest.fixture(params=SHELVES, ids=["disk", "memory"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    made: Shelf = request.param(tmp_path / "store")
    return made


@pytest.fixture
def store(shelf: Shelf) -> Iterator[Store]:
    opened = shelf.open()
    yield opened
    opened.close()


# Reading and writing.


def test_what_was_committed_is_read(store: Store) -> None:
    store.commit({Table.BOXES: {b"a": b"1", b"b": b""}, Table.MAIL: {b"a": b"2"}})
    assert store.get(Table.BOXES, b"a") == b"1"
    assert store.get(Table.BOXES, b"b") == b""
    assert store.get(Table.MAIL, b"a") == b"2"
    assert store.get(Table.MAIL, b"b") is None


def test_none_deletes_and_deleting_what_is_not_there_does_nothing(store: Store) -> None:
    store.commit({Table.BOXES: {b"a": b"1", b"b": b"1"}})
    store.commit({Table.BOXES: {b"a": None, b"c": None, b"b": b"2", b"d": b"3"}})
    assert store.scan(Table.BOXES) == [(b"b", b"2"), (b"d", b"3")]


def test_an_empty_batch_is_a_batch(store: Store) -> None:
    store.commit({})
    store.commit({Table.BOXES: {}})
    assert store.scan(Table.BOXES) == []


def test_a_scan_is_in_order_and_stops_before_its_end(store: Store) -> None:
    store.commit({Table.DEAD: {bytes([n]): b"%d" % n for n in (9, 1, 5, 3, 7)}})
    assert [key for key, _ in store.scan(Table.DEAD)] == [b"\1", b"\3", b"\5", b"\7", b"\x09"]
    assert store.scan(Table.DEAD, b"\3", b"\7") == [(b"\3", b"3"), (b"\5", b"5")]
    assert store.scan(Table.DEAD, b"\4", limit=2) == [(b"\5", b"5"), (b"\7", b"7")]
    assert store.scan(Table.DEAD, b"\x0a") == []
    assert store.scan(Table.DEAD, b"\5", b"\5") == []


def test_the_last_key_of_a_table(store: Store) -> None:
    assert store.last(Table.DEAD) is None
    store.commit({Table.DEAD: {b"\1": b"", b"\xff": b"", b"\7": b""}})
    assert store.last(Table.DEAD) == b"\xff"


def test_prefixes_are_told_once_each(store: Store) -> None:
    keys = [bytes([box, sequence]) for box in (1, 2, 200, 255) for sequence in (0, 3, 255)]
    store.commit({Table.MAIL: dict.fromkeys(keys, b"")})
    assert store.prefixes(Table.MAIL, 1) == [b"\1", b"\2", b"\xc8", b"\xff"]
    assert store.prefixes(Table.MAIL, 1, b"\2\4") == [b"\2", b"\xc8", b"\xff"]
    assert store.prefixes(Table.MAIL, 1, b"\3", limit=1) == [b"\xc8"]
    assert store.prefixes(Table.MAIL, 2) == keys
    assert store.prefixes(Table.MAIL, 3) == keys
    assert store.prefixes(Table.BOXES, 1) == []


def test_a_snapshot_reads_all_that_a_store_reads(store: Store) -> None:
    store.commit({Table.MAIL: {b"aa": b"1", b"ab": b"2", b"ba": b"3"}})
    with store.snapshot() as reads:
        assert reads.get(Table.MAIL, b"aa") == b"1"
        assert reads.scan(Table.MAIL, b"ab", b"ba") == [(b"ab", b"2")]
        assert reads.last(Table.MAIL) == b"ba"
        assert reads.prefixes(Table.MAIL, 1) == [b"a", b"b"]


@pytest.mark.parametrize("key", [b"", b"k" * (MAX_KEY + 1)], ids=["empty", "too long"])
def test_a_batch_with_an_impossible_key_is_refused_whole(store: Store, key: bytes) -> None:
    changes: list[dict[bytes, bytes | None]] = [{key: b"1", b"a": b"1"}, {b"a": b"1", key: b"1"}]
    for writes in changes:
        with pytest.raises(ValueError, match="key"):
            store.commit({Table.BOXES: {b"z": b"1"}, Table.MAIL: writes})
    assert store.scan(Table.BOXES) == store.scan(Table.MAIL) == []
    store.commit({Table.MAIL: {b"k" * MAX_KEY: b"1"}})


def test_usage_grows_with_what_is_stored(store: Store) -> None:
    before = store.usage()
    store.commit({Table.STATES: {n.to_bytes(8, "big"): bytes(1000) for n in range(1000)}})
    after = store.usage()
    assert after.used >= before.used + 1_000_000
    assert after.used <= after.file <= after.limit


# Who a store is.


def test_every_opening_raises_the_incarnation_durably(shelf: Shelf) -> None:
    numbers: list[int] = []
    for times in range(1, 4):
        store = shelf.open()
        assert store.identity.incarnation == times
        assert unpack_number(store.get(Table.META, INCARNATION_KEY) or b"") == times
        numbers.append(store.identity.first_number)
        shelf.lose(store)
    assert numbers == [(times << COUNT_BITS) + 1 for times in (1, 2, 3)]


def test_an_incarnation_raised_by_a_batch_is_not_given_out_again(shelf: Shelf) -> None:
    store = shelf.open()
    store.commit({Table.META: {INCARNATION_KEY: pack_number(7)}})
    shelf.lose(store)
    store = shelf.open()
    assert store.identity.incarnation == 8
    store.close()


def test_a_store_keeps_its_uuid(shelf: Shelf) -> None:
    store = shelf.open()
    uuid = store.identity.uuid
    assert len(uuid) == 16
    assert store.identity.created
    store.close()
    store = shelf.open()
    assert store.identity.uuid == uuid
    assert not store.identity.created
    store.close()


def test_the_next_opening_knows_whether_the_last_node_closed_the_store(shelf: Shelf) -> None:
    store = shelf.open()
    assert store.identity.clean
    store.close()
    store = shelf.open()
    assert store.identity.clean
    shelf.lose(store)
    store = shelf.open()
    assert not store.identity.clean
    store.close()


def test_the_node_name_is_fixed_at_first_use(shelf: Shelf) -> None:
    shelf.open().close()
    store = shelf.open("shop")
    assert store.identity.node == "shop"
    store.close()
    store = shelf.open()
    assert store.identity.node == "shop"
    store.close()
    with pytest.raises(WrongNode, match=r"belongs to the node 'shop'.*node='shop'"):
        shelf.open("bank")
    store = shelf.open("shop")
    assert store.identity.clean
    store.close()


def test_a_node_name_must_be_a_name(shelf: Shelf) -> None:
    with pytest.raises(BadName):
        shelf.open("a@b")
    shelf.open("a").close()


# Ending.


def test_what_was_committed_is_there_after_a_crash(shelf: Shelf) -> None:
    store = shelf.open()
    store.commit({Table.MAIL: {b"a": b"1"}})
    store.commit({Table.MAIL: {b"a": None, b"b": b"2"}})
    shelf.lose(store)
    store = shelf.open()
    assert store.scan(Table.MAIL) == [(b"b", b"2")]
    store.close()


def test_a_closed_store_refuses_everything_but_another_close(shelf: Shelf) -> None:
    store = shelf.open()
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.get(Table.META, b"a"),
        lambda: store.scan(Table.META),
        lambda: store.last(Table.META),
        lambda: store.prefixes(Table.META, 1),
        lambda: store.snapshot().__enter__(),
        lambda: store.commit({}),
        store.usage,
        store.tend,
    ]
    for call in calls:
        with pytest.raises(StoreError, match="closed"):
            call()


# Everything at once, against dictionaries.

TABLES = [Table.BOXES, Table.MAIL]
KEYS = st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff", b"\xff\xff", b"\xff\xff\xff\xff"])
VALUES = st.binary(max_size=20) | st.sampled_from([2500, 5000]).map(bytes)
BATCHES = st.dictionaries(
    st.sampled_from(TABLES), st.dictionaries(KEYS, VALUES | st.none(), max_size=6), max_size=2
)


class AnyStore(RuleBasedStateMachine):
    """Batches, readings and crashes in any order; `shelf` says where."""

    make: type[DiskShelf] | type[MemoryShelf]

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.shelf = type(self).make(self.path / "store")
        self.store = self.shelf.open()
        self.model: dict[Table, dict[bytes, bytes]] = {table: {} for table in TABLES}
        self.openings = 1

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.path)

    def sorted(self, table: Table) -> list[tuple[bytes, bytes]]:
        return sorted(self.model[table].items())

    @rule(writes=BATCHES)
    def commit(self, writes: Writes) -> None:
        self.store.commit(writes)
        for table, changes in writes.items():
            for key, value in changes.items():
                if value is None:
                    self.model[table].pop(key, None)
                else:
                    self.model[table][key] = value

    @rule(writes=BATCHES, table=st.sampled_from(TABLES))
    def refused_commit(self, writes: Writes, table: Table) -> None:
        with pytest.raises(ValueError, match="key"):
            self.store.commit({**writes, table: {**writes.get(table, {}), b"": b"1"}})

    @rule(table=st.sampled_from(TABLES), key=KEYS)
    def get(self, table: Table, key: bytes) -> None:
        assert self.store.get(table, key) == self.model[table].get(key)

    @rule(
        table=st.sampled_from(TABLES),
        start=KEYS | st.just(b""),
        stop=KEYS | st.none(),
        limit=st.integers(1, 8),
    )
    def scan(self, table: Table, start: bytes, stop: bytes | None, limit: int) -> None:
        expected = [
            pair for pair in self.sorted(table) if start <= pair[0] and (stop is None or pair[0] < stop)
        ]
        assert self.store.scan(table, start, stop, limit) == expected[:limit]

    @rule(table=st.sampled_from(TABLES), width=st.integers(1, 4), start=KEYS | st.just(b""))
    def prefixes(self, table: Table, width: int, start: bytes) -> None:
        expected = dict.fromkeys(key[:width] for key, _ in self.sorted(table) if key >= start)
        assert self.store.prefixes(table, width, start) == list(expected)

    @precondition(lambda self: self.openings < 5)
    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        if clean:
            self.store.close()
        else:
            self.shelf.lose(self.store)
        self.store = self.shelf.open()
        self.openings += 1
        assert self.store.identity.clean is clean
        assert self.store.identity.incarnation == self.openings

    @invariant()
    def all_is_there(self) -> None:
        for table in TABLES:
            assert self.store.scan(table) == self.sorted(table)
            assert self.store.last(table) == max(self.model[table], default=None)


class AnyDisk(AnyStore):
    make: type[DiskShelf] | type[MemoryShelf] = DiskShelf


class AnyMemory(AnyStore):
    make: type[DiskShelf] | type[MemoryShelf] = MemoryShelf


TestAnyDisk = AnyDisk.TestCase
TestAnyDisk.settings = settings(max_examples=30, stateful_step_count=25)
TestAnyMemory = AnyMemory.TestCase
