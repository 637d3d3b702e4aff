"""What is ours and not OTP's: back-off, a shutdown that overtakes, and the report of what led to the end."""

import pytest

from callboard.actors.exits import Failed, Finished, GaveUp, Stopped
from callboard.supervision.actions import End, Start, Stop, Wait
from callboard.supervision.backoff import Backoff
from callboard.supervision.budget import spend
from callboard.supervision.events import (
    Begin,
    DeleteChild,
    Event,
    Exited,
    RestartChild,
    RetryDue,
    ShutDown,
    StartChild,
    Started,
    StartFailed,
    StopDone,
    TerminateChild,
)
from callboard.supervision.history import LONGEST, REMEMBERED
from callboard.supervision.specs import Dynamic, Supervisor
from callboard.supervision.state import Phase
from callboard.supervision.strategies import group
from callboard.supervision.views import explain, which_children

from .fakes import BOOM, Done, Pawn, Told, child, shut_down, supervisor

STEADY = Backoff(first=1, longest=8, factor=2, reset_after=60, jitter=0)


def waits(done: Done) -> list[float]:
    """Seconds of all waits so far."""
    return [wait.seconds for wait in done.of(Wait) if isinstance(wait, Wait)]


# Back-off.


def test_a_child_is_restarted_when_the_wait_is_over_and_not_before() -> None:
    done = Done(supervisor("a", "b", backoff=STEADY))
    done.take_steps()
    done.fail("a")
    assert done.statuses() == {"a": "restarting", "b": "running"}
    done.sleep(0.999)
    assert done.steps == []
    done.sleep(0.001)
    assert done.steps == ["+a"]


def test_waits_grow_until_the_longest() -> None:
    done = Done(supervisor("a", backoff=STEADY, intensity=100))
    for _ in range(6):
        done.fail("a")
        done.sleep(10)
    assert waits(done) == [1, 2, 4, 8, 8, 8]


def test_each_child_has_waits_of_its_own() -> None:
    done = Done(supervisor("a", "b", backoff=STEADY, intensity=100))
    for name in "aab":
        done.fail(name)
        done.sleep(10)
    assert waits(done) == [1, 2, 1]


def test_waits_begin_again_after_a_quiet_time() -> None:
    done = Done(supervisor("a", backoff=STEADY))
    for quiet in [0, 59.9, 60]:
        done.sleep(quiet)
        done.fail("a")
        done.sleep(waits(done)[-1])
    assert waits(done) == [1, 2, 1]


def test_jitter_moves_a_wait_by_its_part() -> None:
    jittery = Backoff(first=1, jitter=0.2)
    for random, seconds in [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)]:
        done = Done(supervisor("a", backoff=jittery), random=random)
        done.fail("a")
        assert waits(done) == pytest.approx([seconds])


def test_a_restart_counts_when_it_is_decided_so_giving_up_does_not_wait() -> None:
    done = Done(supervisor("a", backoff=STEADY, intensity=0))
    done.fail("a")
    assert waits(done) == []
    assert done.end is not None


def test_a_restart_after_a_wait_counts_once() -> None:
    done = Done(supervisor("a", backoff=STEADY))
    done.fail("a")
    done.sleep(1)
    assert len(done.state.restarts) == 1


def test_a_failed_restart_counts_again_and_waits_longer() -> None:
    done = Done(supervisor("a", backoff=STEADY, intensity=3, period=100))
    done.broken["a"] = BOOM
    done.fail("a")
    done.sleep(100)
    assert waits(done) == [1, 0, 2, 0, 4, 0]
    assert done.take_steps() == ["+a"] * 4
    assert isinstance(done.end, GaveUp)


def test_the_default_budget_stops_a_child_that_fails_at_once_for_ever() -> None:
    done = Done(supervisor("a", backoff=Backoff()))
    done.broken["a"] = BOOM
    done.fail("a")
    done.sleep(5)
    assert done.end is not None


def test_a_group_is_stopped_at_once_and_waits_together() -> None:
    done = Done(supervisor("a", "b", "c", strategy="one_for_all", backoff=STEADY))
    done.take_steps()
    done.fail("b")
    assert done.take_steps() == ["-c", "-a"]
    assert done.statuses() == dict.fromkeys("abc", "restarting")
    done.sleep(1)
    assert done.steps == ["+a", "+b", "+c"]


