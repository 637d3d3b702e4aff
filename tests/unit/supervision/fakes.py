"""A supervisor that is told things by hand, on fake time, and a doer that starts and stops at once."""

from collections.abc import Iterable
from typing import Any

from callboard.actors.actor import Actor
from callboard.actors.exits import Exit, Failed, Stopped
from callboard.supervision.actions import Action, End, Forget, Ready, Reply, Report, Start, Stop, Wait
from callboard.supervision.deciding import decide
from callboard.supervision.events import (
    Begin,
    Event,
    Exited,
    Request,
    RetryDue,
    ShutDown,
    Started,
    StartFailed,
    StopDone,
)
from callboard.supervision.specs import AnyChild, AnySupervisor, Child, Supervisor
from callboard.supervision.state import Status, fresh
from callboard.supervision.views import which_children

BOOM = Failed("ValueError", "boom")


class Pawn(Actor, type_name="tests.supervision.Pawn"):
    """An actor without anything."""


def child(name: str, **settings: Any) -> Child:
    """A child of that name."""
    return Child(Pawn(), name=name, **settings)


def supervisor(*children: AnyChild | str, **settings: Any) -> Supervisor:
    """A supervisor as OTP has it: no back-off; names stand for permanent children."""
    specs = [child(each) if isinstance(each, str) else each for each in children]
    otp: dict[str, Any] = {"backoff": None, **settings}
    return Supervisor("top", specs, **otp)


class Told:
    """A supervisor and all that it has wanted so far; nothing is done unless the test does it."""

    def __init__(self, spec: AnySupervisor, *, more: Iterable[AnyChild] = (), random: float = 0.5) -> None:
        self.spec = spec
        self.state = fresh(spec, more)
        self.now = 100.0
        self.random = random
        self.actions: list[Action] = []

    def hear(self, event: Event) -> list[Action]:
        """Tell it; what it wants but for reports."""
        self.state, actions = decide(self.spec, self.state, event, self.now, self.random)
        self.actions += actions
        return [action for action in actions if not isinstance(action, Report)]

    def status(self, name: str) -> Status:
        """Of one child."""
        return self.state.children[name].status

    def statuses(self) -> dict[str, str]:
        """Of all, as which_children has them."""
        return {view.name: view.status.value for view in which_children(self.state)}

    def running(self) -> list[str]:
        """Names of those that run, in start order."""
        return [name for name, status in self.statuses().items() if status == "running"]

    def of(self, *kinds: type[Action]) -> list[Action]:
        """All actions of these kinds so far."""
        return [action for action in self.actions if isinstance(action, kinds)]

    @property
    def text(self) -> str:
        """What was reported."""
        return "\n".join(action.text for action in self.actions if isinstance(action, Report))


class Done(Told):
    """A supervisor whose wishes are carried out at once, but for what is named in `broken` and `slow`.

    Waits of 0 seconds are over at once unless `held`; longer ones when `sleep` has passed them.
    """

    def __init__(self, spec: AnySupervisor, *, begun: bool = True, **settings: Any) -> None:
        super().__init__(spec, **settings)
        self.broken: dict[str, Exit] = {}
        """Children that cannot start."""
        self.slow: set[str] = set()
        """Children whose start and stop are never answered."""
        self.held = False
        self.waits: list[tuple[float, RetryDue]] = []
        self.steps: list[str] = []
        """What was done: `+a` for a start, `-a` for a stop."""
        if begun:
            self.say(Begin())

    def say(self, event: Event) -> list[Action]:
        """Tell it, and do what it wants until it wants nothing more; all that but for reports."""
        actions: list[Action] = []
        open_ = [event]
        while open_:
            wanted = self.hear(open_.pop(0))
            actions += wanted
            open_ += [answer for action in wanted if (answer := self._do(action))]
        return actions

    def _do(self, action: Action) -> Event | None:
        match action:
            case Start():
                self.steps.append(f"+{action.name}")
                if action.name in self.slow:
                    return None
                broken = self.broken.get(action.name)
                return StartFailed(action.name, broken) if broken else Started(action.name)
            case Stop():
                self.steps.append(f"-{action.name}")
                return None if action.name in self.slow else StopDone(action.name, Stopped("test"))
            case Wait() if action.seconds or self.held:
                self.waits.append((self.now + action.seconds, action.event))
                return None
            case Wait():
                return action.event
            case _:
                return None

    def fail(self, *names: str, exit: Exit = BOOM) -> list[Action]:
        """Children end by themselves, one after another."""
        return [action for name in names for action in self.say(Exited(name, exit))]

    def sleep(self, seconds: float) -> None:
        """Time passes, and waits are over when they are due."""
        until = self.now + seconds
        while due := sorted((each for each in self.waits if each[0] <= until), key=lambda each: each[0]):
            self.waits.remove(due[0])
            self.now = max(self.now, due[0][0])
            self.say(due[0][1])
        self.now = until

    def ask(self, request: Request) -> str:
        """The answer to a request: `ok`, the reason of its denial, or nothing yet."""
        self.say(request)
        return self.answer(request.token)

    def answer(self, token: object) -> str:
        """The answer to an earlier request."""
        replies = [each for each in self.of(Reply) if isinstance(each, Reply) and each.token == token]
        assert len(replies) <= 1, replies
        return "" if not replies else replies[0].denied.reason if replies[0].denied else "ok"

    def take_steps(self) -> list[str]:
        """What was done since the last look."""
        steps, self.steps = self.steps, []
        return steps

    @property
    def end(self) -> Exit | None:
        """How it ended, if it did."""
        ends = [action.exit for action in self.actions if isinstance(action, End)]
        assert len(ends) <= 1, ends
        return ends[0] if ends else None

    @property
    def is_ready(self) -> bool:
        """Whether it has started."""
        return Ready() in self.actions

    @property
    def forgotten(self) -> list[str]:
        """Children whose specs were deleted."""
        return [action.name for action in self.actions if isinstance(action, Forget)]


def shut_down(done: Done) -> None:
    """The supervisor above says stop."""
    done.say(ShutDown("its supervisor"))
