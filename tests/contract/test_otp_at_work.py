"""OTP's supervisor as the runtime keeps it: real actors, virtual time, and the sentence each case checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.lowlevel

from callboard import (
    Backoff,
    Child,
    ChildRefused,
    Dynamic,
    Failed,
    Killed,
    Node,
    Stopped,
    Supervisor,
    TreeGaveUp,
    open_node,
)
from callboard.mailbox.memory import MemoryStore

from .cast import (
    LOG,
    OURS,
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


@pytest.fixture(autouse=True)
def clean_cast() -> None:
    clean()


def noting(what: str, seconds: float = 1.0) -> Callable[[], Any]:
    async def note() -> None:
        await trio.sleep(seconds)
        LOG.append(f"{what} at {trio.current_time():g}")

    return note


# Start.


async def test_each_start_is_over_before_the_next_begins() -> None:
    """'Children start one after another, in list order; each `start` must return before the next begins.'"""
    STARTS.update({name: noting(name) for name in "abc"})
    async with at_work(*hands("a"), Supervisor("sub", hands("b")), *hands("c")):
        assert LOG == ["a at 1", "+a", "b at 2", "+b", "c at 3", "+c"]


async def test_a_failed_start_ends_those_before_it_in_reverse_and_is_the_supervisors_own() -> None:
    """'If one fails during init, the already started ones are terminated in reverse order and init fails.'"""
    STARTS["d"] = fail
    async with open_node(MemoryStore(), **OURS) as node:
        with pytest.raises(TreeGaveUp, match="no paper") as caught:
            await node.start(Supervisor("top", [*hands("a", "b"), Supervisor("sub", hands("c", "d", "e"))]))
        assert LOG == ["+a", "+b", "+c", "-c", "-b", "-a"]
        assert "'sub' did not start" in str(caught.value)


async def test_a_child_that_never_starts_can_be_given_up_and_leaves_nothing_behind() -> None:
    """'each `start` must return before the next begins': whoever has waited enough takes the start back."""
    STARTS["b"] = trio.sleep_forever
    async with open_node(MemoryStore(), **OURS) as node:
        with trio.move_on_after(60) as patience:
            await node.start(Supervisor("top", hands("a", "b", "c")))
        assert patience.cancelled_caught
        assert LOG == ["+a", "-a"]
        del STARTS["b"]
        await node.start(Supervisor("top", hands("a", "b", "c")))
        assert LOG[2:] == ["+a", "+b", "+c"]


# Stop.


async def test_children_are_stopped_in_reverse_one_at_a_time() -> None:
    """'Reverse start order, one child at a time: monitor it, send exit `shutdown`, wait.'"""
    STOPS.update({name: noting(name) for name in "abc"})
    async with at_work(*hands("a"), Supervisor("sub", hands("b", "c"))):
        LOG.clear()
    assert LOG == ["c at 1", "-c", "b at 2", "-b", "a at 3", "-a"]


async def test_who_swallows_its_cancellation_is_killed_when_patience_is_over() -> None:
    """'wait `shutdown` ms for `DOWN`, then `kill`.'"""
    async with at_work(Dynamic("pool", Hand, patience=2)) as (node, tree):
        await tree.start_child("pool", "a", "a")
        await hand(node, "a").tell(Hand.swallow())
        await trio.sleep(1)
        async with overhearing(node, "a") as heard:
            await tree.terminate_child("a")
            assert 3 <= trio.current_time() <= 3.5
            await trio.lowlevel.checkpoint()
        assert isinstance(heard["a"], Killed)
        assert node.statistics().queued == 1
        assert LOG == ["+a"]


async def test_who_shields_itself_is_waited_for_without_limit_and_counts_as_killed() -> None:
    """'then `kill` and wait without limit.'"""
    async with at_work(Dynamic("pool", Hand, patience=2)) as (node, tree):
        await tree.start_child("pool", "a", "a")
        await hand(node, "a").tell(Hand.shield(500))
        await trio.sleep(1)
        async with overhearing(node, "a") as heard:
            await tree.terminate_child("a")
            assert trio.current_time() == 500
            await trio.lowlevel.checkpoint()
        assert isinstance(heard["a"], Killed)


async def test_brutal_kill_asks_nobody() -> None:
    """'`brutal_kill` sends kill at once': no `stopped` runs, and the exit is `killed`, idle or not."""
    async with at_work(Dynamic("pool", Hand, patience=0)) as (node, tree):
        for name in ("idle", "busy"):
            await tree.start_child("pool", name, name)
        await hand(node, "busy").tell(Hand.nap(60))
        await trio.sleep(1)
        LOG.clear()
        async with overhearing(node, "idle", "busy") as heard:
            for name in ("idle", "busy"):
                await tree.terminate_child(name)
            await trio.lowlevel.checkpoint()
        assert {type(each) for each in heard.values()} == {Killed}
        assert LOG == []
        assert trio.current_time() == 1


async def test_patience_without_limit_waits_for_whoever_takes_its_time() -> None:
    """'`shutdown`: infinity': nobody is killed, and `stopped` has all the time it wants."""
    STOPS["a"] = noting("a", 90)
    async with at_work(Dynamic("pool", Hand, patience=None)) as (node, tree):
        await tree.start_child("pool", "a", "a")
        async with overhearing(node, "a") as heard:
            await tree.terminate_child("a")
            await trio.lowlevel.checkpoint()
        assert LOG == ["+a", "a at 90", "-a"]
        assert isinstance(heard["a"], Stopped)


async def test_a_stopped_hook_that_hangs_is_cut_short_when_patience_is_over() -> None:
    """'wait `shutdown` ms for `DOWN`, then `kill`': terminate is within the time, too."""
    STOPS["a"] = trio.sleep_forever
    async with at_work(*hands("a", patience=2)) as (_, tree):
        await tree.terminate_child("a")
        assert trio.current_time() == 2
        assert statuses(tree) == {"a": "down"}


async def test_a_start_that_shields_itself_is_over_before_the_child_counts_as_stopped() -> None:
    """'wait without limit': two instances of one child never run side by side."""

    async def stubborn() -> None:
        LOG.append("begins")
        with trio.CancelScope(shield=True):
            await trio.sleep(30)
        LOG.append("is over")

    async with at_work(*hands("a", "b", patience=2), strategy="one_for_all") as (node, tree):
        STARTS["a"] = stubborn
        await poison(node, "b")
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.shut_down)
        assert LOG.count("begins") == LOG.count("is over") == 1
        assert trio.current_time() == 30


async def test_children_of_a_template_stop_side_by_side() -> None:
    """'simple_one_for_one: … terminated in parallel in undefined order.'"""
    STOPS.update({name: noting(name) for name in "abc"})
    async with at_work(Dynamic("pool", Hand)) as (_, tree):
        for name in "abc":
            await tree.start_child("pool", name, name)
    assert trio.current_time() == 1


# Intensity.


@pytest.mark.parametrize(("second", "gives_up"), [(5.0, True), (5.001, False)])
async def test_the_window_is_inclusive(second: float, gives_up: bool) -> None:
    """'keep entries `>= Now - Period` (inclusive); … intensity 1: the second restart within ends it.'"""

    async def run(node: Node) -> None:
        await node.start(Supervisor("top", hands("a"), intensity=1, period=5, backoff=None))
        began = trio.current_time()
        await poison(node, "a")
        await trio.sleep(began + second - trio.current_time())
        await poison(node, "a")
        await settle(node)
        LOG.append("survived")

    if gives_up:
        with pytest.raises(TreeGaveUp, match="2 restarts were needed within 5 s"):
            async with open_node(MemoryStore(), **OURS) as node:
                await run(node)
    else:
        async with open_node(MemoryStore(), **OURS) as node:
            await run(node)
    assert LOG.count("+a") == (2 if gives_up else 3)
    assert ("survived" in LOG) is not gives_up


async def test_a_restart_of_a_group_counts_once() -> None:
    """'A one_for_all restart of 10 children counts as one.'"""
    names = [f"h{n}" for n in range(10)]
    async with at_work(*hands(*names), strategy="one_for_all", intensity=1) as (node, tree):
        await poison(node, "h5")
        await settle(node)
        assert sorted(LOG).count("+h0") == 2
        assert set(statuses(tree).values()) == {"running"}


async def test_failed_attempts_to_restart_count() -> None:
    """'A start that fails during a restart is retried by a cast to self, and each retry counts.'"""
    tries: list[float] = []

    async def refuse() -> None:
        tries.append(trio.current_time())
        raise OSError("no paper")

    with pytest.raises(TreeGaveUp, match="4 restarts were needed") as caught:  # noqa: PT012 - it is the block that raises
        async with at_work(*hands("a"), intensity=3) as (node, _):
            STARTS["a"] = refuse
            await poison(node, "a")
            await trio.sleep(1000)
    assert tries == [0, 0, 0]
    assert str(caught.value).count("'a' did not start: it failed: OSError: no paper") == 3


async def test_with_a_back_off_one_that_fails_for_ever_is_tried_for_ever_and_ever_more_seldom() -> None:
    """'There is no delay between retries': the contract adds one, which keeps the budget from being spent."""
    tries: list[float] = []

    async def refuse() -> None:
        tries.append(trio.current_time())
        raise OSError("no paper")

    async with at_work(*hands("a", "b"), backoff=Backoff(first=1, longest=60, jitter=0)) as (node, tree):
        STARTS["a"] = refuse
        await poison(node, "a")
        await settle(node, 3600)
        assert tries[:5] == [1, 3, 7, 15, 31]
        assert 60 <= len(tries) <= 70
        assert statuses(tree)["b"] == "running"
        STARTS.clear()
        await settle(node, 61)
        assert statuses(tree) == {"a": "running", "b": "running"}


async def test_a_failed_restart_lets_requests_in_between() -> None:
    """'retried by a cast to self (`try_again_restart`), so the supervisor stays responsive.'"""
    async with at_work(*hands("a", "b"), intensity=10**6) as (node, tree):
        STARTS["a"] = fail
        await poison(node, "a")
        await trio.lowlevel.checkpoint()
        await tree.terminate_child("a")
        assert statuses(tree) == {"a": "down", "b": "running"}


async def test_giving_up_goes_through_three_levels_and_the_report_has_the_whole_chain() -> None:
    """'Exceeding: log, terminate all children, exit with reason `shutdown`.'"""
    low = Supervisor("low", hands("c", "d"), intensity=1, backoff=None)
    middle = Supervisor("middle", [*hands("b"), low], intensity=1, backoff=None)
    with pytest.raises(TreeGaveUp) as caught:  # noqa: PT012 - it is the block that raises
        async with at_work(*hands("a"), middle, intensity=1) as (node, _):
            await node.tell_all([(hand(node, "d"), Hand.work("poison"))] * 20)
            await trio.sleep(1000)
    report = str(caught.value)
    lines = ["'top' gave up", "'middle' gave up", "'low' gave up", "'d' failed: ValueError: poison"]
    assert all(line in report for line in lines)
    assert [report.index(line) for line in lines] == sorted(report.index(line) for line in lines)
    # 'total restarts multiply across levels': each life of one takes two of the one below.
    assert (LOG.count("+a"), LOG.count("+b"), LOG.count("+c"), LOG.count("+d")) == (1, 2, 4, 8)


async def test_a_transient_supervisor_that_gave_up_is_left_alone() -> None:
    """'a transient supervisor child that gives up exits with `shutdown`, … so it is not restarted.'"""
    sub = Supervisor("sub", hands("b", "c"), intensity=0, restart="transient")
    async with at_work(*hands("a"), sub) as (node, tree):
        await poison(node, "b")
        await hand(node, "c").tell(Hand.work("kept"))
        await settle(node)
        assert statuses(tree) == {"a": "running", "sub": "down"}
        assert node.statistics().queued == 1
        await tree.restart_child("sub")
        assert await hand(node, "c").ask(Hand.show()) == ["kept"]


async def test_with_a_temporary_supervisor_end_the_lives_under_it() -> None:
    """'temporary: never restart and its spec is deleted': what was under it is nobody's, and is parked."""
    sub = Supervisor("sub", [*hands("b"), Supervisor("low", hands("c"))], intensity=0, restart="temporary")
    async with at_work(*hands("a"), sub) as (node, tree):
        async with overhearing(node, "b", "c") as heard:
            await poison(node, "b")
            await settle(node)
        assert statuses(tree) == {"a": "running"}
        assert isinstance(heard["b"], Failed | Stopped)
        assert isinstance(heard["c"], Stopped)
        assert node.statistics().actors == 1