def test_a_shutdown_gets_between_failure_and_restart() -> None:
    done = Done(supervisor("a", "b", backoff=STEADY))
    done.take_steps()
    done.fail("a")
    shut_down(done)
    done.sleep(10)
    assert done.steps == ["-b"]
    assert done.end == Stopped("its supervisor")


def test_terminating_the_one_that_failed_leaves_nobody_of_its_group_behind() -> None:
    done = Done(supervisor("a", "b", "c", strategy="one_for_all", backoff=STEADY))
    done.fail("b")
    assert done.ask(TerminateChild(1, "b")) == "ok"
    done.sleep(1)
    assert done.statuses() == {"a": "running", "b": "down", "c": "running"}


def test_a_wait_that_was_overtaken_is_not_heeded() -> None:
    done = Done(supervisor("a", "b", "c", strategy="rest_for_one", backoff=STEADY))
    done.fail("b")
    done.sleep(0.5)
    done.fail("a")
    done.take_steps()
    done.sleep(0.6)
    assert done.steps == []
    done.sleep(0.4)
    assert done.steps == ["+a", "+b", "+c"]


def test_the_waits_of_an_earlier_life_are_not_heeded() -> None:
    done = Done(supervisor("a", backoff=STEADY, intensity=100))
    done.fail("a")
    done.ask(TerminateChild(1, "a"))
    done.ask(RestartChild(2, "a"))
    done.fail("a")
    done.take_steps()
    done.say(RetryDue("a", 1, counted=True))
    assert done.steps == []
    done.say(RetryDue("a", 2, counted=True))
    assert done.steps == ["+a"]


def test_a_restart_within_a_group_that_fails_waits_with_those_behind_it() -> None:
    done = Done(supervisor("a", "b", "c", strategy="rest_for_one", backoff=STEADY))
    done.broken["b"] = BOOM
    done.fail("a")
    done.sleep(1)
    assert done.statuses() == {"a": "running", "b": "restarting", "c": "restarting"}
    done.broken.clear()
    done.sleep(1)
    assert done.running() == ["a", "b", "c"]


def test_terminating_one_that_did_not_start_leaves_nobody_of_its_group_behind() -> None:
    done = Done(supervisor("a", "b", "c", strategy="rest_for_one", backoff=STEADY))
    done.broken["b"] = BOOM
    done.fail("a")
    done.held = True
    done.say(RetryDue("a", 1, counted=True))
    assert done.statuses() == {"a": "running", "b": "restarting", "c": "restarting"}
    assert done.ask(TerminateChild(1, "b")) == "ok"
    done.sleep(3)
    assert done.statuses() == {"a": "running", "b": "down", "c": "running"}


def test_a_restart_by_hand_begins_the_waits_anew_and_leaves_the_budget() -> None:
    done = Done(supervisor("a", backoff=STEADY))
    done.fail("a")
    done.sleep(1)
    done.ask(TerminateChild(1, "a"))
    done.ask(RestartChild(2, "a"))
    done.fail("a")
    assert waits(done) == [1, 1]
    assert len(done.state.restarts) == 2


def test_of_two_ends_the_last_is_decided_about_if_the_first_was_absorbed() -> None:
    spec = supervisor("a", child("b", restart="transient"), "c", strategy="one_for_all")
    done = Done(spec)
    done.slow.add("new")
    done.ask(StartChild(1, child("new", restart="temporary")))
    done.fail("a", "b")
    done.slow = {"c"}
    done.say(Started("new"))
    done.say(StopDone("c", Stopped("top")))
    done.fail("b", exit=Finished())
    done.say(Started("c"))
    assert done.statuses() == {"a": "running", "b": "down", "c": "running"}


# A shutdown overtakes whatever is being done.


def told(*events: Event, spec: Supervisor | None = None) -> Told:
    """A supervisor of a, b and c that has heard these."""
    one = Told(spec or supervisor("a", "b", "c", strategy="one_for_all"))
    for event in (Begin(), *events):
        one.hear(event)
    return one


ALL = (Started("a"), Started("b"), Started("c"))


