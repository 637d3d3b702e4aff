"""What no one had to answer before, since elsewhere a mailbox dies with its process: the table at work."""

from __future__ import annotations

import contextlib
from typing import Any

import attrs
import pytest
import trio

from callboard import (
    Actor,
    ActorRef,
    Backoff,
    Child,
    Dynamic,
    Failed,
    Killed,
    NodeClosed,
    Stopped,
    StoreFailed,
    Supervisor,
    Terminated,
    TreeGaveUp,
    handler,
    open_node,
)
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table

from .cast import (
    LOG,
    STARTS,
    STOPS,
    Hand,
    Stranger,
    at_work,
    clean,
    fail,
    hand,
    hands,
    overhearing,
    poison,
    settle,
    statuses,
)

pytestmark = pytest.mark.virtual
SLOWLY = Backoff(first=5, jitter=0)


@pytest.fixture(autouse=True)
def clean_cast() -> None:
    clean()


class Widow(Actor, type_name="otp.Widow"):
    heard: list[str] = attrs.field(factory=list[str])

    @handler
    async def watch(self, ref: ActorRef[Hand]) -> None:
        self.turn.watch(ref, then=Widow.hear)

    @handler
    async def hear(self, told: Terminated) -> None:
        self.heard.append(f"{told.ref.name} {type(told.exit).__name__}")

    @handler
    async def show(self) -> list[str]:
        return self.heard


CAST: list[type[Actor]] = [Hand, Stranger, Widow]


# Mail and restarts.


async def test_mail_that_comes_while_an_actor_is_restarted_keeps_its_order() -> None:
    """'mail while restarting: waits in the mailbox, on disk, unbounded by any stash.'"""
    async with at_work(*hands("a"), backoff=SLOWLY) as (node, _):
        await hand(node, "a").tell(Hand.work("0"))
        await poison(node, "a")
        for number in range(1, 5):
            await trio.sleep(1)
            await hand(node, "a").tell(Hand.work(str(number)))
        assert node.statistics().queued == 4
        await settle(node)
        assert await hand(node, "a").ask(Hand.show()) == ["0", "1", "2", "3", "4"]


async def test_one_bad_message_never_takes_a_tree_down_however_often_it_is_tried() -> None:
    """'a retried message does not count; it counts once when it dies.'"""
    async with at_work(*hands("a"), intensity=1, period=1000) as (node, _):
        await hand(node, "a").tell(Hand.choke())
        await settle(node, 900)
        assert node.statistics().died == 1
        assert LOG.count("+a") >= 2


async def test_many_dying_messages_take_a_tree_down() -> None:
    """'One bad message can never take a tree down; many dying ones can.'"""
    store = MemoryStore()
    with pytest.raises(TreeGaveUp):  # noqa: PT012 - it is the block that raises
        async with at_work(*hands("a"), store=store, intensity=3, period=60) as (node, _):
            await node.tell_all([(hand(node, "a"), Hand.work("poison"))] * 6)
            await trio.sleep(100)
    async with open_node(store.reopen(), types=CAST) as node:
        assert (node.statistics().died, node.statistics().queued) == (4, 2)


async def test_a_restart_loads_the_last_committed_state_and_nothing_of_the_failed_turn() -> None:
    """'restart: a fresh object from the last committed state, transient fields rebuilt, `started()` run.'"""
    async with at_work(*hands("a")) as (node, _):
        await hand(node, "a").tell(Hand.work("good"))
        await poison(node, "a")
        await settle(node)
        assert await hand(node, "a").ask(Hand.show()) == ["good"]


async def test_a_supervisor_stopped_in_the_middle_of_a_restart_stops_who_is_just_starting() -> None:
    """'a shutdown can get in between': the child that is just starting is stopped, and no other starts."""
    async with at_work(Supervisor("sub", hands("b", "c"), strategy="one_for_all")) as (node, tree):
        STARTS["b"] = trio.sleep_forever
        await poison(node, "c")
        await settle(node, 1)
        await tree.terminate_child("sub")
        assert statuses(tree) == {"sub": "down"}
        del STARTS["b"]
        LOG.clear()
        await settle(node, 100)
        assert LOG == []
        await tree.restart_child("sub")
        assert LOG == ["+b", "+c"]


