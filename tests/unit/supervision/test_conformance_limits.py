"""OTP's supervisor, sentence by sentence: the budget of restarts, retries, giving up and shutdown."""

import pytest

from callboard.actors.exits import Failed, Finished, GaveUp, Killed, Stopped
from callboard.supervision.actions import End, Start, Stop, Wait
from callboard.supervision.events import (
    Begin,
    Exited,
    RetryDue,
    ShutDown,
    Started,
    StartFailed,
    StopDone,
    TerminateChild,
)
from callboard.supervision.specs import Supervisor

from .fakes import BOOM, Done, Told, child, shut_down, supervisor

# Intensity.


def fail_at(done: Done, *times: float) -> None:
    """The child `a` fails at these seconds after the start."""
    start = done.now
    for time in times:
        done.now = start + time
        done.fail("a")


def test_intensity_one_means_that_the_second_restart_ends_it() -> None:
    """OTP: "intensity 1 means the second restart within the window ends it"."""
    done = Done(supervisor("a", intensity=1))
    fail_at(done, 0)
    assert done.end is None
    fail_at(done, 1)
    assert isinstance(done.end, GaveUp)


def test_intensity_zero_means_never_restart() -> None:
    """OTP: "intensity 0 means never restart"."""
    done = Done(supervisor("a", intensity=0))
    done.fail("a")
    assert done.steps == ["+a"]
    assert isinstance(done.end, GaveUp)


@pytest.mark.parametrize("intensity", [1, 2, 5])
def test_as_many_restarts_are_allowed_as_intensity_says(intensity: int) -> None:
    """OTP: "allowed if length <= Intensity"."""
    done = Done(supervisor("a", intensity=intensity))
    fail_at(done, *[0.1] * intensity)
    assert done.end is None
    done.fail("a")
    assert done.end is not None


def test_the_window_is_inclusive() -> None:
    """OTP: "keep entries >= Now - Period (inclusive)"."""
    done = Done(supervisor("a", intensity=1, period=5))
    fail_at(done, 0, 5)
    assert done.end is not None


def test_a_restart_longer_ago_than_the_period_is_forgotten() -> None:
    """OTP: "keep entries >= Now - Period"."""
    done = Done(supervisor("a", intensity=1, period=5))
    fail_at(done, 0, 5.001, 10.002)
    assert done.end is None
    assert len(done.state.restarts) == 1


def test_there_is_one_budget_for_all_children() -> None:
    """OTP: "One list of restart times per supervisor, not per child"."""
    done = Done(supervisor("a", "b", "c", intensity=2))
    done.fail("a", "b")
    assert done.end is None
    done.fail("c")
    assert done.end is not None


def test_the_restart_of_a_group_counts_once() -> None:
    """OTP: "A one_for_all restart of 10 children counts as one"."""
    done = Done(supervisor(*"abcdefghij", strategy="one_for_all", intensity=1))
    done.fail("e")
    assert done.end is None
    assert len(done.state.restarts) == 1


def test_a_failed_restart_goes_back_through_the_mailbox() -> None:
    """OTP: "A start that fails during a restart is retried by a cast to self"."""
    told = Told(supervisor("a"))
    told.hear(Begin())
    told.hear(Started("a"))
    assert told.hear(Exited("a", BOOM)) == [Start("a")]
    retry = RetryDue("a", 1, counted=False)
    assert told.hear(StartFailed("a", BOOM)) == [Wait(0.0, retry)]
    assert told.statuses() == {"a": "restarting"}
    assert told.hear(retry) == [Start("a")]


def test_each_retry_of_a_restart_counts() -> None:
    """OTP: "each retry counts"."""
    done = Done(supervisor("a", intensity=4))
    done.broken["a"] = BOOM
    done.fail("a")
    assert done.steps == ["+a"] * (1 + 4)
    assert isinstance(done.end, GaveUp)


