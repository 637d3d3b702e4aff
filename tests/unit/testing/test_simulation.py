"""The simulation itself: lives, faults, phases, what it shows, and how it refuses what cannot work."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from callboard import Actor, ActorRef, AskTimeout, Refusal, handler
from callboard.testing import (
    Crashed,
    InvariantBroken,
    NotConverged,
    Plan,
    Simulation,
    SimulationError,
    check,
    faults,
    ops,
    run_simulation,
    simulate,
)
from callboard.testing.errors import NotDeterministic


class TooFewCoins(Refusal):
    pass


class Till(Actor, type_name="lab.Till"):
    coins: int = 0
    heard: list[str] = attrs.field(factory=list[str])

    @handler
    async def put(self, coins: int) -> int:
        self.coins += coins
        return self.coins

    @handler
    async def pass_on(self, to: ActorRef[Till], coins: int) -> None:
        if coins > self.coins:
            raise TooFewCoins("not so many")
        self.coins -= coins
        await to.tell(Till.put(coins))

    @handler
    async def remind(self, days: float) -> None:
        self.turn.after(dt.timedelta(days=days), Till.note("reminded"), key="reminder")

    @handler
    async def note(self, what: str) -> None:
        self.heard.append(what)

    @handler
    async def hang(self) -> None:
        await trio.sleep_forever()

    @handler
    async def spin(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()


@simulate()
async def test_a_week_passes_in_a_moment(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    await till.tell(Till.remind(7))
    await sim.drain()
    check.scheduled(sim, Till.note("reminded"), to="till", times=1)
    await trio.sleep(6.9 * 86400)
    assert sim.state(Till, "till").heard == []
    await trio.sleep(0.2 * 86400)
    assert sim.state(Till, "till").heard == ["reminded"]


@simulate()
async def test_what_was_acknowledged_survives_a_crash_and_the_ref_goes_on(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    assert await till.ask(Till.put(3)) == 3
    await sim.crash()
    assert await till.ask(Till.put(4)) == 7


@simulate()
async def test_a_call_during_a_crash_ends_with_its_outcome_unknown(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.crash_at("commit.durable")
    with pytest.raises(Crashed, match="outcome is unknown"):
        await till.tell(Till.put(3))
    await sim.converge()
    assert sim.state(Till, "till").coins == 3  # it was on disk, and nobody had heard


@simulate()
async def test_what_a_crash_takes_before_the_disk_had_it_never_was(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.crash_at("commit.before_durable")
    with pytest.raises(Crashed):
        await till.tell(Till.put(3))
    await sim.converge()
    assert sim.state(Till, "till").coins == 0
    assert sim.sent(Till.put(3)) == []


@simulate()
async def test_while_a_node_is_down_calls_do_nothing(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    await sim.crash(down=10)
    with pytest.raises(Crashed, match="is down"):
        await till.tell(Till.put(3))
    await trio.sleep(11)
    assert await till.ask(Till.put(1)) == 1


@simulate()
async def test_a_full_disk_lets_senders_wait_and_loses_nothing(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.disk_full(30)
    await sim.settle()
    with trio.move_on_after(10) as impatient:
        await till.tell(Till.put(3), delay=1)
    assert impatient.cancelled_caught
    await sim.drain()
    assert sim.state(Till, "till").coins == 3


@simulate()
async def test_a_slow_disk_only_slows(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.slow_disk(lag=2, seconds=60)
    await sim.settle()
    before = trio.current_time()
    assert await till.ask(Till.put(3)) == 3
    assert 0 < trio.current_time() - before <= 4


@pytest.mark.parametrize("wrote", [False, True])
def test_a_failed_sync_ends_the_node_and_the_next_life_knows_the_truth(*, wrote: bool) -> None:
    async def test(sim: Simulation) -> None:
        till = await sim.spawn(Till(), name="till")
        sim.fsync_error(wrote=wrote)
        with pytest.raises(Crashed):
            await till.ask(Till.put(3))
        await sim.converge()
        assert sim.state(Till, "till").coins == (3 if wrote else 0)

    run_simulation(test)


@simulate()
async def test_a_frozen_node_does_nothing_while_time_goes_on(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.freeze(30)
    await sim.settle()
    with pytest.raises(AskTimeout):
        await till.ask(Till.put(3), timeout=20)
    await sim.drain()
    assert sim.state(Till, "till").coins == 3


@simulate()
async def test_a_damaged_record_becomes_a_dead_letter_and_the_next_message_goes_on(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    await sim.pause(till)
    await till.tell(Till.put(3))
    sim.corrupt_record(0)
    await sim.restart()
    await sim.resume(till)
    assert await till.ask(Till.put(4)) == 4


@simulate()
async def test_an_actor_that_is_told_to_raise_is_undone_and_tried_again(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.actor_raises("till", times=2)
    assert await till.ask(Till.put(3)) == 3
    assert sim.state(Till, "till").coins == 3
    assert [event.about[2] for event in sim.trace.events if event.what == "failed"] == [1, 2]


@simulate()
async def test_a_clock_set_back_makes_no_retry_wait_longer(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    sim.actor_raises("till")
    await till.tell(Till.put(3))
    await sim.settle()
    sim.clock_jump(-3600)
    await trio.sleep(1)
    assert sim.state(Till, "till").coins == 3


@simulate()
async def test_a_clock_set_forward_fires_what_is_due(sim: Simulation) -> None:
    till = await sim.spawn(Till(), name="till")
    await till.ask(Till.remind(7))
    sim.clock_jump(8 * 86400)
    await sim.drain()
    assert sim.state(Till, "till").heard == ["reminded"]


@simulate(nodes=3)
async def test_nodes_are_apart(sim: Simulation) -> None:
    for node in range(3):
        till = await sim.spawn(Till(), name="till", node=node)
        await till.tell(Till.put(node))
    await sim.crash(node=1)
    await sim.converge()
    assert [sim.state(Till, "till", node=node).coins for node in range(3)] == [0, 1, 2]


def test_a_handler_that_hangs_is_named_with_its_line() -> None:
    async def test(sim: Simulation) -> None:
        till = await sim.spawn(Till(), name="till")
        await till.tell(Till.hang())
        await sim.converge(within=60)

    with pytest.raises(
        NotConverged, match=r"till is in the middle of hang\(\), in hang, line \d+ of test_simul"
    ):
        run_simulation(test)


def test_a_test_that_waits_for_ever_ends_at_the_limit() -> None:
    async def test(sim: Simulation) -> None:
        till = await sim.spawn(Till(), name="till")
        await till.ask(Till.hang())

    with pytest.raises(NotConverged, match=r"limit of 3600 simulated s is over.*\n.*hang"):
        run_simulation(test, limit=3600)


def test_a_handler_that_goes_round_without_time_passing_is_named() -> None:
    async def test(sim: Simulation) -> None:
        till = await sim.spawn(Till(), name="till")
        await till.ask(Till.spin())

    with pytest.raises(NotConverged, match=r"no time passes\n.*spin"):
        run_simulation(test)


def test_an_invariant_of_ones_own_is_checked_at_every_commit() -> None:
    async def test(sim: Simulation) -> None:
        def never_three(sim: Simulation) -> None:
            assert all(till.coins != 3 for till in sim.states(Till)), "three coins"

        sim.always(never_three)
        till = await sim.spawn(Till(), name="till")
        for _ in range(5):
            await till.ask(Till.put(1))

    with pytest.raises(InvariantBroken, match="never_three: three coins") as caught:
        run_simulation(test)
    assert any("ask of put(1) returned" in note for note in caught.value.__notes__)


def test_an_invariant_that_raises_something_else_is_named_too() -> None:
    async def test(sim: Simulation) -> None:
        def looks_for_nothing(_: Simulation) -> str:
            return dict[str, str]()["nothing"]

        sim.always(looks_for_nothing)
        await sim.spawn(Till(), name="till")

    with pytest.raises(InvariantBroken, match="'nothing'"):
        run_simulation(test)


def test_what_a_test_asserts_comes_out_bare_and_with_the_story() -> None:
    async def test(sim: Simulation) -> None:
        till = await sim.spawn(Till(), name="till")
        assert await till.ask(Till.put(3)) == 4, "four"

    with pytest.raises(AssertionError, match="four") as caught:
        run_simulation(test, Plan([ops.wait(1.0), faults.crash()]))
    story = "\n".join(caught.value.__notes__)
    assert "Plan([wait(seconds=1.0), crash()])" in story
    assert "till has handled put(3)" in story
    assert "trace hash" in story


def test_a_story_has_at_most_forty_lines() -> None:
    async def test(sim: Simulation) -> None:
        till = await sim.spawn(Till(), name="till")
        for _ in range(100):
            await till.tell(Till.put(1))
        raise AssertionError

    with pytest.raises(AssertionError) as caught:
        run_simulation(test)
    (timeline,) = [note for note in caught.value.__notes__ if note.startswith("Timeline")]
    assert len(timeline.splitlines()) <= 40


def test_a_simulation_wants_a_virtual_clock() -> None:
    async def main() -> None:
        async with Simulation():
            raise AssertionError

    with pytest.raises(SimulationError, match="virtual clock: use @simulate"):
        trio.run(main)


def test_two_simulations_at_once_are_refused() -> None:
    async def test(_: Simulation) -> None:
        async with Simulation():
            raise AssertionError

    with pytest.raises(SimulationError, match="another simulation runs"):
        run_simulation(test)
    run_simulation(_nothing)  # and nothing of it is left


def test_an_invariant_that_nobody_would_await_is_refused() -> None:
    async def nobody_is_in_debt(_: Simulation) -> None:
        raise AssertionError

    async def test(sim: Simulation) -> None:
        sim.always(nobody_is_in_debt)

    with pytest.raises(SimulationError, match="nobody_is_in_debt cannot be async"):
        run_simulation(test)


async def _nothing(_: Simulation) -> None:
    pass


def test_a_simulation_in_a_block_of_ones_own() -> None:
    async def main() -> None:
        async with Simulation(seed=3) as sim:
            till = await sim.spawn(Till(), name="till")
            assert await till.ask(Till.put(1)) == 1

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_no_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        Simulation(nodes=0)


@simulate()
async def test_an_unknown_point_is_refused_with_those_there_are(sim: Simulation) -> None:
    with pytest.raises(ValueError, match=r"no point 'turn\.start'.*turn\.begin"):
        sim.crash_at("turn.start")


COUNT = {"runs": 0}


def test_a_handler_that_is_not_deterministic_is_reported_with_the_first_difference() -> None:
    @simulate()
    async def test(sim: Simulation) -> None:
        COUNT["runs"] += 1
        till = await sim.spawn(Till(), name="till")
        await till.tell(Till.put(COUNT["runs"]))

    with pytest.raises(NotDeterministic, match=r"event \d+ was .*put\(1\).* and .*put\(2\)"):
        test()


async def takes_two(sim: Simulation, other: Any) -> None:
    pass


def not_async(sim: Simulation) -> None:
    pass


@pytest.mark.parametrize("wrong", [takes_two, not_async])
def test_what_is_no_simulated_test_is_refused(wrong: Any) -> None:
    with pytest.raises(SimulationError):
        simulate()(wrong)


def test_simulate_without_parentheses_is_refused() -> None:
    with pytest.raises(SimulationError, match="with parentheses"):
        simulate(_nothing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