async def test_a_supervisor_stopped_during_a_back_off_does_not_wake_up_later() -> None:
    """'a failed restart goes back through the supervisor's own mailbox so a shutdown can get in between.'"""
    async with at_work(Supervisor("sub", hands("b", "c"), backoff=SLOWLY)) as (node, tree):
        await poison(node, "b")
        await settle(node, 1)
        await tree.terminate_child("sub")
        LOG.clear()
        await settle(node, 100)
        assert LOG == []
        assert node._runtime.cells.find("b") is not None


async def test_a_node_closed_in_the_middle_of_a_restart_closes_and_keeps_the_mail() -> None:
    """'mailboxes survive': whatever the tree was doing, the node closes, and goes on from there."""
    store = MemoryStore()
    async with at_work(*hands("a", "b"), store=store, strategy="one_for_all") as (node, _):
        STARTS["a"] = trio.sleep_forever
        await poison(node, "b")
        await hand(node, "b").tell(Hand.work("after"))
        await settle(node, 1)
    STARTS.clear()
    async with at_work(*hands("a", "b"), store=store.reopen()) as (node, _):
        assert await hand(node, "b").ask(Hand.show()) == ["after"]


async def test_who_asks_a_supervisor_of_a_node_that_closes_hears_it() -> None:
    """'A shutdown overtakes': no request to a supervisor is left without an answer."""
    heard: list[type[BaseException]] = []
    STARTS["p"] = trio.sleep_forever

    async def start(tree: Any) -> None:
        try:
            await tree.start_child("pool", "p", "p")
        except Exception as error:
            heard.append(type(error))

    async with trio.open_nursery() as nursery, at_work(Dynamic("pool", Hand)) as (_, tree):
        nursery.start_soon(start, tree)
        await trio.sleep(1)
    with pytest.raises(NodeClosed):
        await tree.start_child("pool", "q", "q")
    assert len(heard) == 1


@pytest.mark.parametrize("when", ["running", "starting", "closing"])
async def test_a_broken_disk_ends_a_node_with_a_tree_whatever_it_does(when: str) -> None:
    """G17: nobody waits for a supervisor whose node is gone."""
    store = MemoryStore()

    async def linger() -> None:
        await trio.sleep(3)

    STOPS["a"] = linger

    async def ask(tree: Any) -> None:
        with contextlib.suppress(NodeClosed, StoreFailed):
            await tree.start_child("pool", "p", "p")

    async def live(nursery: trio.Nursery) -> None:
        async with at_work(*hands("a"), Dynamic("pool", Hand), store=store) as (node, tree):
            if when == "starting":
                STARTS["p"] = trio.sleep_forever
                nursery.start_soon(ask, tree)
                await trio.sleep(1)
            store.fail_next(StoreFailed("broken"), applied=False)
            if when == "closing":
                nursery.start_soon(_touch_later, node)
            else:
                await hand(node, "a").tell(Hand.work("x"))

    async with trio.open_nursery() as nursery:
        with pytest.raises(StoreFailed):
            await live(nursery)


async def _touch_later(node: Any) -> None:
    """Have a commit fail while the tree is being stopped."""
    await trio.sleep(1)
    node._runtime.ledger.touch(node._runtime.cells.find("a"))
    node._runtime.workers.wake()


# Failing for other reasons than a message.


async def test_a_start_that_fails_at_the_next_boot_ends_the_start_and_loses_no_mail() -> None:
    """'`started()` failing: counted as OTP counts a failing start.'"""
    store = MemoryStore()
    async with at_work(*hands("a"), store=store) as (node, tree):
        await tree.terminate_child("a")
        await hand(node, "a").tell(Hand.work("waits"))
    STARTS["a"] = fail
    store = store.reopen()
    with pytest.raises(TreeGaveUp, match="OSError: no paper"):
        async with at_work(*hands("a"), store=store):
            pass
    STARTS.clear()
    async with at_work(*hands("a"), store=store.reopen()) as (node, _):
        assert await hand(node, "a").ask(Hand.show()) == ["waits"]


