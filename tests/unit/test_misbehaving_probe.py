from __future__ import annotations
import functools
import attrs, pytest, trio
from callboard import *
from callboard import Actor, ActorRef, handler, open_node, Retry, Refusal, AskFailed, Failure
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.errors import StoreFailed, StoreFull
from callboard.mailbox.store import Table
from callboard.mailbox.records import Box, unpack

pytestmark = pytest.mark.virtual

class P(Actor, type_name="Probe"):
    n: int = 0
    seen: list[int] = attrs.field(factory=list)

    @handler
    async def add(self, k: int) -> int:
        self.n += k
        self.seen.append(k)
        return self.n

    @handler
    async def quit(self) -> None:
        self.turn.stop()

    @handler
    async def nap(self, s: float) -> int:
        await trio.sleep(s)
        self.n += 1
        return self.n

    @handler
    async def twice(self, to: ActorRef[P]) -> None:
        await to.tell(P.add(1), id="a")
        await to.tell(P.add(2), id="a")

    @handler(version=2)
    async def got2(self, left: int) -> None:
        self.seen.append(1000 + left)

    @handler
    async def ask2(self, to: ActorRef[P]) -> None:
        self.turn.request(to, P.add(1), then=P.got2)

    @handler(retry=Retry(attempts=1))
    async def leak_raise(self) -> None:
        trio.CancelScope().__enter__()
        raise ValueError("x")

    @handler
    async def key(self) -> str:
        return await self.turn.effect_key()

    @handler(timeout=1)
    async def limpet(self) -> None:
        for _ in range(5):
            try:
                await trio.sleep(10)
            except trio.Cancelled:
                pass
            with trio.CancelScope(shield=True):
                await trio.sleep(100)


async def test_stop_with_mail() -> None:
    async with open_node(MemoryStore(), park=10) as node:
        a = await node.spawn(P(), name="a")
        await node.tell_all([(a, P.add(1)), (a, P.quit()), (a, P.add(2)), (a, P.add(3))])
        await trio.sleep(1)
        await trio.sleep(20)
        assert node.statistics().died == 2


async def test_id_twice_in_a_turn() -> None:
    async with open_node(MemoryStore()) as node:
        a = await node.spawn(P(), name="a")
        b = await node.spawn(P(), name="b")
        await a.tell(P.twice(b))
        await trio.sleep(300)
        assert node.statistics().died == 1
        assert await b.ask(P.add(0)) == 0


async def test_then_version() -> None:
    async with open_node(MemoryStore()) as node:
        a = await node.spawn(P(), name="a")
        b = await node.spawn(P(), name="b")
        await a.tell(P.ask2(b))
        await node.wait_idle()
        assert await a.ask(P.add(0), timeout=5) == 0


async def test_leak_and_raise_blames_the_next() -> None:
    async with open_node(MemoryStore()) as node:
        a = await node.spawn(P(), name="a")
        await node.tell_all([(a, P.leak_raise()), (a, P.add(2))])
        await node.wait_idle()
        assert trio.current_time() < 0.05
        assert await a.ask(P.add(0)) == 2
        assert trio.current_time() < 0.05


async def test_segment_read_half_is_deleted() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        await node.pause(a)
        await node.tell_all([(a, P.add(1)), (a, P.add(1)), (a, P.nap(1000)), (a, P.add(1))])
        await node.resume(a)
        await trio.sleep(1)
    store = store.reopen()
    assert len(store.scan(Table.MAIL)) == 1
    async with open_node(store) as node:
        await trio.sleep(2000)
        await node.wait_idle()
        print(store.scan(Table.MAIL))
        assert not store.scan(Table.MAIL)


async def test_missing_last_segment() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        await node.pause(a)
        await node.tell_all([(a, P.add(1)), (a, P.add(1)), (a, P.add(1))])
    store = store.reopen()
    [(key, value)] = store.scan(Table.MAIL)
    store.commit({Table.MAIL: {key: value[:-3]}})
    async with open_node(store) as node:
        await node.resume(node.ref(P, "a"))
        with trio.fail_after(5):
            await node.wait_idle()
        s = node.statistics()
        assert (s.died, s.handled) == (3, 0)
        assert await node.ref(P, "a").ask(P.add(0), timeout=5) == 0