def test_there_is_no_delay_between_retries() -> None:
    """OTP: "There is no delay between retries"; a back-off is our addition."""
    done = Done(supervisor("a", intensity=4))
    done.broken["a"] = BOOM
    done.fail("a")
    assert [wait.seconds for wait in done.of(Wait) if isinstance(wait, Wait)] == [0.0] * 4


def test_a_supervisor_stays_responsive_between_retries() -> None:
    """OTP: "This way other incoming requests … can be handled - e.g. a shutdown request"."""
    done = Done(supervisor("a", "b"))
    done.held = True
    done.broken["a"] = BOOM
    done.fail("a")
    assert done.status("a").value == "restarting"
    done.take_steps()
    shut_down(done)
    done.sleep(1)
    assert done.steps == ["-b"]
    assert done.end == Stopped("its supervisor")


def test_a_child_that_is_terminated_between_retries_is_not_tried_again() -> None:
    """OTP: try_again_restart restarts only a child that is still `restarting`."""
    done = Done(supervisor("a", "b"))
    done.held = True
    done.broken["a"] = BOOM
    done.fail("a")
    assert done.ask(TerminateChild(1, "a")) == "ok"
    done.take_steps()
    done.sleep(1)
    assert done.steps == []
    assert done.statuses() == {"a": "down", "b": "running"}


def test_a_start_that_fails_within_a_group_leaves_the_rest_for_the_retry() -> None:
    """OTP: children_map aborts at the failed one; it is `restarting`, those after it undefined."""
    done = Done(supervisor("a", "b", "c", strategy="one_for_all"))
    done.held = True
    done.broken["b"] = BOOM
    done.fail("a")
    assert done.statuses() == {"a": "running", "b": "restarting", "c": "down"}
    done.broken.clear()
    done.take_steps()
    done.sleep(0)
    assert done.steps == ["-a", "+a", "+b", "+c"]


def test_a_retry_under_rest_for_one_begins_at_the_one_that_did_not_start() -> None:
    """OTP: {try_again, FailedId}: the failed one and those after it; those before it run on."""
    done = Done(supervisor("a", "b", "c", "d", strategy="rest_for_one"))
    done.held = True
    done.broken["c"] = BOOM
    done.fail("b")
    assert done.statuses() == {"a": "running", "b": "running", "c": "restarting", "d": "down"}
    done.broken.clear()
    done.take_steps()
    done.sleep(0)
    assert done.steps == ["+c", "+d"]


def test_a_child_that_failed_twice_within_its_group_is_retried_twice() -> None:
    """OTP: each failed restart casts {try_again_restart, Id}, and each that finds it `restarting` counts."""
    done = Done(supervisor("a", "b", strategy="one_for_all", intensity=10))
    done.held = True
    done.broken["b"] = BOOM
    done.fail("b", "a")
    assert len(done.state.restarts) == 2
    assert [event.name for _, event in done.waits] == ["b", "b"]
    for _, event in list(done.waits):
        done.say(event)
    assert len(done.state.restarts) == 4


def test_giving_up_stops_all_children_in_reverse_and_then_ends() -> None:
    """OTP: "Exceeding: log, terminate all children, exit with reason shutdown"."""
    done = Done(supervisor("a", "b", "c", intensity=0))
    done.take_steps()
    done.fail("b")
    assert done.steps == ["-c", "-a"]
    assert isinstance(done.actions[-1], End)
    assert "gives up" in done.text


def test_a_transient_supervisor_that_gave_up_is_not_restarted() -> None:
    """OTP: "exits with shutdown, which is a normal reason for its parent, so it is not restarted"."""
    below = Done(supervisor("x", intensity=0))
    below.fail("x")
    assert below.end is not None
    above = Done(supervisor(Supervisor("s", restart="transient"), "b"))
    above.fail("s", exit=below.end)
    assert above.statuses() == {"s": "down", "b": "running"}


