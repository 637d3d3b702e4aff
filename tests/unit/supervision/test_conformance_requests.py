"""OTP's supervisor, sentence by sentence: requests, what can be seen, auto_shutdown, templates."""

import functools

import pytest

from callboard.actors.exits import Exit, Finished, Stopped
from callboard.supervision.actions import Reply, Stop
from callboard.supervision.events import (
    Begin,
    DeleteChild,
    Ignored,
    RestartChild,
    StartChild,
    StopDone,
    TerminateChild,
)
from callboard.supervision.specs import Dynamic, Supervisor
from callboard.supervision.views import Counts, count_children

from .fakes import BOOM, Done, Pawn, child, shut_down, supervisor


def denial(done: Done, token: object) -> str:
    """The text of a denial."""
    for action in done.actions:
        if isinstance(action, Reply) and action.token == token and action.denied:
            return action.denied.text
    return ""


# start_child.


def test_start_child_adds_a_spec_at_the_end_and_starts_it() -> None:
    """OTP: "Dynamically adds a child specification …, which starts the corresponding child process"."""
    done = Done(supervisor("a"))
    assert done.ask(StartChild(1, child("b"))) == "ok"
    assert done.statuses() == {"a": "running", "b": "running"}
    done.take_steps()
    shut_down(done)
    assert done.steps == ["-b", "-a"]


def test_start_child_of_a_running_name_is_already_started() -> None:
    """OTP: "{error,already_present} or {error,{already_started,Child}}, depending on if … running"."""
    done = Done(supervisor("a"))
    assert done.ask(StartChild(1, child("a"))) == "already_started"


def test_start_child_of_a_known_name_that_is_down_is_already_present() -> None:
    """OTP: "If there already exists a child specification … ChildSpec is discarded"."""
    done = Done(supervisor(child("a", restart="transient")))
    done.fail("a", exit=Finished())
    assert done.ask(StartChild(1, child("a"))) == "already_present"
    assert done.state.children["a"].spec.terms.restart == "transient"


def test_start_child_that_fails_discards_the_spec() -> None:
    """OTP: "if it fails, the child specification is discarded, and the function returns {error,Error}"."""
    done = Done(supervisor("a"))
    done.broken["b"] = BOOM
    assert done.ask(StartChild(1, child("b"))) == "failed"
    assert "ValueError: boom" in denial(done, 1)
    assert done.statuses() == {"a": "running"}
    assert done.forgotten == ["b"]
    assert done.state.restarts == ()


def test_start_child_that_ignores_is_kept() -> None:
    """OTP: "returns ignore, the child specification … is added … and the pid is set to undefined"."""
    done = Done(supervisor())
    done.slow.add("b")
    done.ask(StartChild(1, child("b")))
    done.say(Ignored("b"))
    assert done.answer(1) == "ok"
    assert done.statuses() == {"b": "down"}


def test_start_child_is_answered_when_the_child_has_started() -> None:
    """OTP: start_child returns what the child's start function returned."""
    done = Done(supervisor())
    done.slow.add("b")
    assert done.ask(StartChild(1, child("b"))) == ""


# terminate_child.


def test_terminate_child_keeps_the_spec() -> None:
    """OTP: "terminated and, unless it is a temporary child, the child specification is kept"."""
    done = Done(supervisor("a", "b"))
    assert done.ask(TerminateChild(1, "a")) == "ok"
    assert done.statuses() == {"a": "down", "b": "running"}
    assert done.forgotten == []


def test_terminate_child_deletes_the_spec_of_a_temporary_child() -> None:
    """OTP: "If the child is temporary, the … specification is deleted as soon as the process terminates"."""
    done = Done(supervisor(child("a", restart="temporary")))
    assert done.ask(TerminateChild(1, "a")) == "ok"
    assert done.statuses() == {}
    assert done.forgotten == ["a"]


def test_terminate_child_does_not_restart_and_costs_no_budget() -> None:
    """OTP: do_terminate, not do_restart."""
    done = Done(supervisor("a", "b", strategy="one_for_all", intensity=0))
    done.take_steps()
    done.ask(TerminateChild(1, "a"))
    assert done.steps == ["-a"]
    assert done.end is None