def test_a_child_that_never_starts_does_not_keep_its_supervisor_from_stopping() -> None:
    one = told(Started("a"))
    assert one.hear(ShutDown("me")) == [Stop("b", 5.0)]
    assert one.hear(Started("b")) == []
    assert one.hear(StopDone("b", Stopped("top"))) == [Stop("a", 5.0)]
    assert one.hear(StopDone("a", Stopped("top"))) == [End(Stopped("me"))]
    assert explain(one.spec, one.state) == "supervisor 'top' was stopped by me"


def test_a_start_that_fails_while_it_is_stopped_is_over_with_the_stop() -> None:
    one = told()
    one.hear(ShutDown("me"))
    assert one.hear(StartFailed("a", BOOM)) == []
    assert one.hear(StopDone("a", BOOM)) == [End(Stopped("me"))]


def test_a_shutdown_while_a_group_is_stopped_starts_nobody() -> None:
    one = told(*ALL, Exited("a", BOOM))
    assert one.hear(ShutDown("me")) == []
    assert one.hear(StopDone("c", Stopped("top"))) == [Stop("b", 5.0)]
    assert one.hear(StopDone("b", Stopped("top"))) == [End(Stopped("me"))]


def test_requests_that_a_shutdown_overtakes_are_denied() -> None:
    done = Done(supervisor("a", "b"))
    done.slow.add("a")
    done.ask(TerminateChild(1, "a"))
    done.ask(StartChild(2, child("c")))
    shut_down(done)
    assert (done.answer(1), done.answer(2)) == ("shutting_down", "shutting_down")
    done.say(StopDone("a", Stopped("top")))
    assert done.end == Stopped("its supervisor")
    assert done.ask(DeleteChild(3, "a")) == "shutting_down"


def test_a_new_child_that_is_just_starting_is_stopped_too() -> None:
    done = Done(supervisor("a"))
    done.slow.add("b")
    done.ask(StartChild(1, child("b")))
    done.slow.clear()
    done.take_steps()
    shut_down(done)
    assert done.answer(1) == "shutting_down"
    assert done.steps == ["-b", "-a"]


def test_giving_up_stays_the_reason_if_a_shutdown_comes_meanwhile() -> None:
    done = Done(supervisor("a", "b", intensity=0))
    done.slow.add("b")
    done.fail("a")
    shut_down(done)
    done.say(StopDone("b", Stopped("top")))
    assert isinstance(done.end, GaveUp)


def test_a_child_that_exits_while_its_supervisor_stops_needs_no_stop() -> None:
    done = Done(supervisor("a", "b"))
    done.slow.add("b")
    shut_down(done)
    done.fail("a")
    done.take_steps()
    done.say(StopDone("b", Stopped("top")))
    assert done.steps == []
    assert done.end is not None


def test_a_supervisor_that_was_never_begun_just_ends() -> None:
    done = Done(supervisor("a"), begun=False)
    assert done.ask(TerminateChild(1, "a")) == ""
    shut_down(done)
    assert done.answer(1) == "shutting_down"
    done.say(Begin())
    assert done.steps == []
    assert done.end == Stopped("its supervisor")


def test_a_template_stops_all_while_one_is_being_terminated() -> None:
    pool = Dynamic("d", Pawn)
    done = Done(pool, more=[pool.child("x"), pool.child("y")])
    assert done.take_steps() == ["+x", "+y"]
    done.slow.add("x")
    done.ask(TerminateChild(1, "x"))
    shut_down(done)
    assert done.take_steps() == ["-x", "-y"]
    done.say(StopDone("x", Stopped("d")))
    assert done.end is not None


def test_nobody_is_forgotten_because_the_supervisor_stops() -> None:
    done = Done(supervisor(child("a", restart="temporary"), "b"))
    shut_down(done)
    assert done.forgotten == []
    assert done.statuses() == {"a": "down", "b": "down"}


def test_after_the_end_all_else_is_ignored() -> None:
    done = Done(supervisor("a"))
    shut_down(done)
    ended = done.state
    late: list[Event] = [Exited("a", BOOM), Started("a"), ShutDown("x"), Begin(), StopDone("a", BOOM)]
    for event in late:
        assert done.say(event) == []
    assert done.state == ended
    assert ended.phase is Phase.ENDED


# What can be asked and seen.


