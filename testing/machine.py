"""Machines: Hypothesis' rule-based state machines, whose rules are async and happen in one simulation.

A plan is drawn before it begins, and runs faster. A machine draws each step after the one before:
so a rule can use what an earlier one returned (a `Bundle`), and depend on what has happened
(`precondition`).
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
from hypothesis import Phase, settings
from hypothesis.stateful import INITIALIZE_RULE_MARKER, RuleBasedStateMachine

from ..actors.durations import Seconds
from ..actors.errors import is_group
from . import rules
from .errors import Crashed, Kill, SimulationError
from .plan import Plan, Verb
from .simulation import Simulation
from .stepped import SteppedRun

LONGEST_LINE = 200
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class ActorMachine(RuleBasedStateMachine):
    """A state machine whose rules, async or not, happen in one simulation, `self.sim`.

        class BankMachine(ActorMachine, faults=(faults.crash, faults.disk_full)):
            @initialize()
            async def open(self) -> None:
                await self.sim.spawn(Account(100), name="ann")

            @rule(amount=st.integers(1, 9))
            async def pay(self, amount: int) -> None:
                await self.sim.ref(Account, "ann").ask(Account.withdraw(amount))

            @always
            def nobody_has_debt(self) -> None:
                assert all(account.balance >= 0 for account in self.sim.states(Account))

            async def check(self) -> None:
                check.exactly_once(self.sim)

        TestBank = BankMachine.TestCase

    The decorators are Hypothesis'; `rule` and `initialize` of `callboard.testing` are the same with types
    that admit `async def`. A rule may call another: `await self.pay(3)`.

    A step lasts until its rule has returned, and everything has run that can without time passing. Time
    passes only in rules that wait. A rule that meets a crash of its node ends there, with its outcome
    unknown, and puts nothing into bundles, unless it catches `Crashed` and tries again.

    Besides the machine's own rules there are `wait`, which lets time pass; `reorder`, which draws
    who runs first among those who could; and one for each fault. Hypothesis switches rules on and
    off, example by example: so a failure is found that needs much of one fault and none of another.

    When all steps are done, faults end, all mail must be handled (`within`), and `check` is called.
    """

    _nodes: ClassVar[int] = 1
    _faults: ClassVar[Sequence[Verb]] = ()
    _orders: ClassVar[bool] = True
    _within: ClassVar[Seconds] = 3600.0
    _options: ClassVar[Mapping[str, Any]] = {}
    _initializers: ClassVar[frozenset[str]] = frozenset()
    _invariants: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(
        cls,
        *,
        nodes: int | None = None,
        faults: Sequence[Verb] | None = None,
        orders: bool | None = None,
        within: Seconds | None = None,
        **options: Any,
    ) -> None:
        """Take the rules of a machine. What is not given here is as in its base.

        Args:
            nodes: how many its simulation has; 1.
            faults: what may happen to them, `faults.ALL` or some of those; nothing.
            orders: draw the order of turns and tasks, too, by the rule `reorder`; True.
            within: simulated seconds in which all mail must be handled when faults have ended; 3600.
            options: what else `Simulation` takes: `types`, `seed`, `speculation`, ...

        Raises:
            SimulationError: one of them cannot be, or a rule has the name of a fault.
        """
        super().__init_subclass__()
        for name in ("nodes", "faults", "orders", "within"):
            if name in vars(cls):
                raise SimulationError(
                    f"{cls.__name__}.{name} in the body of the class would mean nothing: "
                    f"write class {cls.__name__}(ActorMachine, {name}=...)"
                )
        cls._nodes = cls._nodes if nodes is None else _checked_nodes(nodes, cls)
        cls._faults = cls._faults if faults is None else rules.checked_faults(faults, cls)
        cls._orders = cls._orders if orders is None else orders
        cls._within = cls._within if within is None else within
        cls._options = {**cls._options, **_checked_options(options, cls)}
        rules.complete(cls, cls._faults, nodes=cls._nodes, orders=cls._orders)
        cls._initializers = rules.named(cls, INITIALIZE_RULE_MARKER)
        cls._invariants = rules.named(cls, rules.ALWAYS)
        cls.TestCase.settings = settings(
            cls.TestCase.settings,
            report_multiple_bugs=False,  # the second is seldom another one, and takes as long to find
            phases=[
                phase for phase in Phase if phase is not Phase.explain
            ],  # it explains the runtime's lines
        )

    def __init__(self) -> None:
        """Describe its simulation, which begins with the first step."""
        super().__init__()
        self._steps = Steps()
        self._to_initialize = set(self._initializers)
        self._handled = sys.exception()
        self.sim = Simulation(nodes=self._nodes, plan=self._steps, **self._options)
        self._run = SteppedRun(self.sim)
        self._has_begun = False
        for name in sorted(self._invariants):
            self.sim.always(self._invariant(name))

    def check(self) -> Awaitable[None] | None:
        """Assert what must hold in the end, when faults are over and all mail is handled; by default nothing.

        It may be async. The promises of the runtime are checked all the time and need no call.
        """

    def take_step(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        otherwise: Any = None,
        silent: bool = False,
    ) -> Any:
        """Call a function in the simulation; what rules become.

        Args:
            function: takes the machine first, and may be async.
            args: of it.
            kwargs: of it.
            otherwise: what to return if a crash ended it.
            silent: do not count it among the steps.

        Raises:
            InvariantBroken, NotConverged, or whatever the step raises; with a report in its notes.
        """
        if self._run.in_step:
            return function(self, *args, **kwargs)  # one rule called another, and awaits it
        self._begin()
        call = functools.partial(function, self, *args, **kwargs)
        line = "" if silent else _line(function.__name__, args, kwargs)
        result = self._run.step(lambda: self._step(call, line, otherwise))
        self._to_initialize.discard(function.__name__)
        return result

    def check_invariants(self, *args: Any, **kwargs: Any) -> None:
        """Check Hypothesis' invariants, after every step and before the first."""
        self._begin()
        super().check_invariants(*args, **kwargs)

    def teardown(self) -> None:
        """End faults, wait until all mail is handled, and `check`; unless the example has failed already.

        Raises:
            InvariantBroken, NotConverged, or whatever `check` raises; with a report in its notes.
        """
        if not self._run.goes_on:
            return
        if sys.exception() is not self._handled:
            self._run.abandon()
            return
        self._run.step(self._end)
        self._run.close()

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._run.begin()

    async def _step(self, call: Callable[[], Any], line: str, otherwise: Any) -> Any:
        if line:
            self._steps.lines.append(line)
            self.sim.trace.note(-1, "step", line)
        try:
            result = await _awaited(call())
        except BaseException as error:
            if not _is_crash(error):
                raise
            self.sim.trace.note(-1, "step ends in the crash")
            result = otherwise
        await self.sim.settle()
        return result

    async def _end(self) -> None:
        await self.sim.converge(within=self._within)
        self.sim.trace.note(-1, "check")
        await _awaited(self.check())
        await self.sim.settle()

    def _invariant(self, name: str) -> Callable[[Simulation], None]:
        def invariant(_: Simulation) -> None:
            if not self._to_initialize:
                getattr(self, name)()

        invariant.__name__ = name
        return invariant