def test_terminate_child_of_one_that_is_down_is_ok() -> None:
    """OTP: "The process, if any, is terminated"."""
    done = Done(supervisor("a"))
    done.ask(TerminateChild(1, "a"))
    assert done.ask(TerminateChild(2, "a")) == "ok"


def test_terminate_child_of_nobody_is_not_found() -> None:
    """OTP: "If there is no child specification …, the function returns {error,not_found}"."""
    assert Done(supervisor("a")).ask(TerminateChild(1, "b")) == "not_found"


def test_terminate_child_is_answered_when_the_child_is_gone() -> None:
    """OTP: the supervisor waits for DOWN before it replies."""
    done = Done(supervisor("a"))
    done.slow.add("a")
    assert done.ask(TerminateChild(1, "a")) == ""
    done.say(StopDone("a", Stopped("top")))
    assert done.answer(1) == "ok"


def test_a_terminated_child_starts_again_when_its_group_is_restarted() -> None:
    """OTP: "The child process can later be restarted by the supervisor"."""
    done = Done(supervisor("a", "b", strategy="one_for_all"))
    done.ask(TerminateChild(1, "b"))
    done.fail("a")
    assert done.running() == ["a", "b"]


# restart_child.


def test_restart_child_starts_one_that_is_down() -> None:
    """OTP: "The child specification must exist, and the corresponding child process must not be running"."""
    done = Done(supervisor("a", "b"))
    done.ask(TerminateChild(1, "a"))
    assert done.ask(RestartChild(2, "a")) == "ok"
    assert done.running() == ["a", "b"]
    assert done.state.restarts == ()


def test_restart_child_of_a_running_one_is_refused() -> None:
    """OTP: "already running, the function returns {error,running}"."""
    assert Done(supervisor("a")).ask(RestartChild(1, "a")) == "running"


def test_restart_child_of_one_that_is_about_to_restart_is_refused() -> None:
    """OTP: {error, restarting}."""
    done = Done(supervisor("a"))
    done.held = True
    done.broken["a"] = BOOM
    done.fail("a")
    assert done.ask(RestartChild(1, "a")) == "restarting"


def test_restart_child_of_nobody_is_not_found() -> None:
    """OTP: "does not exist, the function returns {error,not_found}"."""
    assert Done(supervisor("a")).ask(RestartChild(1, "b")) == "not_found"


def test_restart_child_that_fails_stays_down_and_is_not_tried_again() -> None:
    """OTP: "if it fails, the function returns {error,Error}"; the state is as before."""
    done = Done(supervisor("a"))
    done.ask(TerminateChild(1, "a"))
    done.broken["a"] = BOOM
    assert done.ask(RestartChild(2, "a")) == "failed"
    assert done.statuses() == {"a": "down"}
    assert done.waits == []
    assert done.state.restarts == ()


def test_a_temporary_child_cannot_be_restarted_when_it_has_ended() -> None:
    """OTP: "automatically deleted when the child terminates; thus, it is not possible to restart"."""
    done = Done(supervisor(child("a", restart="temporary")))
    done.fail("a")
    assert done.ask(RestartChild(1, "a")) == "not_found"


# delete_child.


def test_delete_child_forgets_one_that_is_down() -> None:
    """OTP: "delete the child specification … The corresponding child process must not be running"."""
    done = Done(supervisor("a", "b"))
    done.ask(TerminateChild(1, "a"))
    assert done.ask(DeleteChild(2, "a")) == "ok"
    assert done.statuses() == {"b": "running"}
    assert done.forgotten == ["a"]


def test_delete_child_of_a_running_one_is_refused() -> None:
    """OTP: "running or is about to be restarted, … {error,running} or {error,restarting}"."""
    done = Done(supervisor("a"))
    assert done.ask(DeleteChild(1, "a")) == "running"
    done.held = True
    done.broken["a"] = BOOM
    done.fail("a")
    assert done.ask(DeleteChild(2, "a")) == "restarting"
    assert done.ask(DeleteChild(3, "b")) == "not_found"


# which_children, count_children.


def test_which_children_tells_running_restarting_and_down_apart() -> None:
    """OTP: "which_children (pid / restarting / undefined)"."""
    done = Done(supervisor("a", "b", child("c", restart="transient")))
    done.held = True
    done.fail("c", exit=Finished())
    done.broken["b"] = BOOM
    done.fail("b")
    assert done.statuses() == {"a": "running", "b": "restarting", "c": "down"}