async def test_a_state_whose_bytes_are_damaged_pauses_one_child_and_no_other() -> None:
    """G14: its mail waits for a person, and the tree comes up."""
    store = MemoryStore()
    async with at_work(*hands("a", "b"), store=store) as (node, _):
        await hand(node, "a").tell(Hand.work("x"))
    store = store.reopen()
    (key, value), *_ = store.scan(Table.STATES)
    store.commit({Table.STATES: {key: value[:-1] + bytes([value[-1] ^ 1])}})
    async with open_node(store, types=CAST) as node:
        await hand(node, "a").tell(Hand.work("waits"))
        await node.start(Supervisor("top", hands("a", "b")))
        assert await hand(node, "b").ask(Hand.show()) == []
        assert node.statistics().queued == 1


async def test_a_class_that_changed_so_that_the_state_does_not_fit_is_a_failed_start() -> None:
    """'state that cannot be loaded: counted as OTP counts a failing start.'"""
    store = MemoryStore()
    async with at_work(*hands("a"), store=store):
        pass

    class Other(Actor, type_name="otp.Hand"):
        count: int

    store = store.reopen()
    with pytest.raises(TreeGaveUp, match="did not start"):
        async with open_node(store, types=[Other]) as node:
            await node.start(Supervisor("top", [Child(Other(1), name="a")]))
    async with at_work(*hands("a"), store=store.reopen(), node_options={"types": [Hand]}) as (node, _):
        assert await hand(node, "a").ask(Hand.show()) == []


# Mailboxes without an actor.


async def test_the_mail_of_deleted_and_of_temporary_children_waits_park_and_then_dies() -> None:
    """'mailbox of a stopped, removed or temporary child: one rule, the `park` time.'"""
    options = {"park": 100}
    children = [*hands("d"), *hands("t", restart="temporary")]
    async with at_work(*children, node_options=options) as (node, tree):
        await tree.terminate_child("d")
        await tree.delete_child("d")
        await poison(node, "t")
        await settle(node, 1)
        for name in "dt":
            await hand(node, name).tell(Hand.work("late"))
        await settle(node, 90)
        assert (node.statistics().queued, node.statistics().died) == (2, 1)
        await settle(node, 20)
        assert (node.statistics().queued, node.statistics().died) == (0, 3)
        assert node.statistics().actors == 0


async def test_the_mail_of_a_child_that_is_only_down_waits_without_limit() -> None:
    """'Declared children': one that was terminated still lives, and `park` is not its rule."""
    async with at_work(*hands("a"), node_options={"park": 100}) as (node, tree):
        await tree.terminate_child("a")
        await hand(node, "a").tell(Hand.work("late"))
        await settle(node, 10_000)
        await tree.restart_child("a")
        assert await hand(node, "a").ask(Hand.show()) == ["late"]


async def test_declared_children_stay_awake_and_spawned_ones_rest() -> None:
    """'Declared children are never passivated. Spawned actors are virtual.'"""
    async with at_work(*hands("a", "b"), node_options={"idle": 1}) as (node, tree):
        await node.spawn(Hand("s"), name="s")
        await tree.terminate_child("b")
        await hand(node, "s").tell(Hand.work("x"))
        await settle(node, 600)
        assert LOG == ["+a", "+b", "-b", "+s", "-s"]


# Redeploys.


