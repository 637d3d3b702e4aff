"""OTP's supervisor, sentence by sentence: defaults, starts, exits and strategies.

Each test quotes what it checks; `backoff=None`, all is pure and on fake time. The budget and the shutdown
are in `test_conformance_limits.py`, requests, auto_shutdown and templates in `test_conformance_requests.py`.
"""

import pytest

from callboard.actors.exits import Exit, Finished, GaveUp, Killed, Stopped, is_normal
from callboard.supervision.actions import Ready, Start, Wait
from callboard.supervision.events import (
    Begin,
    Ignored,
    Started,
    StopDone,
)
from callboard.supervision.specs import Dynamic, Supervisor

from .fakes import BOOM, Done, Pawn, Told, child, supervisor

NORMAL: list[Exit] = [Finished(), Stopped("an operator"), GaveUp("too often")]
ABNORMAL: list[Exit] = [BOOM, Killed("its patience was over")]

# Defaults.


def test_a_child_is_permanent_unless_it_says_otherwise() -> None:
    """OTP: "restart: permanent"."""
    assert child("a").restart == "permanent"
    assert Supervisor("s").restart == "permanent"
    assert Dynamic("d", Pawn).restart == "permanent"


def test_a_worker_has_five_seconds_to_stop() -> None:
    """OTP: "shutdown: 5000 ms for a worker"."""
    assert child("a").patience == 5.0
    assert Dynamic("d", Pawn).patience == 5.0


def test_a_supervisor_has_all_the_time_it_wants_to_stop() -> None:
    """OTP: "infinity for a supervisor"; "the shutdown time must be set to infinity"."""
    assert Supervisor("s").terms.patience is None
    assert Dynamic("d", Pawn).terms.patience is None


def test_a_child_is_not_significant_unless_it_says_so() -> None:
    """OTP: "significant: false"."""
    assert not child("a").significant
    assert not Supervisor("s").significant


def test_flags_have_otps_defaults_but_elixirs_budget() -> None:
    """OTP: "strategy one_for_one, … period 5 s, auto_shutdown never"; the budget is Elixir's, 3 in 5 s."""
    spec = Supervisor("s")
    assert (spec.strategy, spec.auto_shutdown) == ("one_for_one", "never")
    assert (spec.intensity, spec.period) == (3, 5.0)


# Start.


def test_children_start_one_after_another_in_list_order() -> None:
    """OTP: "started in order from left to right according to this list"."""
    done = Done(supervisor("a", "b", "c"))
    assert done.steps == ["+a", "+b", "+c"]
    assert done.running() == ["a", "b", "c"]


def test_each_start_returns_before_the_next_begins() -> None:
    """OTP: "each start must return before the next begins"."""
    told = Told(supervisor("a", "b"))
    assert told.hear(Begin()) == [Start("a")]
    assert told.hear(Started("a")) == [Start("b")]
    assert told.hear(Started("b")) == [Ready()]


def test_a_supervisor_has_started_when_all_its_children_have() -> None:
    """OTP: "start_link/2 does not return until … all child processes have been started"."""
    done = Done(supervisor("a", "b"), begun=False)
    done.slow.add("b")
    done.say(Begin())
    assert not done.is_ready
    done.say(Started("b"))
    assert done.is_ready


def test_a_supervisor_without_children_starts() -> None:
    """OTP: the list of child specs may be empty."""
    assert Done(supervisor()).is_ready


def test_a_failing_first_start_stops_the_started_ones_in_reverse() -> None:
    """OTP: "the already started ones are terminated in reverse order and init fails"."""
    done = Done(supervisor("a", "b", "c", "d"), begun=False)
    done.broken["c"] = BOOM
    done.say(Begin())
    assert done.steps == ["+a", "+b", "+c", "-b", "-a"]
    assert isinstance(done.end, GaveUp)
    assert not done.is_ready
    assert "'c' did not start" in done.end.text