@attrs.frozen(repr=False)
class Steps(Plan):
    """What a machine has done, where a simulation has its plan."""

    lines: list[str] = attrs.field(factory=list[str])

    def __repr__(self) -> str:
        return f"[{', '.join(self.lines)}]"

    def again(self) -> str:
        """How to see it again."""
        return "run the test again: Hypothesis tries these steps first; as it prints them, they are a program"


def _line(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """A step as text, without what is another in every process."""
    told = [*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())]
    return ADDRESS.sub("", f"{name}({', '.join(told)})")[:LONGEST_LINE]


async def _awaited(result: Awaitable[Any] | Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _is_crash(error: BaseException) -> bool:
    """Whether it says only that a node was killed or is down."""
    if is_group(error):
        return all(map(_is_crash, error.exceptions))
    return isinstance(error, Crashed | Kill)


def _checked_nodes(nodes: object, cls: type[ActorMachine]) -> int:
    if not isinstance(nodes, int) or nodes < 1:
        raise SimulationError(f"{cls.__name__}: a simulation has at least one node; got nodes={nodes!r:.80}")
    return nodes


def _checked_options(options: Mapping[str, Any], cls: type[ActorMachine]) -> Mapping[str, Any]:
    known = inspect.signature(Simulation).parameters.keys() - {"nodes", "plan"}
    for name in options.keys() - known:
        own = {"nodes", "faults", "orders", "within"}
        raise SimulationError(
            f"{cls.__name__}: there is no option {name}=; there are {', '.join(sorted(known | own))}"
        )
    return options
