"""Machines: async rules in one live simulation, driven by Hypothesis."""

import time

import pytest
import trio
from hypothesis import assume, note, settings, strategies as st
from hypothesis.stateful import Bundle, MultipleResults, consumes, invariant, multiple, precondition

from callboard import ActorRef
from callboard.testing import (
    Crashed,
    InvariantBroken,
    OutsideWorld,
    faults,
)
from callboard.testing.machine import ActorMachine
from callboard.testing.rules import always, initialize, rule

from .banks import Account, BadBank, Bank, GoodBank, Idle, by_hand, play, run, steps_of

TestGoodBank = GoodBank.TestCase
TestGoodBank.settings = settings(TestGoodBank.settings, max_examples=20, stateful_step_count=20)


# What it finds.


def test_money_that_is_in_nobodys_hands_is_found_and_shrunk_to_three_steps() -> None:
    with pytest.raises(InvariantBroken, match="conserved: it was 200, and is 199") as caught:
        run(BadBank, 500)
    crash, pay, end = steps_of(caught.value)
    assert crash.startswith("state.crash_at(down=0.0, ")
    assert pay.startswith("state.pay(amount=1, ")
    assert end == "state.teardown()"


def test_a_report_has_the_steps_and_the_timeline() -> None:
    state = BadBank()
    ann, bob = play(state, "open").values
    play(state, "crash_at", point="turn.begin", nth=2)
    play(state, "pay", ann, bob, amount=7)
    with pytest.raises(InvariantBroken) as caught:
        state.teardown()
    report = "\n".join(caught.value.__notes__)
    assert (
        "Plan: [open(), crash_at(point='turn.begin', nth=2), pay(<ref ann>, <ref bob>, amount=7)]" in report
    )
    assert "test step: pay(<ref ann>, <ref bob>, amount=7)" in report
    assert "CRASH at turn.begin" in report
    assert "step ends in the crash" in report
    assert "as it prints them, they are a program" in report


def test_runs_of_the_same_seed_go_the_same_way() -> None:
    hashes: list[list[str]] = []

    class Traced(GoodBank):
        def teardown(self) -> None:
            super().teardown()
            hashes[-1].append(self.sim.trace_hash)

    for _ in range(2):
        hashes.append([])
        run(Traced, 15)
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) > 10


class Race(Bank):
    """Two clients ask at the same moment, and somebody counts on who is first."""

    usual: list[str] | None = None

    async def check(self) -> None:
        """Nothing."""

    @rule()
    async def race(self) -> None:
        heard: list[str] = []

        async def ask(name: str) -> None:
            await self.sim.ref(Account, name).ask(Account.deposit(1))
            heard.append(name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "ann")
            nursery.start_soon(ask, "bob")
        assert heard == (self.usual or heard)
        type(self).usual = heard


def test_an_order_that_matters_is_found_and_shrunk_to_one_deviation() -> None:
    with by_hand(Race) as state:
        play(state, "open")
        play(state, "race")
    with pytest.raises(AssertionError) as caught:
        run(Race, 200)
    reorder, race, end = steps_of(caught.value)
    assert sum(map(int, filter(str.isdigit, reorder))) == 1
    assert (race, end) == ("state.race()", "state.teardown()")


def test_orders_can_be_left_alone() -> None:
    class Ordered(Race, orders=False):
        """As they come."""

    run(Ordered)


# Faults.


def test_there_is_a_rule_for_each_fault_and_without_any_there_is_none() -> None:
    verbs = {verb.name for verb in faults.ALL}
    assert {rule for rule in verbs if callable(getattr(GoodBank, rule, None))} == verbs
    assert not any(hasattr(Idle, rule) for rule in verbs)
    assert callable(Idle.__dict__["wait"])
    assert callable(Idle.__dict__["reorder"])


def test_faults_are_switched_on_by_kind() -> None:
    kinds: list[frozenset[str]] = []

    class Counting(GoodBank, faults=(faults.crash, faults.disk_full)):
        def teardown(self) -> None:
            super().teardown()
            steps = {
                event.about[0].partition("(")[0] for event in self.sim.trace.events if event.what == "step"
            }
            kinds.append(frozenset(steps & {"crash", "disk_full"}))

    run(Counting, 60)
    assert set(kinds) == {
        frozenset(),
        frozenset({"crash"}),
        frozenset({"disk_full"}),
        frozenset({"crash", "disk_full"}),
    }


def test_a_derived_machine_can_have_other_faults_and_nodes() -> None:
    class Fewer(GoodBank, faults=(faults.crash,), nodes=2):
        """On two nodes."""

    with by_hand(Fewer) as state:
        play(state, "open")
        play(state, "crash", node=1)
        assert [node.lives for node in state.sim.nodes] == [1, 2]
        assert getattr(state, "restart", None) is None