def test_a_failing_first_start_is_not_tried_again() -> None:
    """OTP: "If one fails during the supervisor's own init, … init fails with {shutdown, Reason}"."""
    done = Done(supervisor("a", intensity=100), begun=False)
    done.broken["a"] = BOOM
    done.say(Begin())
    assert done.steps == ["+a"]
    assert done.of(Wait) == []
    assert done.end is not None


def test_a_child_that_ignores_its_start_is_kept_and_does_not_run() -> None:
    """OTP: "A child may return ignore: kept in the list with pid undefined"."""
    told = Told(supervisor("a", "b"))
    told.hear(Begin())
    assert told.hear(Ignored("a")) == [Start("b")]
    assert told.hear(Started("b")) == [Ready()]
    assert told.statuses() == {"a": "down", "b": "running"}


def test_a_temporary_child_that_ignores_its_start_is_not_kept() -> None:
    """OTP: "the child specification is kept by the supervisor (unless it is a temporary child)"."""
    done = Done(supervisor(child("a", restart="temporary")), begun=False)
    done.slow.add("a")
    done.say(Begin())
    done.say(Ignored("a"))
    assert done.forgotten == ["a"]
    assert done.statuses() == {}


# Exit to action.


@pytest.mark.parametrize("exit", NORMAL + ABNORMAL)
def test_a_permanent_child_is_always_restarted(exit: Exit) -> None:
    """OTP: "permanent: always restart"."""
    done = Done(supervisor("a"))
    done.fail("a", exit=exit)
    assert done.steps == ["+a", "+a"]


@pytest.mark.parametrize("exit", NORMAL)
def test_a_transient_child_is_left_alone_after_a_normal_exit(exit: Exit) -> None:
    """OTP: "restart unless the reason is normal, shutdown or {shutdown, _}"."""
    done = Done(supervisor(child("a", restart="transient")))
    done.fail("a", exit=exit)
    assert done.steps == ["+a"]
    assert done.statuses() == {"a": "down"}
    assert done.forgotten == []


@pytest.mark.parametrize("exit", ABNORMAL)
def test_a_transient_child_is_restarted_after_an_abnormal_exit(exit: Exit) -> None:
    """OTP: "transient: restart unless the reason is normal, shutdown or {shutdown, _}"."""
    done = Done(supervisor(child("a", restart="transient")))
    done.fail("a", exit=exit)
    assert done.steps == ["+a", "+a"]


@pytest.mark.parametrize("exit", NORMAL + ABNORMAL)
def test_a_temporary_child_is_never_restarted_and_its_spec_is_deleted(exit: Exit) -> None:
    """OTP: "temporary: never restart and its spec is deleted"."""
    done = Done(supervisor(child("a", restart="temporary"), "b"))
    done.fail("a", exit=exit)
    assert done.steps == ["+a", "+b"]
    assert done.forgotten == ["a"]
    assert done.statuses() == {"b": "running"}


def test_exits_are_normal_exactly_as_in_otp() -> None:
    """OTP: "normal, shutdown or {shutdown, _}"; a supervisor that gave up has the reason shutdown."""
    assert [is_normal(each) for each in NORMAL + ABNORMAL] == [True, True, True, False, False]


def test_a_normal_end_costs_no_budget() -> None:
    """OTP: only a restart is added to the list of restarts."""
    done = Done(supervisor(*(child(name, restart="transient") for name in "abcdef"), intensity=1))
    done.fail(*"abcdef", exit=Finished())
    assert done.end is None
    assert done.state.restarts == ()


def test_an_exit_of_somebody_unknown_is_no_news() -> None:
    """OTP: an EXIT from a pid that is no child changes nothing."""
    done = Done(supervisor("a"))
    assert done.fail("stranger") == []


# Strategies.


def test_one_for_one_touches_only_the_one_that_failed() -> None:
    """OTP: "one_for_one: only that child"."""
    done = Done(supervisor("a", "b", "c"))
    done.take_steps()
    done.fail("b")
    assert done.steps == ["+b"]


