"""Bodies too large for a segment: wherever their message goes they are there, and then they are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import attrs
import pytest
import trio

from callboard import (
    Actor,
    ActorRef,
    AskFailed,
    Failure,
    Node,
    Retry,
    handler,
    open_node,
)
from callboard.actors.bodies import PIECE
from callboard.mailbox.bodies import CHUNK, open_chunk_key
from callboard.mailbox.checking import check_records
from callboard.mailbox.envelope import MAX_BODY
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead, list_timers, peek
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Store, Table, Writes

LARGE = "x" * 100_000


class Shelf(Actor, type_name="large.Shelf"):
    """Takes texts of any length, and remembers how long they were."""

    heard: list[int] = attrs.field(factory=list[int])
    broken: bool = False

    @handler(retry=Retry(attempts=1))
    async def put(self, text: str) -> int:
        if self.broken:
            raise ValueError("broken")
        self.heard.append(len(text))
        return len(text)

    @handler
    async def mend(self, broken: bool) -> None:
        self.broken = broken

    @handler
    async def copy(self, text: str) -> str:
        return text

    @handler
    async def pass_on(self, to: ActorRef[Shelf], length: int, times: int) -> None:
        for _ in range(times):
            await to.tell(Shelf.put("y" * length))

    @handler
    async def wonder(self, about: ActorRef[Shelf], length: int) -> None:
        self.turn.request(about, Shelf.copy("q" * length), then=Shelf.put, failed=Shelf.sigh)

    @handler
    async def sigh(self, why: Failure) -> None:
        self.heard.append(-1)

    @handler
    async def remind(self, length: int, key: str | None) -> None:
        self.turn.after(10, Shelf.put("t" * length), key=key)

    @handler
    async def forget(self, key: str) -> None:
        self.turn.cancel(key)

    @handler
    async def grow(self, length: int) -> str:
        return "r" * length

    @handler
    async def show(self) -> list[int]:
        return self.heard

    @handler
    async def leave(self) -> None:
        self.turn.stop()


def bodies(store: Store) -> dict[int, int]:
    """How many chunks of each body there are."""
    found: dict[int, int] = {}
    for at, _ in store.scan(Table.BODIES, limit=1 << 30):
        number, _ = open_chunk_key(at)
        found[number] = found.get(number, 0) + 1
    return found


async def reader(node: Node, name: str = "shelf") -> ActorRef[Shelf]:
    return await node.spawn(Shelf(), name=name)


def sound(store: Store) -> None:
    """Nothing is wrong with a store."""
    assert find_damage(store) == []
    assert list(check_records(store)) == []


# At their true size, on every store.


@pytest.fixture(params=["memory", "disk"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], MemoryStore | Path]:
    """Where a store lies, again and again."""
    kept: list[MemoryStore] = []

    def place() -> MemoryStore | Path:
        if request.param == "disk":
            return tmp_path / "store"
        kept.append(kept[-1].reopen() if kept else MemoryStore())
        return kept[-1]

    return place


async def test_the_largest_body_waits_through_a_restart_and_leaves_nothing(
    places: Callable[[], MemoryStore | Path],
) -> None:
    most = MAX_BODY - 20
    async with open_node(places(), types=[Shelf]) as node:
        shelf = await reader(node)
        await node.pause(shelf)
        await shelf.tell(Shelf.put("before"))
        await shelf.tell(Shelf.put("x" * most))
        await shelf.tell(Shelf.put("behind"))
        assert list(bodies(node.store).values()) == [-(-MAX_BODY // CHUNK)]
        sound(node.store)
    async with open_node(places(), types=[Shelf]) as node:
        shelf = await reader(node)
        await node.resume(shelf)
        assert await shelf.ask(Shelf.show()) == [6, most, 6]
        await node.wait_idle()
        assert bodies(node.store) == {}
        sound(node.store)


async def test_a_large_reply_reaches_the_asker_and_a_larger_one_says_so(
    places: Callable[[], MemoryStore | Path],
) -> None:
    async with open_node(places(), types=[Shelf]) as node:
        shelf = await reader(node)
        assert len(await shelf.ask(Shelf.copy("x" * 10_000_000))) == 10_000_000
        grown = await shelf.ask(Shelf.grow(MAX_BODY - 5))
        assert len(grown) == MAX_BODY - 5
        await node.wait_idle()
        sound(node.store)


# Wherever a message goes. Here a body is large above 100 bytes.


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.actors.bodies.INLINE", 100)


virtual = [pytest.mark.virtual, pytest.mark.usefixtures("small")]


class Counting(MemoryStore):
    """A store that counts chunks written and read."""

    written = 0
    read = 0

    def commit(self, writes: Writes) -> None:
        self.written += sum(chunk is not None for chunk in writes.get(Table.BODIES, {}).values())
        super().commit(writes)

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        rows = super().scan(table, start, stop, limit)
        self.read += len(rows) * (table is Table.BODIES)
        return rows


@pytest.mark.virtual
async def test_a_body_from_outside_is_cut_and_summed_a_piece_at_a_time_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, summed = MemoryStore(), list[int]()

    def sum_up(data: bytes, start: int = 0) -> int:
        summed.append(len(data))
        return crc32(data, start)

    monkeypatch.setattr("callboard.mailbox.bodies.crc32", sum_up)
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        await node.pause(shelf)
        await shelf.tell(Shelf.put("z" * 10_000_000))
        assert len(summed) == -(-10_000_000 // (PIECE * CHUNK))
        assert max(summed) == PIECE * CHUNK
        await node.resume(shelf)
        await node.wait_idle()
        assert await shelf.ask(Shelf.show()) == [10_000_000]
        sound(store)


@pytest.mark.virtual
async def test_what_is_sent_and_handled_within_a_batch_is_never_written() -> None:
    store = Counting()
    async with open_node(store, types=[Shelf]) as node:
        shelf, other = await reader(node), await reader(node, "other")
        await shelf.ask(Shelf.pass_on(other, 200_000, 3))
        await node.wait_idle()
        assert await other.ask(Shelf.show()) == [200_000] * 3
        assert (store.written, store.read) == (0, 0)
        await node.pause(other)
        await shelf.ask(Shelf.pass_on(other, 200_000, 3))
        await node.wait_idle()
        assert store.written == 3 * -(-200_000 // CHUNK)
        sound(store)


@pytest.mark.virtual
async def test_a_mailbox_full_of_large_messages_is_not_held_in_memory() -> None:
    async with open_node(MemoryStore(), types=[Shelf]) as node:
        shelf = await reader(node)
        await node.pause(shelf)
        for _ in range(20):
            await shelf.tell(Shelf.put(LARGE))
        cell = node._runtime.cells.find("shelf")
        assert cell is not None
        assert len(cell.mail) == 20
        assert all(mail.message is None and len(mail.encode()) < 200 for mail in cell.mail)
        await node.resume(shelf)
        assert await shelf.ask(Shelf.show()) == [len(LARGE)] * 20
        sound(node.store)


class TestSmall:
    pytestmark = virtual

    @pytest.mark.parametrize("speculation", [True, False])
    async def test_large_and_small_messages_are_handled_in_order_over_many_lives(
        self, speculation: bool
    ) -> None:
        store = MemoryStore()
        sent: list[int] = []
        for life in range(4):
            async with open_node(store, types=[Shelf], speculation=speculation) as node:
                shelf = await reader(node)
                await node.pause(shelf)
                for number in range(30):
                    sent.append(number * 37 % 300)
                    await shelf.tell(Shelf.put("x" * sent[-1]))
                sound(store)
                if life % 2:
                    await node.resume(shelf)
                    assert await shelf.ask(Shelf.show()) == sent
                    await node.wait_idle()
                    assert bodies(store) == {}
            store = store.reopen()

    async def test_a_question_and_its_answer_may_be_large(self) -> None:
        store = MemoryStore()
        async with open_node(store, types=[Shelf]) as node:
            shelf, other = await reader(node), await reader(node, "other")
            await node.pause(other)
            await shelf.ask(Shelf.wonder(other, 5000))
            assert len(bodies(store)) == 1
            await node.pause(shelf)
            await node.resume(other)
            await node.wait_idle()
            assert len(bodies(store)) == 1  # now that of the answer
            sound(store)
        store = store.reopen()
        async with open_node(store, types=[Shelf]) as node:
            shelf = await reader(node)
            await node.resume(shelf)
            assert await shelf.ask(Shelf.show()) == [5000]
            await node.wait_idle()
            assert bodies(store) == {}

    @pytest.mark.parametrize("key", [None, "k"])
    async def test_a_timer_keeps_a_large_message_until_it_is_due(self, key: str | None) -> None:
        store = MemoryStore()
        async with open_node(store, types=[Shelf]) as node:
            await (await reader(node)).ask(Shelf.remind(5000, key))
            assert list_timers(store)[0].letter is not None
            sound(store)
        store = store.reopen()
        assert len(bodies(store)) == 1
        async with open_node(store, types=[Shelf]) as node:
            await trio.sleep(20)
            assert await node.ref(Shelf, "shelf").ask(Shelf.show()) == [5000]
            await node.wait_idle()
            assert bodies(store) == {}
            sound(store)

    @pytest.mark.parametrize("fired", [False, True])
    async def test_a_timer_that_is_cancelled_or_replaced_takes_its_body_along(self, fired: bool) -> None:
        store = MemoryStore()
        async with open_node(store, types=[Shelf]) as node:
            shelf = await reader(node)
            await shelf.ask(Shelf.remind(5000, "k"))
            await shelf.ask(Shelf.remind(6000, "k"))
            await node.wait_idle()
            assert list(bodies(store).values()) == [2]
            if fired:
                await node.pause(shelf)
                await trio.sleep(20)
                await node.wait_idle()
            await shelf.tell(Shelf.forget("k"))
            node._runtime.timers.cancel("shelf", "shelf", "k")
            await node.resume(shelf)
            await node.wait_idle()
            assert bodies(store) == {}
            assert await shelf.ask(Shelf.show()) == []
            sound(store)

    async def test_a_dead_letter_keeps_its_body_until_it_is_replayed_or_dropped(self) -> None:
        store = MemoryStore()
        async with open_node(store, types=[Shelf]) as node:
            shelf, other = await reader(node), await reader(node, "other")
            await shelf.ask(Shelf.mend(broken=True))
            for length in (1000, 2000, 3000, 4000):
                with pytest.raises(AskFailed):
                    await shelf.ask(Shelf.put("x" * length))
            assert len(bodies(store)) == 4
            sound(store)
            await shelf.ask(Shelf.mend(broken=False))
            await node.dead.replay(numbers=[1])
            await node.dead.redirect(other, numbers=[2])
            await node.dead.drop(numbers=[3])
            await node.wait_idle()
            assert (await shelf.ask(Shelf.show()), await other.ask(Shelf.show())) == ([1000], [2000])
            assert list(bodies(store).values()) == [1]
            sound(store)
        store = store.reopen()
        async with open_node(store, types=[Shelf]) as node:
            await node.pause(await reader(node))
            await node.dead.replay(reason="*")
            await node.wait_idle()
            assert [letter.apart for letter in peek(store, "shelf")] == [4009]
            await node.resume(await reader(node))
            await node.wait_idle()
            assert bodies(store) == {}
            sound(store)

    async def test_what_waited_for_nobody_dies_with_its_body(self) -> None:
        store = MemoryStore()
        async with open_node(store, types=[Shelf], park=5) as node:
            await node.ref(Shelf, "nobody").tell(Shelf.put("x" * 1000))
            await trio.sleep(20)
            await node.wait_idle()
            assert [dead.letter.apart for dead in list_dead(store)] == [1009]
            sound(store)
            await node.dead.drop(reason="*")
            await node.wait_idle()
            assert bodies(store) == {}

    async def test_a_turn_that_fails_leaves_no_body(self) -> None:
        store = Counting()
        async with open_node(store, types=[Shelf]) as node:
            shelf = await reader(node)
            with pytest.raises(AskFailed, match="MessageTooLarge"):
                await shelf.ask(Shelf.pass_on(shelf, MAX_BODY, 2), timeout=10_000)
            await node.wait_idle()
            assert store.written == 0
            sound(store)