# Strategies.


async def test_one_for_all_interrupts_siblings_in_the_middle_of_a_turn_at_no_cost() -> None:
    """'terminate all others in reverse start order, then start all again'; G18: no attempt is charged."""
    async with at_work(*hands("a", "b", "c"), strategy="one_for_all") as (node, _):
        for name in "ac":
            await hand(node, name).tell(Hand.nap(5))
        await trio.sleep(1)
        await poison(node, "b")
        await settle(node, 20)
        for name in "ac":
            assert await hand(node, name).ask(Hand.show()) == ["nap, attempt 1"]
        assert LOG == ["+a", "+b", "+c", "+a", "+b", "+c"]


async def test_rest_for_one_leaves_those_before_it_in_peace() -> None:
    """'terminate those *after* it in start order (reverse), then start it and them.'"""
    async with at_work(*hands("a", "b", "c"), strategy="rest_for_one") as (node, _):
        for name in "ac":
            await hand(node, name).tell(Hand.nap(5))
        await trio.sleep(1)
        await poison(node, "b")
        await trio.sleep(4.5)
        assert await hand(node, "a").ask(Hand.show()) == ["nap, attempt 1"]
        assert node.statistics().queued == 1
        await settle(node)
        assert await hand(node, "c").ask(Hand.show()) == ["nap, attempt 1"]
        assert LOG == ["+a", "+b", "+c", "+b", "+c"]