def test_a_permanent_supervisor_that_gave_up_is_restarted() -> None:
    """OTP: "only a permanent one is"."""
    above = Done(supervisor(Supervisor("s"), "b"))
    above.take_steps()
    above.fail("s", exit=GaveUp("too often"))
    assert above.steps == ["+s"]


def test_restarts_multiply_across_levels() -> None:
    """OTP: "total restarts multiply across levels (10 x 10 = 100)"."""
    above, starts = Done(supervisor(Supervisor("s"), intensity=3)), 0
    while above.end is None:
        below = Done(supervisor("x", intensity=3))
        while below.end is None:
            below.fail("x")
        starts += below.steps.count("+x")
        above.fail("s", exit=below.end)
    assert starts == (1 + 3) * (1 + 3)


# Shutdown.


def test_children_are_stopped_in_reverse_start_order_one_at_a_time() -> None:
    """OTP: "Reverse start order, one child at a time"."""
    told = Told(supervisor("a", "b", "c"))
    told.hear(Begin())
    for name in "abc":
        told.hear(Started(name))
    assert told.hear(ShutDown("me")) == [Stop("c", 5.0)]
    assert told.hear(StopDone("c", Stopped("top"))) == [Stop("b", 5.0)]
    assert told.hear(StopDone("b", Stopped("top"))) == [Stop("a", 5.0)]
    assert told.hear(StopDone("a", Stopped("top"))) == [End(Stopped("me"))]


def test_each_child_is_stopped_with_its_own_patience() -> None:
    """OTP: "wait shutdown ms for DOWN, then kill"; "brutal_kill sends kill at once"; infinity waits."""
    spec = supervisor(child("a", patience=0), child("b", patience=None), child("c", patience=2), "d")
    done = Done(spec)
    shut_down(done)
    assert done.of(Stop) == [Stop("d", 5.0), Stop("c", 2.0), Stop("b", None), Stop("a", 0.0)]


def test_a_supervisor_below_is_waited_for_without_limit() -> None:
    """OTP: "A supervisor child must have infinity"."""
    done = Done(supervisor(Supervisor("s")))
    shut_down(done)
    assert done.of(Stop) == [Stop("s", None)]


def test_a_child_that_had_to_be_killed_is_reported_and_the_stop_goes_on() -> None:
    """OTP: "it might have died with another reason than the wanted … we want to report the error"."""
    done = Done(supervisor("a", "b"))
    done.slow.add("b")
    shut_down(done)
    done.say(StopDone("b", Killed("its patience of 5 s was over")))
    assert "'b' did not just stop" in done.text
    assert "patience of 5 s" in done.text
    assert done.end == Stopped("its supervisor")


def test_a_child_that_was_to_be_killed_at_once_is_not_reported() -> None:
    """OTP: for brutal_kill the reason `killed` is ok."""
    done = Done(supervisor(child("a", patience=0)))
    done.slow.add("a")
    shut_down(done)
    done.say(StopDone("a", Killed("at once")))
    assert done.text == ""


def test_a_child_that_fails_while_it_is_stopped_is_reported_and_not_restarted() -> None:
    """OTP: {error, Reason} of shutdown/1 is reported; the EXIT is flushed."""
    done = Done(supervisor("a"))
    done.slow.add("a")
    shut_down(done)
    done.say(Exited("a", BOOM))
    done.say(StopDone("a", Failed("KeyError", "x")))
    assert "KeyError: x" in done.text
    assert done.steps == ["+a", "-a"]
    assert done.end == Stopped("its supervisor")


def test_a_supervisor_without_running_children_ends_at_once() -> None:
    """OTP: do_terminate of a child without a pid does nothing."""
    done = Done(supervisor(child("a", restart="transient")))
    done.fail("a", exit=Finished())
    shut_down(done)
    assert done.of(Stop) == []
    assert done.end == Stopped("its supervisor")
