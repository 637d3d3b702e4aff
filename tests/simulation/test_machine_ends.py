"""How machines end, whatever happens to them; and mistakes in writing one."""

import signal
import threading
from typing import Any

import pytest
import trio
from hypothesis import strategies as st
from hypothesis.errors import InvalidDefinition
from hypothesis.stateful import precondition

from callboard.testing import InvariantBroken, NotConverged, SimulationError, faults, ops
from callboard.testing.machine import ActorMachine
from callboard.testing.rules import always, rule

from .banks import Account, Bank, GoodBank, Idle, by_hand, play, run, steps_of

# How it ends.


def failing_in(where: str) -> type[ActorMachine]:
    class Failing(Bank):
        @rule()
        async def in_rule(self) -> None:
            assert where != "rule", "as planned"

        @rule()
        async def in_commit(self) -> None:
            await self.sim.ref(Account, "ann").tell(Account.deposit(1))

        @always
        def broken(self) -> None:
            assert where != "commit", "as planned"

        @rule()
        async def in_nothing(self) -> None:
            if where == "limit":
                await trio.sleep_forever()
            while where == "spin":
                await trio.lowlevel.checkpoint()

        async def check(self) -> None:
            assert where != "check", "as planned"

    return Failing


@pytest.mark.parametrize(
    ("where", "rule", "error", "text"),
    [
        ("rule", "in_rule", AssertionError, "as planned"),
        ("commit", "in_commit", InvariantBroken, "broken: as planned"),
        ("limit", "in_nothing", NotConverged, "the limit of"),
        ("spin", "in_nothing", NotConverged, "round and round"),
        ("check", "teardown", AssertionError, "as planned"),
    ],
)
def test_a_failure_comes_out_of_its_step_and_ends_the_simulation(
    where: str, rule: str, error: type[Exception], text: str
) -> None:
    state = failing_in(where)()
    play(state, "open")
    with pytest.raises(error, match=text) as caught:
        play(state, rule)
    assert any(note.startswith("Plan: [open()") for note in caught.value.__notes__)
    assert not trio.lowlevel.in_trio_run()
    with pytest.raises(SimulationError, match="is over"):
        play(state, "in_rule")
    state.teardown()
    with by_hand(Idle) as another:
        play(another, "rest")


def test_a_failing_check_is_found_and_shrunk_to_nothing_else() -> None:
    with pytest.raises(AssertionError, match="as planned") as caught:
        run(failing_in("check"))
    assert steps_of(caught.value)[-1] == "state.teardown()"
    assert not trio.lowlevel.in_trio_run()


def test_work_that_does_not_end_fails_the_teardown() -> None:
    class Endless(GoodBank, within=5.0):
        @rule()
        async def start(self) -> None:
            self.sim.clients_running += 1

    state = Endless()
    play(state, "open")
    play(state, "start")
    with pytest.raises(NotConverged, match="work is left after 5 simulated s"):
        state.teardown()


def test_an_error_between_steps_leaves_nothing_running() -> None:
    class Broken(Idle):
        @precondition(lambda self: 1 / 0 > 0)
        @rule()
        async def never(self) -> None:
            """Nobody comes here."""

    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        run(Broken)
    assert not trio.lowlevel.in_trio_run()
    assert threading.active_count() == threads


@pytest.mark.parametrize("during", [True, False])
def test_ctrl_c_ends_a_machine_in_and_between_steps(during: bool) -> None:
    class Stopped(Idle):
        @rule()
        async def stop(self) -> None:
            if during:
                signal.raise_signal(signal.SIGINT)
            await trio.sleep(1)

    state = Stopped()
    play(state, "rest")
    if not during:
        signal.raise_signal(signal.SIGINT)  # heard when the next step begins
    with pytest.raises(KeyboardInterrupt):
        play(state, "stop")
    state.teardown()
    assert not trio.lowlevel.in_trio_run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def fail_in(state: ActorMachine) -> None:
    try:
        raise ValueError
    finally:
        state.teardown()


def test_an_error_on_its_way_is_not_hidden_by_the_teardown() -> None:
    state = failing_in("check")()
    play(state, "open")
    with pytest.raises(ValueError):
        fail_in(state)


def test_an_example_that_hypothesis_breaks_off_leaves_nothing_running() -> None:
    class Greedy(Idle):
        began = 0

        @rule(data=st.data())
        async def draw(self, data: st.DataObject) -> None:
            Greedy.began += 1
            data.draw(st.binary(min_size=6000))

    run(Greedy)
    assert Greedy.began > 5
    assert not trio.lowlevel.in_trio_run()


