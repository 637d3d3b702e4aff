"""Supervisors under any order of events, against a list of rules; and against a supervisor that is simple."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given, note, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from callboard.actors.actor import Actor
from callboard.actors.exits import Exit, Failed, Finished, GaveUp, Killed, Stopped
from callboard.supervision.actions import End, Reply, Report, Start, Stop, Wait
from callboard.supervision.backoff import Backoff
from callboard.supervision.deciding import decide
from callboard.supervision.events import (
    Begin,
    DeleteChild,
    Event,
    Exited,
    Ignored,
    Request,
    RestartChild,
    RetryDue,
    ShutDown,
    StartChild,
    Started,
    StartFailed,
    StopDone,
    TerminateChild,
)
from callboard.supervision.fields import AutoShutdown, Restart, Strategy
from callboard.supervision.specs import AnySupervisor, Child, Dynamic, Supervisor
from callboard.supervision.state import State, fresh
from callboard.supervision.views import which_children

from .nursery import Nursery
from .supervisors import Simple

NAMES = "abcd"
RESTARTS: list[Restart] = ["permanent", "transient", "temporary"]


class Pawn(Actor, type_name="tests.model.Pawn"):
    """An actor without anything."""


def make_child(name: str, restart: str, *, significant: bool) -> Child:
    settings: Any = {"restart": restart, "significant": significant and restart != "permanent"}
    return Child(Pawn(), name=name, **settings)


names = st.sampled_from(NAMES)
restarts = st.sampled_from(RESTARTS)
exits = st.sampled_from([Finished(), Stopped("x"), GaveUp("x"), Failed("ValueError", "x"), Killed("x")])
failures = st.sampled_from([Failed("ValueError", "x"), Killed("x")])
children = st.builds(make_child, names, restarts, significant=st.booleans())
seconds = st.sampled_from([0.0, 0.5, 1.0, 2.5, 5.0, 60.0])
fates = st.sampled_from(["started"] * 8 + ["ignored", "failed"])
seldom = st.sampled_from([False] * 9 + [True])
backoffs = st.sampled_from([None, None, Backoff(first=0.5, longest=4, reset_after=5)])


@st.composite
def supervisors(draw: st.DrawFn, *, plain: bool = False) -> Supervisor:
    """A supervisor of some of the names; a plain one has no back-off."""
    whens: list[AutoShutdown] = ["never", "any_significant", "all_significant"]
    strategies: list[Strategy] = ["one_for_one", "one_for_all", "rest_for_one"]
    when = draw(st.sampled_from(whens))
    picked = draw(st.lists(names, unique=True, min_size=draw(st.sampled_from([0, 2, 3])), max_size=3))
    return Supervisor(
        "top",
        [
            make_child(
                name, draw(st.sampled_from(RESTARTS)), significant=when != "never" and draw(st.booleans())
            )
            for name in picked
        ],
        strategy=draw(st.sampled_from(strategies)),
        intensity=draw(st.integers(0, 4)),
        period=draw(st.sampled_from([0.5, 5.0])),
        backoff=None if plain else draw(backoffs),
        auto_shutdown=when,
    )


@st.composite
def dynamics(draw: st.DrawFn) -> Dynamic:
    """A supervisor of as many as start_child makes."""
    return Dynamic(
        "top", Pawn, restart=draw(restarts), intensity=draw(st.integers(0, 4)), backoff=draw(backoffs)
    )


class Supervision(RuleBasedStateMachine):
    """Any supervisor, told anything that a doer may tell it, in any order."""

    nursery: Nursery
    tokens = 0

    @initialize(spec=st.one_of(supervisors(), dynamics()))
    def begin(self, spec: AnySupervisor) -> None:
        note(str(spec))
        self.nursery = Nursery(spec)
        self.nursery.hear(Begin())

    def pick(self, among: Iterable[str], data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(among)))

    @precondition(lambda self: bool(self.nursery.unanswered))
    @rule(
        data=st.data(),
        fate=st.sampled_from(["started", "started", "started", "ignored", "failed"]),
        exit=exits,
    )
    def a_start_is_answered(self, data: st.DataObject, fate: str, exit: Exit) -> None:
        nursery = self.nursery
        name = self.pick(nursery.unanswered, data)
        nursery.unanswered.discard(name)
        stopping = nursery.alive[name] == "stopping"
        if not stopping:
            if fate == "started":
                nursery.alive[name] = "running"
            else:
                del nursery.alive[name]
        events: dict[str, Event] = {
            "started": Started(name),
            "ignored": Ignored(name),
            "failed": StartFailed(name, exit),
        }
        nursery.hear(events[fate])

    @precondition(lambda self: "stopping" in self.nursery.alive.values())
    @rule(data=st.data(), exit=exits)
    def a_stop_is_done(self, data: st.DataObject, exit: Exit) -> None:
        nursery = self.nursery
        name = self.pick([name for name, what in nursery.alive.items() if what == "stopping"], data)
        del nursery.alive[name]
        nursery.unanswered.discard(name)
        nursery.hear(StopDone(name, exit))

    @precondition(lambda self: bool({"running", "stopping"} & set(self.nursery.alive.values())))
    @rule(data=st.data(), exit=failures)
    def a_child_fails(self, data: st.DataObject, exit: Exit) -> None:
        self.a_child_ends_by_itself(data, exit)

    @precondition(lambda self: bool({"running", "stopping"} & set(self.nursery.alive.values())))
    @rule(data=st.data(), exit=exits)
    def a_child_ends_by_itself(self, data: st.DataObject, exit: Exit) -> None:
        nursery = self.nursery
        name = self.pick([name for name, what in nursery.alive.items() if what != "starting"], data)
        if nursery.alive[name] == "running":
            del nursery.alive[name]
        nursery.hear(Exited(name, exit))

    @rule(passed=seconds, random=st.sampled_from([0.0, 0.5, 1.0]))
    def time_passes(self, passed: float, random: float) -> None:
        nursery = self.nursery
        nursery.now += passed
        due = [each for each in nursery.waits if each[0] <= nursery.now]
        nursery.waits = [each for each in nursery.waits if each[0] > nursery.now]
        for _, event in due:
            nursery.hear(event, random)

    @rule(verb=st.sampled_from(["start", "terminate", "restart", "delete"]), child=children)
    def somebody_asks(self, verb: str, child: Child) -> None:
        self.tokens += 1
        self.nursery.hear(request(verb, self.tokens, child))

    @rule(number=st.integers(0, 5), name=names, counted=st.booleans())
    def a_stale_wait_comes_back(self, number: int, name: str, *, counted: bool) -> None:
        counted = counted and self.nursery.spec.backoff is not None
        if all(event.number != number for _, event in self.nursery.waits):
            live = [place for place in self.nursery.state.children.values() if place.retry == number]
            if not any(place.status.value == "restarting" for place in live):
                self.nursery.hear(RetryDue(name, number, counted))

    @precondition(lambda self: not self.nursery.shut)
    @rule(really=seldom)
    def it_is_shut_down(self, *, really: bool) -> None:
        if really:
            self.nursery.hear(ShutDown("me"))

    def finish(self) -> None:
        """All that was begun is done."""
        nursery = self.nursery
        while nursery.alive.keys() & nursery.unanswered or "stopping" in nursery.alive.values():
            for name, what in list(nursery.alive.items()):
                if nursery.alive.get(name) == "starting":
                    nursery.alive[name] = "running"
                    nursery.unanswered.discard(name)
                    nursery.hear(Started(name))
                elif what == "stopping" and nursery.alive.get(name) == "stopping":
                    del nursery.alive[name]
                    nursery.unanswered.discard(name)
                    nursery.hear(StopDone(name, Stopped("top")))

    def teardown(self) -> None:
        if not hasattr(self, "nursery"):
            return
        self.finish()
        for _ in range(30):
            if not self.nursery.waits or self.nursery.state.exit is not None:
                break
            self.time_passes(60.0, 0.5)
            self.finish()
        self.nursery.check_nobody_is_left_behind()
        assert not self.nursery.open
        self.nursery.hear(ShutDown("the end"))
        self.finish()
        assert self.nursery.exit is not None
        assert not self.nursery.alive
        assert not self.nursery.open


def request(verb: str, token: int, child: Child) -> Request:
    match verb:
        case "start":
            return StartChild(token, child)
        case "terminate":
            return TerminateChild(token, child.name)
        case "restart":
            return RestartChild(token, child.name)
        case _:
            return DeleteChild(token, child.name)


TestSupervision = Supervision.TestCase
TestSupervision.settings = settings(stateful_step_count=40)


class AtOnce:
    """The real one, with a doer whose starts and stops are over at once."""

    def __init__(self, spec: Supervisor) -> None:
        self.spec = spec
        self.state: State = fresh(spec)
        self.now = 100.0
        self.broken: set[str] = set()
        self.steps: list[str] = []
        self.again: list[Event] = []
        self.replies: dict[object, str] = {}
        self.ended = False
        self.tokens = 0

    def hear(self, event: Event) -> None:
        open_ = [event]
        while open_:
            self.state, actions = decide(self.spec, self.state, open_.pop(0), self.now, 0.5)
            for action in actions:
                match action:
                    case Start():
                        self.steps.append(f"+{action.name}")
                        broken = action.name in self.broken
                        failed = StartFailed(action.name, Failed("E"))
                        open_.append(failed if broken else Started(action.name))
                    case Stop():
                        self.steps.append(f"-{action.name}")
                        open_.append(StopDone(action.name, Stopped("top")))
                    case Wait():
                        assert action.seconds == 0
                        self.again.append(action.event)
                    case Reply():
                        self.replies[action.token] = action.denied.reason if action.denied else "ok"
                    case End():
                        self.ended = True
                    case _:
                        assert isinstance(action, Report) or not self.ended

    def try_again(self) -> None:
        again, self.again = self.again, []
        for event in again:
            self.hear(event)

    def request(self, verb: str, child: Child) -> str:
        self.tokens += 1
        self.hear(request(verb, self.tokens, child))
        return self.replies[self.tokens]


asked = st.tuples(st.sampled_from(["start", "terminate", "restart", "delete"]), children)
again = st.just(("again",))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("exit"), names, exits),
        st.tuples(st.just("exit"), names, failures),
        st.tuples(st.just("exit"), names, failures),
        st.tuples(st.just("break"), names),
        st.tuples(st.just("mend"), names),
        st.tuples(st.just("pass"), seconds),
        again,
        again,
        asked,
        asked,
        seldom.map(lambda really: ("end",) if really else ("again",)),
    ),
    min_size=10,
    max_size=40,
)


def take(one: AtOnce | Simple, step: tuple[Any, ...]) -> str:
    """One step of one of the two; the answer, if it was a request."""
    match step:
        case ("exit", name, exit):
            if isinstance(one, Simple):
                one.exit(name, exit)
            else:
                one.hear(Exited(name, exit))
        case ("break", name):
            one.broken.add(name)
        case ("mend", name):
            one.broken.discard(name)
        case ("pass", passed):
            one.now += passed
        case ("again",):
            one.try_again()
        case ("end",):
            if isinstance(one, AtOnce):
                one.hear(ShutDown("me"))
            elif not one.ended:
                one.end()
        case (verb, child):
            return one.request(verb, child)
        case _:
            raise AssertionError(step)
    return ""


@given(supervisors(plain=True), st.none() | st.none() | st.none() | names, steps)
def test_without_back_off_it_does_what_a_simple_supervisor_does(
    spec: Supervisor, broken: str | None, steps: list[tuple[Any, ...]]
) -> None:
    real, simple = AtOnce(spec), Simple(spec)
    real.broken, simple.broken = {broken or ""}, {broken or ""}
    real.hear(Begin())
    simple.begin()
    for step in [("pass", 0.0), *steps]:
        assert take(real, step) == take(simple, step), step
        assert real.steps == simple.steps, step
        assert real.ended == simple.ended, step
        if not real.ended:
            assert {view.name: view.status.value for view in which_children(real.state)} == simple.status, (
                step
            )
            assert list(real.state.children) == list(simple.specs)
    counting = [at for at in simple.times if at >= max(simple.times) - spec.period]
    assert sorted(real.state.restarts) == counting