async def test_a_temporary_sibling_that_must_go_is_gone_for_good() -> None:
    """'temporary: … its spec is deleted (also when it was killed because of a sibling).'"""
    children = [*hands("a"), *hands("b", restart="temporary")]
    async with at_work(*children, strategy="one_for_all") as (node, tree), overhearing(node, "b") as heard:
        await poison(node, "a")
        await settle(node)
        assert statuses(tree) == {"a": "running"}
        assert isinstance(heard["b"], Stopped)


# Automatic shutdown.


async def test_any_significant_child_that_ends_by_itself_takes_its_supervisor_with_it() -> None:
    """'`any_significant`: the supervisor stops itself when any significant child ends by itself.'"""
    children = [Child(Hand(n), name=n, restart="transient", significant=n != "c") for n in "bcd"]
    sub = Supervisor("sub", children, auto_shutdown="any_significant", restart="transient")
    async with at_work(*hands("a"), sub) as (node, tree):
        await hand(node, "c").tell(Hand.finish())
        await settle(node)
        assert statuses(tree)["sub"] == "running"
        await hand(node, "b").tell(Hand.finish())
        await settle(node)
        assert statuses(tree) == {"a": "running", "sub": "down"}
        assert LOG[-1] == "-d"


async def test_the_last_significant_child_takes_its_supervisor_with_it() -> None:
    """'`all_significant`: when the last one does.' 'Terminations caused by the supervisor do not count.'"""
    children = [Child(Hand(n), name=n, restart="transient", significant=n != "d") for n in "bcd"]
    sub = Supervisor("sub", children, auto_shutdown="all_significant", restart="transient")
    async with at_work(*hands("a"), sub) as (node, tree):
        await hand(node, "b").tell(Hand.finish())
        await tree.terminate_child("c")
        await settle(node)
        assert statuses(tree)["sub"] == "running"
        await tree.restart_child("c")
        await hand(node, "c").tell(Hand.finish())
        await settle(node)
        assert statuses(tree) == {"a": "running", "sub": "down"}