async def test_a_child_whose_class_was_removed_is_an_orphan_and_its_mail_waits() -> None:
    """G14, 'a redeploy that removed a class whose mail waits': in order, until a deploy that has it."""
    store = MemoryStore()
    pool = Dynamic("pool", Hand)
    async with at_work(pool, store=store) as (node, tree):
        await tree.start_child("pool", "p", "p")
        await node.pause(hand(node, "p"))
        await hand(node, "p").tell(Hand.work("1"))
        await hand(node, "p").tell(Hand.work("2"))
    store = store.reopen()
    async with at_work(pool, store=store, node_options={"types": [Stranger]}) as (node, tree):
        assert tree.orphans == ["p"]
        await node.resume(hand(node, "p"))
        await settle(node, 10_000)
        assert node.statistics().queued == 2
    async with at_work(pool, store=store.reopen()) as (node, tree):
        assert await hand(node, "p").ask(Hand.show()) == ["1", "2"]


async def test_a_child_that_moved_from_a_template_to_a_declaration_is_where_it_is_declared() -> None:
    """'children that were added, removed or renamed are reconciled': what is declared wins."""
    store = MemoryStore()
    async with at_work(Dynamic("pool", Hand), store=store) as (node, tree):
        await tree.start_child("pool", "p", "p")
        await hand(node, "p").tell(Hand.work("x"))
    async with at_work(Dynamic("pool", Hand), *hands("p"), store=store.reopen()) as (node, tree):
        assert statuses(tree, "pool") == {}
        assert statuses(tree) == {"pool": "running", "p": "running"}
        assert await hand(node, "p").ask(Hand.show()) == ["x"]


# Watching those under a supervisor.


async def test_a_watcher_hears_how_a_child_ended_and_of_no_restart() -> None:
    """'it means the end of a life (… killed, gave up), never a restart, a passivation or a shutdown.'"""
    store = MemoryStore()
    async with open_node(store, types=CAST) as node:
        widow = await node.spawn(Widow(), name="widow")
        tree = await node.start(
            Supervisor(
                "top",
                [
                    *hands("stays"),
                    *hands("deleted"),
                    *hands("fails", restart="temporary"),
                    *hands("killed", restart="temporary", patience=0),
                ],
            )
        )
        for name in ("stays", "deleted", "fails", "killed"):
            await widow.ask(Widow.watch(hand(node, name)))
        await poison(node, "stays", "fails")
        for name in ("deleted", "killed"):
            await tree.terminate_child(name)
        await settle(node)
        assert await widow.ask(Widow.show()) == ["fails Failed", "killed Killed"]
        await tree.delete_child("deleted")
        await settle(node)
        assert (await widow.ask(Widow.show()))[2:] == ["deleted Stopped"]
    async with open_node(store.reopen(), types=CAST) as node:
        assert len(await node.ref(Widow, "widow").ask(Widow.show())) == 3


async def test_from_outside_the_exits_are_the_same() -> None:
    """'exactly one Terminated with the exit as a value (a closed family).'"""
    children = [*hands("f", restart="temporary"), *hands("d"), *hands("k", restart="temporary", patience=0)]
    async with at_work(*children) as (node, tree), overhearing(node, "f", "d", "k") as heard:
        await poison(node, "f")
        for name in "dk":
            await tree.terminate_child(name)
        await tree.delete_child("d")
        await settle(node)
        assert heard["f"] == Failed("ValueError", "poison")
        assert heard["d"] == Stopped("its supervisor 'top'")
        assert isinstance(heard["k"], Killed)


async def test_whoever_watches_a_damaged_mailbox_fails_and_the_node_goes_on() -> None:
    """G14: no damaged record keeps the others from running; that of a watched actor neither."""
    store = MemoryStore()
    async with open_node(store, types=CAST) as node:
        await node.spawn(Hand("a"), name="a")
    store = store.reopen()
    (key, value), *_ = store.scan(Table.BOXES)
    store.commit({Table.BOXES: {key: value[:-1] + bytes([value[-1] ^ 1])}})
    async with open_node(store, types=CAST) as node:
        widow = await node.spawn(Widow(), name="widow")
        await widow.tell(Widow.watch(hand(node, "a")))
        await settle(node, 10_000)
        await node.spawn(Stranger(), name="s")
        assert node.statistics().died == 1