def test_count_children_counts_specs_active_supervisors_and_workers() -> None:
    """OTP: "specs … dead or alive; active …; supervisors and workers … regardless if … still alive"."""
    done = Done(supervisor("a", Supervisor("s"), Dynamic("d", Pawn), "b"))
    done.ask(TerminateChild(1, "b"))
    done.ask(TerminateChild(2, "s"))
    assert count_children(done.spec, done.state) == Counts(specs=4, active=2, supervisors=2, workers=2)


# auto_shutdown.


def family(when: str, *, restart: str = "transient") -> Done:
    """Two significant children and one that is not."""
    significant = [child(name, restart=restart, significant=True) for name in "ab"]
    return Done(supervisor(*significant, child("c", restart="transient"), auto_shutdown=when))


def test_any_significant_ends_the_supervisor_when_one_has_ended() -> None:
    """OTP: "any_significant: the supervisor stops itself when any significant child ends by itself"."""
    done = family("any_significant")
    done.take_steps()
    done.fail("a", exit=Finished())
    assert done.steps == ["-c", "-b"]
    assert isinstance(done.end, Stopped)


def test_all_significant_ends_the_supervisor_when_the_last_one_has() -> None:
    """OTP: "all_significant: when the last one does"."""
    done = family("all_significant")
    done.fail("a", exit=Finished())
    assert done.end is None
    done.fail("b", exit=Finished())
    assert isinstance(done.end, Stopped)


def test_a_child_that_is_not_significant_ends_nothing() -> None:
    """OTP: do_auto_shutdown looks at significant children only."""
    done = family("any_significant")
    done.fail("c", exit=Finished())
    assert done.end is None


@pytest.mark.parametrize("exit", [Finished(), BOOM])
def test_a_temporary_significant_child_counts_however_it_ends(exit: Exit) -> None:
    """OTP: "or when a temporary significant child terminates normally or abnormally"."""
    done = family("any_significant", restart="temporary")
    done.fail("a", exit=exit)
    assert done.end is not None


def test_a_transient_significant_child_that_fails_is_restarted_and_counts_not() -> None:
    """OTP: "when a transient significant child terminates normally"."""
    done = family("any_significant")
    done.fail("a")
    assert done.end is None
    assert done.running() == ["a", "b", "c"]


def test_a_significant_child_that_is_restarting_is_not_the_last_that_ended() -> None:
    """OTP: "when the last active significant child terminates": one with {restarting, _} is active."""
    done = family("all_significant")
    done.held = True
    done.broken["a"] = BOOM
    done.fail("a")
    done.fail("b", exit=Finished())
    assert done.end is None


def test_terminate_child_of_a_significant_one_ends_nothing() -> None:
    """OTP: "Terminations caused by the supervisor (…, terminate_child) do not count"."""
    done = family("any_significant")
    done.ask(TerminateChild(1, "a"))
    assert done.end is None


def test_a_significant_sibling_that_is_stopped_with_its_group_ends_nothing() -> None:
    """OTP: "Terminations caused by the supervisor (sibling strategy, …) do not count"."""
    temporary = child("b", restart="temporary", significant=True)
    done = Done(supervisor("a", temporary, strategy="one_for_all", auto_shutdown="any_significant"))
    done.fail("a")
    assert done.end is None
    assert done.running() == ["a"]


def test_significant_is_refused_under_never_also_later() -> None:
    """OTP: "invalid … to start children with this option … when auto_shutdown … is set to never"."""
    done = Done(supervisor("a"))
    assert done.ask(StartChild(1, child("b", restart="transient", significant=True))) == "invalid"
    assert "auto_shutdown" in denial(done, 1)


# Templates: simple_one_for_one.


def pool(**settings: object) -> Done:
    """Three children of one template."""
    spec = Dynamic("d", Pawn, **{"backoff": None, **settings})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    done = Done(spec)
    for name in "xyz":
        assert done.ask(StartChild(name, spec.child(name))) == "ok"
    return done