def test_children_added_in_an_earlier_life_start_after_the_declared_ones() -> None:
    done = Done(supervisor("a", "b"), more=[child("c")])
    assert done.steps == ["+a", "+b", "+c"]


@pytest.mark.parametrize("new", [child("top"), Supervisor("top")])
def test_a_child_cannot_have_its_supervisors_name(new: Supervisor) -> None:
    assert Done(supervisor("a")).ask(StartChild(1, new)) == "invalid"


def test_a_dynamic_takes_only_what_its_template_makes() -> None:
    assert Done(Dynamic("d", Pawn)).ask(StartChild(1, Supervisor("s"))) == "invalid"


def test_deciding_leaves_the_state_it_was_given_as_it_was() -> None:
    one = told(*ALL)
    before, children = one.state, dict(one.state.children)
    one.hear(Exited("a", BOOM))
    assert before.children == children
    assert one.state != before


def test_a_start_is_asked_for_with_the_spec_in_the_state() -> None:
    one = told(*ALL)
    new = child("d")
    assert one.hear(StartChild(1, new)) == [Start("d")]
    assert one.state.children["d"].spec is new


def test_which_children_says_since_when_and_how_often() -> None:
    done = Done(supervisor("a", backoff=STEADY))
    done.fail("a")
    done.sleep(1)
    (view,) = which_children(done.state)
    assert (view.kind, view.waits, view.since) == ("worker", 1, done.now)


# The report.


def test_a_report_has_names_times_and_errors_in_order() -> None:
    done = Done(supervisor("till", "stock", intensity=1))
    done.fail("till", exit=Failed("ValueError", "no paper"))
    done.now += 1.25
    done.fail("stock", exit=Failed("KeyError", "'apples'"))
    assert explain(done.spec, done.state).splitlines() == [
        "supervisor 'top' gave up: 2 restarts were needed within 5 s and intensity=1 allows 1",
        "  1.250 s before  'till' failed: ValueError: no paper",
        "         at last  'stock' failed: KeyError: 'apples'",
    ]


def test_the_report_of_a_supervisor_below_is_part_of_it() -> None:
    below = Done(supervisor("x", intensity=0))
    below.fail("x")
    above = Done(Supervisor("root", [below.spec], intensity=0, backoff=None))
    assert below.end is not None
    above.fail("top", exit=below.end)
    assert explain(above.spec, above.state).splitlines() == [
        "supervisor 'root' gave up: a restart was needed and intensity=0 allows none",
        "         at last  'top' gave up: a restart was needed and intensity=0 allows none",
        "                           at last  'x' failed: ValueError: boom",
    ]


def test_a_start_that_failed_is_told_apart_from_a_failure() -> None:
    done = Done(supervisor("a"), begun=False)
    done.broken["a"] = BOOM
    done.say(Begin())
    assert "'a' did not start: it failed: ValueError: boom" in explain(done.spec, done.state)


def test_what_is_remembered_is_bounded() -> None:
    done = Done(supervisor("a", intensity=1000))
    for number in range(100):
        done.fail("a", exit=Failed("E", f"{number} " + "x" * 99_999))
    assert len(done.state.history) == REMEMBERED
    assert all(len(each.exit.text) == LONGEST for each in done.state.history if isinstance(each.exit, Failed))
    assert "20 failures" in explain(done.spec, done.state)


def test_a_supervisor_without_failures_has_little_to_say() -> None:
    done = Done(supervisor(child("a", restart="transient")))
    done.fail("a", exit=Finished())
    assert explain(done.spec, done.state) == "supervisor 'top': 0 failures are remembered"


# Small parts.


def test_a_budget_keeps_the_newest_first_and_drops_what_is_out_of_the_window() -> None:
    assert spend((9.0, 5.0, 4.0), 10.0, 3, 5.0) == ((10.0, 9.0, 5.0), True)
    assert spend((9.0, 5.0, 4.0), 10.0, 2, 5.0) == ((10.0, 9.0, 5.0), False)
    assert spend((), 0.0, 0, 5.0) == ((0.0,), False)


def test_a_group_is_in_start_order() -> None:
    assert group("one_for_one", "abc", "b") == ("b",)
    assert group("one_for_all", "abc", "b") == ("a", "b", "c")
    assert group("rest_for_one", "abc", "b") == ("b", "c")
