"""Children as a doer sees them: what is alive, what was promised, and what no supervisor may ever want."""

from callboard.actors.exits import Exit
from callboard.supervision.actions import Action, End, Forget, Ready, Reply, Start, Stop, Wait
from callboard.supervision.deciding import decide
from callboard.supervision.events import Event, Ignored, Request, RetryDue, ShutDown, StartChild, StartFailed
from callboard.supervision.specs import AnySupervisor, Dynamic, Supervisor
from callboard.supervision.state import Status, fresh
from callboard.supervision.views import count_children, which_children


class Nursery:
    """Carries out what one supervisor wants, but answers only when the test says so."""

    def __init__(self, spec: AnySupervisor) -> None:
        self.spec = spec
        self.state = fresh(spec)
        self.now = 0.0
        self.alive: dict[str, str] = {}
        """Instances: starting, running or stopping."""
        self.unanswered: set[str] = set()
        """Starts without an answer; some are being stopped already."""
        self.waits: list[tuple[float, RetryDue]] = []
        self.open: dict[object, Request] = {}
        """Requests without an answer."""
        self.by_hand: set[str] = set()
        """Children that somebody started, terminated or let be ignored, since their group was restarted."""
        self.times: list[float] = []
        """When each restart was, of all time."""
        self.shut = False
        self.ready = False
        self.exit: Exit | None = None

    def hear(self, event: Event, random: float = 0.5) -> None:
        """Tell it, carry out what it wants, and see whether that is allowed."""
        if isinstance(event, Request):
            assert event.token not in self.open
            self.open[event.token] = event
            self.by_hand.add(event.child.name if isinstance(event, StartChild) else event.name)
        if isinstance(event, Ignored | StartFailed):
            self.by_hand.add(event.name)
        self.shut |= isinstance(event, ShutDown)
        before = self.state.restarts
        self.state, actions = decide(self.spec, self.state, event, self.now, random)
        if self.state.restarts != before:
            self._check_budget()
        for action in actions:
            self._carry_out(action)
        self.check()

    def _check_budget(self) -> None:
        """The arithmetic again, over all times there ever were."""
        new = [at for at in self.state.restarts if at == self.now]
        while self.times.count(self.now) < len(new):
            self.times.append(self.now)
        counting = [at for at in self.times if at >= self.now - self.spec.period]
        assert sorted(self.state.restarts) == counting
        assert (len(counting) > self.spec.intensity) == (self.state.exit is not None)

    def _carry_out(self, action: Action) -> None:
        assert self.exit is None or isinstance(action, Reply), f"{action} after the end"
        match action:
            case Start():
                self._start(action.name)
            case Stop():
                self._stop(action.name)
            case Wait():
                assert not self.shut
                self.waits.append((self.now + action.seconds, action.event))
            case Reply():
                del self.open[action.token]  # a second reply is a KeyError
            case Forget():
                assert action.name not in self.alive
                assert action.name not in self.state.children or self._is_new(action.name)
            case Ready():
                assert not self.ready
                self.ready = True
            case End():
                assert not self.alive, "it leaves children behind"
                self.exit = action.exit
            case _:
                pass

    def _is_new(self, name: str) -> bool:
        """Whether a child that was just forgotten has been added again within the same decision."""
        return self.state.children[name].status is Status.STARTING

    def _start(self, name: str) -> None:
        assert name not in self.alive, f"a second instance of {name}"
        assert self.state.exit is None, "a start although it is stopping"
        assert not {"starting", "stopping"} & set(self.alive.values()), "a start beside another, or a stop"
        grouped = isinstance(self.spec, Supervisor) and self.spec.strategy != "one_for_one"
        if grouped and name not in self.by_hand:
            late = [each for each in self._after(name) if each not in self.by_hand]
            assert not late, f"{name} starts after {late}"
        self.alive[name] = "starting"
        self.unanswered.add(name)

    def _stop(self, name: str) -> None:
        assert self.alive.get(name) in ("starting", "running"), f"{name} is not there to be stopped"
        if not isinstance(self.spec, Dynamic):
            assert "stopping" not in self.alive.values(), "two are stopped at once"
            asked = {each.name for each in self.open.values() if not isinstance(each, StartChild)}
            assert name in asked or not self._after(name), f"{name} is stopped before {self._after(name)}"
        self.alive[name] = "stopping"

    def _after(self, name: str) -> list[str]:
        """Those alive behind it in start order."""
        names = list(self.state.children)
        return [each for each in names[names.index(name) + 1 :] if each in self.alive]

    def check(self) -> None:
        """What holds between any two events."""
        views = {view.name: view.status.value for view in which_children(self.state)}
        known = {
            name: status for name, status in views.items() if status in ("starting", "running", "stopping")
        }
        assert known == self.alive
        counts = count_children(self.spec, self.state)
        assert counts.active == sum(status == "running" for status in self.alive.values())
        assert counts.workers + counts.supervisors == len(views)
        if self.state.task is None:
            assert not self.open
            assert not self.state.postponed
            assert "exited" not in views.values()
        else:
            assert self.unanswered or "stopping" in self.alive.values(), "a task that waits for nobody"

    def check_nobody_is_left_behind(self) -> None:
        """If nothing is to come, all permanent children run but for those that somebody took down."""
        waiting = [event for _, event in self.waits if self.state.exit is None]
        if self.state.task or waiting or self.exit or self.spec.backoff is None:
            return
        for view in which_children(self.state):
            assert view.status is not Status.RESTARTING
            assert view.restart != "permanent" or view.name in self.by_hand or view.status is Status.RUNNING