def test_a_rule_that_meets_a_crash_ends_quietly_and_fills_no_bundle() -> None:
    class Counting(GoodBank):
        @rule(target=Bank.accounts)
        async def visit(self) -> ActorRef[Account]:
            ann = self.sim.ref(Account, "ann")
            await ann.ask(Account.deposit(0))
            return ann

    with by_hand(Counting) as state:
        play(state, "open")
        assert isinstance(play(state, "visit"), ActorRef)
        play(state, "crash_at", point="turn.begin")
        assert play(state, "visit") == multiple()
        play(state, "crash", down=30.0)
        assert play(state, "visit") == multiple()
        play(state, "wait", 60.0)
        assert isinstance(play(state, "visit"), ActorRef)


def test_a_crash_among_the_tasks_of_a_rule_is_quiet_too() -> None:
    class Crowd(Race, faults=(faults.crash_at,)):
        """In a storm."""

    with by_hand(Crowd) as state:
        play(state, "open")
        play(state, "crash_at", point="commit.before_durable")
        play(state, "race")
        assert state.sim.nodes[0].lives == 2


def test_a_rule_may_catch_the_crash() -> None:
    class Stubborn(GoodBank):
        tries = 0

        @rule()
        async def insist(self) -> None:
            while True:
                self.tries += 1
                try:
                    await self.sim.ref(Account, "ann").ask(Account.deposit(0), id="once")
                except Crashed:
                    await trio.sleep(1)
                else:
                    return

    with by_hand(Stubborn) as state:
        play(state, "open")
        play(state, "crash_at", point="turn.end")
        play(state, "insist")
        assert state.tries == 2


# Rules.


class Everything(ActorMachine, types=[Account]):
    """All that Hypothesis offers, async."""

    refs: Bundle[ActorRef[Account]] = Bundle("refs")
    gone: Bundle[ActorRef[Account]] = Bundle("gone")
    opened = 0
    deposits = 0
    checked = 0

    @initialize(targets=[refs])
    async def first(self) -> ActorRef[Account]:
        return await self.spawn_one()

    @rule(target=refs, count=st.integers(0, 2))
    async def several(self, count: int) -> MultipleResults[ActorRef[Account]]:
        return multiple(*[await self.spawn_one() for _ in range(count)])

    @precondition(lambda self: len(self.sim.states(Account)) == self.opened)
    @rule(ref=refs, data=st.data())
    async def deposit(self, ref: ActorRef[Account], data: st.DataObject) -> None:
        assume(data.draw(st.integers(0, 9)) != 9)
        note("a note")
        await ref.ask(Account.deposit(1))
        self.deposits += 1

    @precondition(lambda self: self.opened > 1)
    @rule(target=gone, ref=consumes(refs))
    async def close(self, ref: ActorRef[Account]) -> ActorRef[Account]:
        await self.deposit_in(ref)
        return ref

    @rule(ref=refs)
    def plain(self, ref: ActorRef[Account]) -> None:
        assert self.sim.state(Account, ref.name).balance >= 0

    @rule(ref=refs)
    async def deposit_in(self, ref: ActorRef[Account]) -> None:
        await ref.ask(Account.deposit(1))
        self.deposits += 1

    @invariant()
    async def every_deposit_counted(self) -> None:
        self.checked += 1
        ref = self.sim.ref(Account, "0")
        await ref.ask(Account.deposit(0))
        assert sum(each.balance for each in self.sim.states(Account)) == self.deposits

    @always
    def never_negative(self) -> None:
        assert self.opened
        assert all(each.balance >= 0 for each in self.sim.states(Account))

    async def spawn_one(self) -> ActorRef[Account]:
        self.opened += 1
        return await self.sim.spawn(Account(), name=str(self.opened - 1))

    def check(self) -> None:
        assert sum(each.balance for each in self.sim.states(Account)) == self.deposits


TestEverything = Everything.TestCase
TestEverything.settings = settings(TestEverything.settings, max_examples=25, stateful_step_count=15)


def test_time_passes_only_in_rules_that_wait() -> None:
    class Clock(Idle):
        @rule()
        def now(self) -> float:
            return trio.current_time()

        @rule()
        async def nap(self) -> None:
            await trio.sleep(3.5)

    with by_hand(Clock) as state:
        start = play(state, "now")
        play(state, "rest")
        assert play(state, "now") == start
        play(state, "wait", 60.0)
        assert play(state, "now") == start + 60
        play(state, "nap")
        assert play(state, "now") == start + 63.5


def test_a_step_ends_when_all_has_run_that_can_without_time_passing() -> None:
    with by_hand(GoodBank) as state:
        ann, bob = play(state, "open").values
        play(state, "pay", ann, bob, 5)
        assert state.sim.state(Account, "bob").balance == 105


def test_the_real_world_is_forbidden_in_steps_and_only_there() -> None:
    class Late(Idle):
        @precondition(lambda self: time.time() > 0)
        @rule()
        async def look(self) -> None:
            time.time()

    with by_hand(Late) as state:
        play(state, "rest")
        time.time()
        with pytest.raises(OutsideWorld, match=r"time.time\(\) was called under simulation"):
            play(state, "look")
    with pytest.raises(OutsideWorld):
        run(Late)
