"""The store in memory does what a disk does to us, when told."""

import random

import pytest
from hypothesis import given, strategies as st

from callboard.mailbox.errors import StoreError, StoreFailed, StoreFull
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table, Writes

ONE: Writes = {Table.MAIL: {b"a": b"1"}}


def test_a_crash_forgets_what_was_held_and_nothing_else() -> None:
    store = MemoryStore()
    store.commit({Table.MAIL: {b"a": b"1", b"b": b"1"}})
    store.hold()
    store.commit({Table.MAIL: {b"a": b"2", b"b": None, b"c": b"2"}})
    store.commit({Table.MAIL: {b"a": None, b"c": b"3", b"d": b"3"}})
    assert store.scan(Table.MAIL) == [(b"c", b"3"), (b"d", b"3")]
    store.crash()
    again = store.reopen()
    assert again.scan(Table.MAIL) == [(b"a", b"1"), (b"b", b"1")]


CHANGES = st.dictionaries(
    st.sampled_from([b"a", b"b", b"c", b"d"]), st.sampled_from([None, b"1", b"22"]), max_size=3
)


@given(synced=st.lists(CHANGES, max_size=4), held=st.lists(CHANGES, max_size=4))
def test_after_a_crash_a_store_is_as_if_the_held_commits_had_never_been(
    synced: list[dict[bytes, bytes | None]], held: list[dict[bytes, bytes | None]]
) -> None:
    store, twin = MemoryStore(), MemoryStore()
    for changes in synced:
        store.commit({Table.MAIL: changes})
        twin.commit({Table.MAIL: changes})
    store.hold()
    for changes in held:
        store.commit({Table.MAIL: changes})
    store.crash()
    twin.crash()
    store, twin = store.reopen(), twin.reopen()
    assert store.scan(Table.MAIL) == twin.scan(Table.MAIL)
    assert store.usage() == twin.usage()
    assert store.last(Table.MAIL) == twin.last(Table.MAIL)


def test_who_waits_for_a_sync_is_told_in_order_at_release() -> None:
    store, told = MemoryStore(), list[int]()
    store.hold()
    store.after_sync(lambda: told.append(0))  # nothing is pending yet
    for number in (1, 2):
        store.commit(ONE)
        store.after_sync(lambda number=number: told.append(number))  # type: ignore[misc]
    assert told == [0]
    store.release()
    assert told == [0, 1, 2]


def test_a_crashed_store_refuses_everything() -> None:
    store = MemoryStore()
    store.crash()
    for call in (lambda: store.get(Table.MAIL, b"a"), lambda: store.commit(ONE), store.usage):
        with pytest.raises(StoreError, match="crashed"):
            call()


def test_an_open_store_is_not_opened_a_second_time() -> None:
    with pytest.raises(StoreError, match="still open"):
        MemoryStore().reopen()


def test_closing_syncs_what_was_held() -> None:
    store = MemoryStore()
    store.hold()
    store.commit(ONE)
    store.close()
    assert store.reopen().get(Table.MAIL, b"a") == b"1"


def test_a_full_disk_at_will_changes_nothing_and_passes() -> None:
    store = MemoryStore()
    store.fail_next(StoreFull("full"))
    store.fail_next(StoreFull("full"))
    for _ in range(2):
        with pytest.raises(StoreFull):
            store.commit(ONE)
        assert store.get(Table.MAIL, b"a") is None
    store.commit(ONE)


@pytest.mark.parametrize("applied", [True, False])
def test_a_broken_disk_at_will_ends_all_commits_and_its_outcome_shows_later(*, applied: bool) -> None:
    store = MemoryStore()
    store.fail_next(StoreFailed("broken"), applied=applied)
    for _ in range(2):
        with pytest.raises(StoreFailed):
            store.commit(ONE)
    store.close()
    again = store.reopen()
    assert (again.get(Table.MAIL, b"a") == b"1") is applied
    assert not again.identity.clean


def test_a_store_has_a_limit_and_can_be_drained_above_it() -> None:
    store = MemoryStore(limit=1000)
    with pytest.raises(StoreFull, match="1000 bytes"):
        store.commit({Table.MAIL: {b"a": bytes(2000)}})
    store.commit({Table.MAIL: {b"a": bytes(500)}})
    with pytest.raises(StoreFull):
        store.commit({Table.MAIL: {b"b": bytes(500)}})
    store.commit({Table.MAIL: {b"a": None}})
    store.commit({Table.MAIL: {b"b": bytes(500)}})


def test_stores_from_one_seed_are_alike_and_from_two_are_not() -> None:
    uuids = [MemoryStore(entropy=random.Random(seed).randbytes).identity.uuid for seed in (1, 1, 2)]
    assert uuids[0] == uuids[1] != uuids[2]