def test_a_template_starts_none_at_first() -> None:
    """OTP: "No child process is then started during the initialization phase"."""
    done = Done(Dynamic("d", Pawn))
    assert done.is_ready
    assert done.steps == []


def test_extra_arguments_come_after_the_templates_own() -> None:
    """OTP: "apply(M, F, A++ExtraArgs)"."""
    seen: list[tuple[object, ...]] = []

    def build(*args: object) -> Pawn:
        seen.append(args)
        return Pawn()

    Dynamic("d", functools.partial(build, 1, 2)).child("x", 3, 4)
    assert seen == [(1, 2, 3, 4)]


def test_children_of_a_template_are_restarted_alone_and_share_the_budget() -> None:
    """OTP: "A simplified one_for_one supervisor"."""
    done = pool(intensity=2)
    done.take_steps()
    done.fail("y", "x")
    assert done.steps == ["+y", "+x"]
    done.fail("z")
    assert done.end is not None


def test_children_of_a_template_are_stopped_in_parallel() -> None:
    """OTP: "terminated in parallel in undefined order"."""
    done = pool(patience=3)
    done.slow |= set("xyz")
    shut_down(done)
    assert sorted(str(stop) for stop in done.of(Stop)) == sorted(str(Stop(name, 3.0)) for name in "xyz")
    done.say(StopDone("y", Stopped("d")))
    done.say(StopDone("x", Stopped("d")))
    assert done.end is None
    done.say(StopDone("z", Stopped("d")))
    assert done.end == Stopped("its supervisor")


def test_a_child_of_a_template_that_ended_for_good_is_not_kept() -> None:
    """OTP: del_child of simple_one_for_one erases it, whatever its restart type."""
    done = pool(restart="transient")
    done.fail("x", exit=Finished())
    assert done.ask(TerminateChild(1, "y")) == "ok"
    assert done.statuses() == {"z": "running"}
    assert done.forgotten == ["x", "y"]


def test_a_child_of_a_template_that_ignores_is_not_kept() -> None:
    """OTP: "For simple_one_for_one supervisors, no child is added to the supervisor"."""
    done = pool()
    done.slow.add("w")
    assert isinstance(done.spec, Dynamic)
    done.ask(StartChild(1, done.spec.child("w")))
    done.say(Ignored("w"))
    assert done.answer(1) == "ok"
    assert "w" not in done.statuses()


def test_children_of_a_template_cannot_be_restarted_or_deleted_by_hand() -> None:
    """OTP: "delete_child/2 and restart_child/2 are invalid … and return {error,simple_one_for_one}"."""
    done = pool()
    assert done.ask(RestartChild(1, "x")) == "dynamic"
    assert done.ask(DeleteChild(2, "nobody")) == "dynamic"
    assert done.ask(TerminateChild(3, "nobody")) == "not_found"


def test_count_children_of_a_template_has_one_spec() -> None:
    """OTP: "[{specs, 1}, {active, Active}, {supervisors, 0}, {workers, Sz}]"."""
    done = pool(restart="temporary")
    done.fail("x")
    assert count_children(done.spec, done.state) == Counts(specs=1, active=2, supervisors=0, workers=2)


def test_all_significant_of_a_template_is_when_none_is_left() -> None:
    """OTP: for simple_one_for_one "case dyn_size(State) of 0 -> {shutdown, State}"."""
    done = pool(restart="transient", significant=True, auto_shutdown="all_significant")
    done.fail("x", "z", exit=Finished())
    assert done.end is None
    done.fail("y", exit=Finished())
    assert isinstance(done.end, Stopped)


def test_a_restart_of_a_template_child_that_fails_is_retried() -> None:
    """OTP: {try_again, {restarting, Pid}}: it stays, as restarting, and each retry counts."""
    done = pool(intensity=1)
    done.held = True
    done.broken["x"] = BOOM
    done.fail("x")
    assert done.statuses() == {"x": "restarting", "y": "running", "z": "running"}
    done.sleep(0)
    assert done.end is not None


def test_requests_while_children_start_wait_their_turn() -> None:
    """OTP: calls stay in the mailbox until init has returned."""
    done = Done(supervisor("a", "b"), begun=False)
    done.slow.add("a")
    done.say(Begin())
    assert done.ask(TerminateChild(1, "b")) == ""