def test_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() -> None:
    """OTP: "terminate all others in reverse start order, then start all again in start order"."""
    done = Done(supervisor("a", "b", "c", "d", strategy="one_for_all"))
    done.take_steps()
    done.fail("b")
    assert done.steps == ["-d", "-c", "-a", "+a", "+b", "+c", "+d"]


def test_rest_for_one_stops_those_after_it_in_reverse_and_starts_it_and_them() -> None:
    """OTP: "terminate those after it in start order (reverse), then start it and them"."""
    done = Done(supervisor("a", "b", "c", "d", strategy="rest_for_one"))
    done.take_steps()
    done.fail("b")
    assert done.steps == ["-d", "-c", "+b", "+c", "+d"]


def test_rest_for_one_of_the_last_touches_only_the_last() -> None:
    """OTP: "the 'rest' of the child processes (that is, … after the terminated child process)"."""
    done = Done(supervisor("a", "b", strategy="rest_for_one"))
    done.take_steps()
    done.fail("b")
    assert done.steps == ["+b"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_temporary_sibling_is_stopped_and_not_started_again(strategy: str) -> None:
    """OTP: "never restarted (even when … a sibling's death causes the … process to be terminated)"."""
    done = Done(supervisor("a", child("b", restart="temporary"), "c", strategy=strategy))
    done.take_steps()
    done.fail("a")
    assert done.steps == ["-c", "-b", "+a", "+c"]


def test_a_temporary_sibling_that_was_stopped_is_forgotten() -> None:
    """OTP: temporary children "should be skipped when building the list of terminated children"."""
    done = Done(supervisor("a", child("b", restart="temporary"), strategy="one_for_all"))
    done.fail("a")
    assert done.forgotten == ["b"]
    assert done.statuses() == {"a": "running"}


def test_a_transient_sibling_that_had_finished_starts_again_with_its_group() -> None:
    """OTP: "terminated and then all child processes are restarted", whatever they were doing."""
    done = Done(supervisor("a", child("b", restart="transient"), strategy="one_for_all"))
    done.fail("b", exit=Finished())
    done.take_steps()
    done.fail("a")
    assert done.steps == ["+a", "+b"]


def test_a_restarted_child_keeps_its_place_in_the_order() -> None:
    """OTP: restart replaces the pid; the list of ids stays."""
    done = Done(supervisor("a", "b", "c"))
    done.fail("a")
    assert list(done.state.children) == ["a", "b", "c"]


def test_a_normal_end_of_a_transient_child_leaves_its_siblings_alone() -> None:
    """OTP: "If one child process terminates and is to be restarted": only then."""
    done = Done(supervisor("a", child("b", restart="transient"), "c", strategy="one_for_all"))
    done.take_steps()
    done.fail("b", exit=Finished())
    assert done.steps == []


def test_a_sibling_that_dies_while_its_group_is_stopped_counts_no_more() -> None:
    """OTP: unlink_flush takes the EXIT of a child that died before it was told to stop."""
    done = Done(supervisor("a", "b", "c", strategy="one_for_all", intensity=1))
    done.slow.add("c")
    done.fail("a")
    done.fail("b")
    assert done.status("b").value == "exited"
    done.slow.clear()
    done.say(StopDone("c", Stopped("top")))
    assert done.running() == ["a", "b", "c"]
    assert len(done.state.restarts) == 1


def test_an_exit_outside_the_group_waits_until_the_group_is_restarted() -> None:
    """OTP: the EXIT stays in the mailbox while the supervisor restarts others."""
    done = Done(supervisor("a", "b", "c", strategy="rest_for_one"))
    done.take_steps()
    done.slow.add("c")
    done.fail("b")
    done.fail("a")
    assert done.steps == ["-c"]
    done.slow.clear()
    done.say(StopDone("c", Stopped("top")))
    assert done.steps == ["-c", "+b", "+c", "-c", "-b", "+a", "+b", "+c"]
    assert len(done.state.restarts) == 2
