"""Rules: what makes functions the rules of an `ActorMachine`; and the rules that it has of itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hypothesis import stateful, strategies as st

from . import ops
from .errors import SimulationError
from .invariants import check_plain
from .plan import MOST_CHOICES, Verb

if TYPE_CHECKING:
    from .machine import ActorMachine
    from .simulation import Simulation

F = TypeVar("F", bound=Callable[..., Any])
ALWAYS: Final = "_callboard_always"
STEP: Final = "_callboard_step"
OURS: Final = "_callboard_verb"


def rule(
    *,
    target: stateful.Bundle[Any] | None = None,
    targets: Sequence[stateful.Bundle[Any]] = (),
    **arguments: st.SearchStrategy[Any],
) -> Callable[[F], F]:
    """Hypothesis' `rule`, with types that admit `async def`.

    Args:
        target: the bundle that takes what it returns.
        targets: the same for several.
        arguments: a strategy or a bundle for each parameter.
    """
    return _decorator(stateful.rule, target, targets, arguments)


def initialize(
    *,
    target: stateful.Bundle[Any] | None = None,
    targets: Sequence[stateful.Bundle[Any]] = (),
    **arguments: st.SearchStrategy[Any],
) -> Callable[[F], F]:
    """Hypothesis' `initialize`, with types that admit `async def`.

    Args:
        target: the bundle that takes what it returns.
        targets: the same for several.
        arguments: a strategy or a bundle for each parameter.
    """
    return _decorator(stateful.initialize, target, targets, arguments)


def always(invariant: F) -> F:
    """Make a method of an `ActorMachine` an invariant that is checked after every commit of every node.

        @always
        def nobody_has_debt(self) -> None:
            assert all(account.balance >= 0 for account in self.sim.states(Account))

    It looks at what is on disk, and raises if that is wrong; it may be in the middle of a rule. It is
    checked when all `initialize` rules are done. For what holds only between rules there is Hypothesis'
    `@invariant()`.

    Raises:
        SimulationError: it is async.
    """
    check_plain(invariant)
    invariant.__dict__[ALWAYS] = True
    return invariant


def _decorator(
    kind: Any,
    target: stateful.Bundle[Any] | None,
    targets: Sequence[stateful.Bundle[Any]],
    arguments: dict[str, Any],
) -> Callable[[Any], Any]:
    if target is not None:
        arguments["target"] = target
    if targets:
        arguments["targets"] = targets
    return lambda function: kind(**arguments)(_for_machines(function))


def _for_machines(function: Any) -> Any:
    """A function that is refused where nobody would await it."""

    @functools.wraps(function)
    def rule_of(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self, "take_step"):
            raise SimulationError(
                f"{function.__qualname__} is async, and nobody awaits the rules of {type(self).__name__}: "
                "derive it from ActorMachine"
            )
        return function(self, *args, **kwargs)

    return rule_of if inspect.iscoroutinefunction(function) else function


# What becomes of a class.


def complete(cls: type[ActorMachine], faults: Sequence[Verb], *, nodes: int, orders: bool) -> None:
    """Let the rules of a machine run in its simulation, and give it a rule for each of its faults.

    Raises:
        SimulationError: a fault has the name of something else.
    """
    _add_verbs(cls, faults, nodes=nodes, orders=orders)
    for name, member in inspect.getmembers(cls, callable):
        stepped = _stepped(member)
        if stepped is not None:
            setattr(cls, name, stepped)


def named(cls: type[ActorMachine], mark: str) -> frozenset[str]:
    """The names of a class's methods that have a mark: `ALWAYS`, or one of Hypothesis'."""
    return frozenset(name for name, member in inspect.getmembers(cls) if hasattr(member, mark))


def _stepped(member: Any) -> Any:
    """The same rule or invariant, as a step of the simulation; None if it is neither, or a step already."""
    for mark, made_anew in _KINDS.items():
        marked = getattr(member, mark, None)
        if marked is None or hasattr(marked.function, STEP):
            continue
        _check_preconditions(marked)
        step = _step(marked.function, mark, otherwise=stateful.multiple() if _has_targets(marked) else None)
        step.__dict__[mark] = made_anew(marked, step)
        step.__dict__.update({OURS: member.__dict__[OURS]} if OURS in member.__dict__ else {})
        return step
    return None


def _step(function: Any, mark: str, otherwise: Any) -> Any:
    silent = mark == stateful.INVARIANT_MARKER

    @functools.wraps(function)
    def step(self: ActorMachine, *args: Any, **kwargs: Any) -> Any:
        return self.take_step(function, args, kwargs, otherwise=otherwise, silent=silent)

    step.__dict__[STEP] = True
    return step


def _check_preconditions(marked: Any) -> None:
    for precondition in marked.preconditions:
        if inspect.iscoroutinefunction(precondition):
            raise SimulationError(
                f"a precondition of {marked.function.__qualname__} is async: it is asked between "
                "steps, while nothing runs; self.sim.states(...) can be read there"
            )


def _has_targets(marked: Any) -> bool:
    return bool(getattr(marked, "targets", ()))


def _rule_anew(marked: stateful.Rule, function: Any) -> stateful.Rule:
    return stateful.Rule(
        targets=marked.targets,
        function=function,
        arguments=marked.arguments,
        preconditions=marked.preconditions,
    )


def _invariant_anew(marked: stateful.Invariant, function: Any) -> stateful.Invariant:
    return stateful.Invariant(
        function=function,
        preconditions=marked.preconditions,
        check_during_init=marked.check_during_init,
    )


_KINDS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    stateful.RULE_MARKER: _rule_anew,
    stateful.INITIALIZE_RULE_MARKER: _rule_anew,
    stateful.INVARIANT_MARKER: _invariant_anew,
}


# Rules that it has of itself.


def _reorder(sim: Simulation, turns: list[int], tasks: list[int]) -> None:
    sim.turns.renew(turns)
    sim.tasks.renew(tasks)


_choices = st.lists(st.integers(0, 3), max_size=MOST_CHOICES)
reorder = Verb(_reorder, {"turns": _choices, "tasks": _choices}, is_fault=True, name="reorder")
"""From now on, of the actors and of the tasks that could run, others run first; see `Plan`."""


def checked_faults(faults: object, cls: type) -> Sequence[Verb]:
    """What is given as the faults of a machine.

    Raises:
        SimulationError: one is no fault, or two have the same name.
    """
    if not isinstance(faults, list | tuple):
        raise SimulationError(f"{cls.__name__}: write faults=(faults.crash, ...); got faults={faults!r:.80}")
    found: dict[str, Verb] = {}
    for verb in faults:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(verb, Verb) or not verb.is_fault:
            raise SimulationError(
                f"{cls.__name__}: {verb!r:.80} is no fault: take them from callboard.testing.faults, and do "
                "not call them; an operation of your own is a rule here"
            )
        if verb.name in found:
            raise SimulationError(f"{cls.__name__}: two faults are named {verb.name}")
        found[verb.name] = verb
    return tuple(found.values())


def _add_verbs(cls: type[ActorMachine], faults: Sequence[Verb], *, nodes: int, orders: bool) -> None:
    for name in named(cls, OURS):
        setattr(cls, name, None)  # which a base had
    verbs = {verb.name: verb for verb in (ops.wait, *[reorder] * orders, *faults)}
    for name, verb in verbs.items():
        if getattr(cls, name, None) is not None:
            kind = "fault" if verb in faults else "rule that every machine has"
            raise SimulationError(
                f"{cls.__name__}.{name} stands in the place of the {kind} {name} ({verb.__doc__}): "
                "give yours another name, or leave the fault out"
            )
        setattr(cls, name, _rule_of(verb, cls, nodes))


def _rule_of(verb: Verb, cls: type[ActorMachine], nodes: int) -> Any:
    async def happen(self: ActorMachine, *args: Any, **kwargs: Any) -> None:
        await verb(*args, **kwargs).run(self.sim)

    happen.__name__, happen.__doc__ = verb.name, verb.__doc__
    happen.__qualname__ = f"{cls.__qualname__}.{verb.name}"
    decorate: Any = rule
    made = decorate(**verb.strategies(nodes))(happen)
    made.__dict__[OURS] = verb
    return made