async def test_the_topmost_that_shuts_itself_down_ends_the_node() -> None:
    """'Such a supervisor should not be permanent': above the topmost there is only the node."""
    child = Child(Hand("a"), name="a", restart="transient", significant=True)
    with pytest.raises(TreeGaveUp, match="its significant child 'a' had ended"):  # noqa: PT012 - it is the block that raises
        async with at_work(child, auto_shutdown="any_significant") as (node, _):
            await hand(node, "a").tell(Hand.finish())
            await trio.sleep(1000)


# The dynamic face.


async def test_children_are_terminated_restarted_and_deleted_as_otp_does() -> None:
    """'terminate_child (spec kept unless temporary), restart_child, delete_child (only when not running).'"""
    async with at_work(*hands("a", "b")) as (node, tree):
        for refused in (tree.restart_child("a"), tree.delete_child("a")):
            with pytest.raises(ChildRefused) as caught:
                await refused
            assert caught.value.reason == "running"
        await hand(node, "a").tell(Hand.work("before"))
        await tree.terminate_child("a")
        await tree.terminate_child("a")
        await hand(node, "a").tell(Hand.work("meanwhile"))
        assert statuses(tree) == {"a": "down", "b": "running"}
        await tree.restart_child("a")
        assert await hand(node, "a").ask(Hand.show()) == ["before", "meanwhile"]
        await tree.terminate_child("a")
        await tree.delete_child("a")
        for gone in (tree.delete_child("a"), tree.terminate_child("a"), tree.restart_child("a")):
            with pytest.raises(ChildRefused) as caught:
                await gone
            assert caught.value.reason == "not_found"
        assert tree.count_children("top").specs == 1