async def test_window_flight_stall() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        await node.pause(a)
        await node.tell_all([(a, P.add(1)) for _ in range(4000)])
        store.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.resume, a)
            await trio.sleep(0.1)
            nursery.start_soon(node.tell_all, [(a, P.add(1)) for _ in range(10)])
            for i in range(50):
                await trio.sleep(0.01)
                store.release()
                store.hold()
                print(node.statistics().handled, node.statistics().turns_ahead)
            store.release()
        with trio.fail_after(5):
            await node.wait_idle()
        assert await a.ask(P.add(0), timeout=5) == 4010


async def test_store_fails_while_handler_waits_for_disk() -> None:
    store = MemoryStore()
    with pytest.raises(StoreFailed):
        async with open_node(store) as node:
            a = await node.spawn(P(), name="a")
            store.fail_next(StoreFailed("dead"))
            await a.tell(P.nap(1))


async def test_store_fails_at_close() -> None:
    store = MemoryStore()
    with pytest.raises(StoreFailed):
        async with open_node(store, drain=1000) as node:
            a = await node.spawn(P(), name="a")
            await a.tell(P.nap(10))
            await trio.sleep(1)
            store.fail_next(StoreFailed("dead"))


async def test_store_full_at_close() -> None:
    store = MemoryStore()
    async with open_node(store, drain=1000) as node:
        a = await node.spawn(P(), name="a")
        await a.tell(P.nap(10))
        await trio.sleep(1)
        store.fail_next(StoreFull("full"))


async def test_many_timers_full() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        async with trio.open_nursery() as nursery:
            for _ in range(700):
                nursery.start_soon(functools.partial(a.tell, P.add(1), delay=10))
        await trio.sleep(9)
        store.fail_next(StoreFull("full"))
        store.fail_next(StoreFull("full"))
        await trio.sleep(5)
        assert await a.ask(P.add(0)) == 700


async def test_repeat_ask_leaks_before_durable() -> None:
    store = MemoryStore()
    got: list[str] = []
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        b = await node.spawn(P(), name="b")
        store.hold()
        async def ask(name: str) -> None:
            await a.ask(P.add(1), id="x")
            got.append(name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.tell, P.add(1))
            await trio.sleep(0.1)
            nursery.start_soon(ask, "one")
            await trio.sleep(0.1)
            nursery.start_soon(ask, "two")
            await trio.sleep(0.1)
            store.release()
            store.hold()
            await trio.sleep(0.1)
            print(got, store.sync_pending)
            before = list(got)
            store.release()
        assert before == []


async def test_limpet_times_out() -> None:
    async with open_node(MemoryStore()) as node:
        a = await node.spawn(P(), name="a")
        with pytest.raises(AskFailed), trio.fail_after(250):
            await a.ask(P.limpet(), timeout=3000)


async def test_damaged_box_record_does_not_keep_others_from_running() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        b = await node.spawn(P(), name="b")
        await a.tell(P.nap(100)); await b.tell(P.nap(100))
        await trio.sleep(1)
    store = store.reopen()
    (key, value), _ = store.scan(Table.BOXES)
    store.commit({Table.BOXES: {key: value[:-1] + bytes([value[-1] ^ 1])}})
    async with open_node(store) as node:
        assert await node.ref(P, "b").ask(P.add(1), timeout=200) == 2


@pytest.mark.parametrize("table", [Table.KEYED, Table.TIMERS, Table.REQUESTS, Table.MARKS, Table.STATES])
async def test_damaged_records(table: Table) -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        a = await node.spawn(P(), name="a")
        b = await node.spawn(P(), name="b")
        await a.tell(P.add(1), delay=100, key="k")
        await node.pause(b)
        await a.tell(P.ask2(b))
        await b.tell(P.add(1), id="x")
        await trio.sleep(1)
    store = store.reopen()
    rows = store.scan(table)
    print(len(rows))
    assert rows
    for key, value in rows:
        store.commit({table: {key: value[:-1] + bytes([value[-1] ^ 1])}})
    async with open_node(store) as node:
        c = await node.spawn(P(), name="c")
        await node.resume(node.ref(P, "b"))
        await trio.sleep(200)
        await node.wait_idle()
        assert await c.ask(P.add(1), timeout=200) == 1
        print(node.statistics())
        s = node.statistics()
        q = sum(unpack(Box, v).tail - unpack(Box, v).head for _, v in store.scan(Table.BOXES))
        assert s.accepted == s.handled + s.died + s.discarded + node._runtime.ledger.counters.scheduled + q