def test_ctrl_c_is_not_lost_when_an_error_is_on_its_way() -> None:
    state = Idle()
    play(state, "rest")
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fail_in(state)


def test_a_machine_that_never_began_has_nothing_to_tear_down() -> None:
    Idle().teardown()


def test_a_machine_whose_simulation_has_ended_does_not_hold_the_next() -> None:
    for _ in range(3):
        with by_hand(Idle) as state:
            play(state, "rest")


# Mistakes.


def derive(members: dict[str, Any], **options: Any) -> type[ActorMachine]:
    return type("Mistaken", (Idle,), members, **options)


@rule()
async def crash(self: ActorMachine) -> None:
    """Not the fault."""


@pytest.mark.parametrize(
    ("members", "options", "text"),
    [
        ({}, {"nodes": 0}, "Mistaken: a simulation has at least one node; got nodes=0"),
        ({}, {"nodes": "2"}, "got nodes='2'"),
        ({}, {"faults": faults.crash}, "write faults=(faults.crash, ...); got faults=<operation crash>"),
        ({}, {"faults": (faults.crash(),)}, "crash() is no fault"),
        ({}, {"faults": ["crash"]}, "'crash' is no fault: take them from callboard.testing.faults"),
        ({}, {"faults": (ops.ask(st.just("ann"), st.nothing()),)}, "<operation ask> is no fault"),
        ({}, {"faults": (faults.crash, faults.crash)}, "two faults are named crash"),
        (
            {"crash": crash},
            {"faults": (faults.crash,)},
            "Mistaken.crash stands in the place of the fault crash",
        ),
        ({"wait": crash}, {}, "Mistaken.wait stands in the place of the rule that every machine has wait"),
        ({"faults": faults.ALL}, {}, "would mean nothing: write class Mistaken(ActorMachine, faults=...)"),
        ({"nodes": 3}, {}, "Mistaken.nodes in the body of the class would mean nothing"),
        ({}, {"speed": 1}, "there is no option speed=; there are faults, idle, limit, linked, nodes"),
    ],
)
def test_a_machine_that_cannot_be_is_refused_with_the_remedy(
    members: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(SimulationError) as caught:
        derive(members, **options)
    assert text in str(caught.value)


def test_a_rule_may_have_the_name_of_a_fault_that_is_not_asked_for() -> None:
    with by_hand(derive({"crash": crash})) as state:
        play(state, "crash")
        assert state.sim.nodes[0].lives == 1


def test_an_async_rule_outside_a_machine_is_refused() -> None:
    class NoMachine:
        @rule()
        async def pay(self) -> None:
            """Nobody would await it."""

    with pytest.raises(
        SimulationError, match=r"pay is async, and nobody awaits the rules of NoMachine: derive it"
    ):
        play(NoMachine(), "pay")


def test_rules_may_come_from_a_class_that_is_no_machine() -> None:
    class Rests:
        @rule()
        async def doze(self) -> None:
            await trio.sleep(1)

    class Mixed(Rests, Idle):
        """Both."""

    with by_hand(Mixed) as state:
        assert play(state, "doze") is None


def test_what_is_asked_within_a_commit_or_between_steps_cannot_be_async() -> None:
    async def ask(self: ActorMachine) -> bool:
        return True

    lookup: Any = ask
    with pytest.raises(SimulationError, match="ask cannot be async"):
        always(ask)
    with pytest.raises(SimulationError, match=r"a precondition of .*crash is async"):
        derive({"crash": precondition(lookup)(crash)})


def test_two_machines_cannot_run_at_once() -> None:
    with by_hand(Idle) as state:
        play(state, "rest")
        with pytest.raises(SimulationError, match="another machine's simulation has not ended"):
            play(Idle(), "rest")
        play(state, "rest")


async def test_a_machine_cannot_run_inside_an_async_test() -> None:
    with pytest.raises(SimulationError, match="inside a run of trio"):
        play(Idle(), "rest")


def test_a_machine_without_rules_of_its_own_can_still_wait_and_break() -> None:
    class Bare(ActorMachine, faults=(faults.crash,), types=[]):
        """Nothing."""

    run(Bare, 5)
    with pytest.raises(InvalidDefinition, match="defines no rules"):
        ActorMachine()