async def test_a_child_that_is_added_and_does_not_start_is_not_added() -> None:
    """'start_child': one that fails is not added, and whoever lived at the name before goes on living."""
    async with at_work(*hands("a"), Supervisor("sub", hands("b"))) as (node, tree):
        await node.spawn(Stranger(), name="stranger")
        await node.spawn(Hand("guest", ["mine"]), name="guest")
        STARTS["guest"] = STARTS["new"] = fail
        for child in (*hands("stranger", "guest", "new", "b"), *hands("a")):
            with pytest.raises(ChildRefused):
                await tree.start_child("top", child)
        STARTS.clear()
        assert statuses(tree) == {"a": "running", "sub": "running"}
        assert await node.ref(Stranger, "stranger").ask(Stranger.tell_it()) == 7
        assert await hand(node, "guest").ask(Hand.show()) == ["mine"]
        assert await hand(node, "b").ask(Hand.show()) == []
        assert node.statistics().actors == 4
        await poison(node, "b")
        await settle(node)
        assert LOG.count("+b") == 2


async def test_children_that_were_added_are_let_go_when_their_supervisor_is_restarted() -> None:
    """'dynamic children are lost when the supervisor restarts': their actors go on as spawned ones."""
    async with at_work(Supervisor("sub", hands("b"), intensity=0)) as (node, tree):
        await tree.start_child("sub", *hands("c"))
        await poison(node, "b")
        await hand(node, "c").tell(Hand.work("kept"))
        await settle(node)
        assert statuses(tree, "sub") == {"b": "running"}
        assert await hand(node, "c").ask(Hand.show()) == ["kept"]
        assert tree.orphans == ["c"]
