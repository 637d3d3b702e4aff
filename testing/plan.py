"""Plans: what is done to a simulation, as a value that Hypothesis draws and shrinks."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs
from hypothesis import strategies as st

from .errors import SimulationError

if TYPE_CHECKING:
    from .simulation import Simulation

MOST_OPS = 20
MOST_CHOICES = 12


class Verb:
    """A kind of operation. Called with arguments it makes an `Op`, which a plan holds."""

    def __init__(
        self,
        function: Callable[..., Any],
        strategies: Mapping[str, st.SearchStrategy[Any]],
        *,
        is_fault: bool = False,
        name: str = "",
    ) -> None:
        self.is_fault = is_fault
        """It is done where it stands in the plan, and not by a client."""
        self.name = self.__name__ = name or function.__name__
        self._function = function
        self._strategies = dict(strategies)
        self._signature = _without_first(inspect.signature(function))
        unknown = self._strategies.keys() - self._signature.parameters.keys()
        missing = [
            name
            for name, parameter in self._signature.parameters.items()
            if parameter.default is parameter.empty and name not in self._strategies
        ]
        if unknown or missing:
            what = f"has no parameter {min(unknown)!r}" if unknown else f"needs one for {missing[0]!r}"
            raise SimulationError(
                f"the operation {self.name} is given strategies by parameter name, and {what}"
            )
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Op:
        """An operation with these arguments."""
        return Op(self, self._signature.bind(*args, **kwargs).arguments)

    def drawn(self, **strategies: st.SearchStrategy[Any]) -> Verb:
        """The same kind of operation with other strategies for some of its arguments."""
        return Verb(
            self._function, {**self._strategies, **strategies}, is_fault=self.is_fault, name=self.name
        )

    def strategy(self, nodes: int = 1) -> st.SearchStrategy[Op]:
        """Draws one such operation, for any of so many nodes if it has a parameter `node`."""
        return st.builds(self, **self.strategies(nodes))

    def strategies(self, nodes: int = 1) -> dict[str, st.SearchStrategy[Any]]:
        """What its arguments are drawn from."""
        strategies = dict(self._strategies)
        if nodes > 1 and "node" in self._signature.parameters:
            strategies.setdefault("node", st.integers(0, nodes - 1))
        if nodes > 1 and "other" in self._signature.parameters and self.is_fault:
            strategies.setdefault("other", st.integers(0, nodes - 1))
        return strategies

    async def run(self, sim: Simulation, arguments: Mapping[str, Any]) -> None:
        """Do it."""
        result = self._function(sim, **arguments)
        if inspect.isawaitable(result):
            await result

    def show(self, arguments: Mapping[str, Any]) -> str:
        """A call of it as text, without what is as by default."""
        parameters = self._signature.parameters
        told = [f"{name}={value!r}" for name, value in arguments.items() if parameters[name].default != value]
        return f"{self.name}({', '.join(told)})"

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


@attrs.frozen(repr=False)
class Op:
    """One operation of a plan."""

    verb: Verb
    arguments: Mapping[str, Any] = attrs.field(hash=False)

    async def run(self, sim: Simulation) -> None:
        """Do it."""
        await self.verb.run(sim, self.arguments)

    def __repr__(self) -> str:
        return self.verb.show(self.arguments)


def _without_first(signature: inspect.Signature) -> inspect.Signature:
    _, *parameters = signature.parameters.values()
    return signature.replace(parameters=parameters)


def operation(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., Awaitable[None]]], Verb]:
    """Make an async function an operation of plans.

        @operation(amount=st.integers(1, 9))
        async def pay(sim: Simulation, amount: int) -> None:
            await sim.ref(Account, "ann").ask(Account.withdraw(amount))

    It runs as a client beside the others. When its node is killed under it, it ends there, with its
    outcome unknown; catch `Crashed` to try again. Any other exception fails the test.

    Args:
        strategies: for each parameter after the first.

    Raises:
        SimulationError: a parameter has no strategy, or a strategy no parameter.
    """
    return lambda function: Verb(function, strategies)


@attrs.frozen(repr=False)
class Plan:
    """What happens in a simulation: operations, and in which order those run who could run in any.

    Its repr is the code that makes it again.
    """

    ops: tuple[Op, ...] = attrs.field(default=(), converter=tuple[Op, ...])
    turns: tuple[int, ...] = attrs.field(default=(), converter=tuple[int, ...])
    """For each choice among several actors that are ready: how many to pass over. Afterwards, none."""
    tasks: tuple[int, ...] = attrs.field(default=(), converter=tuple[int, ...])
    """The same among trio's tasks: suspended handlers, clients."""
    nodes: int = 1

    def __repr__(self) -> str:
        parts = [f"[{', '.join(map(repr, self.ops))}]"]
        parts += [f"turns={list(self.turns)}"] * bool(self.turns)
        parts += [f"tasks={list(self.tasks)}"] * bool(self.tasks)
        parts += [f"nodes={self.nodes}"] * (self.nodes != 1)
        return f"Plan({', '.join(parts)})"

    def again(self) -> str:
        """How to see it again."""
        return f"decorate the test with\n  @example({self!r})"


def plans(
    *verbs: Verb, nodes: int = 1, max_ops: int = MOST_OPS, orders: bool = True, network: bool = True
) -> st.SearchStrategy[Plan]:
    """Draw plans of these operations.

    Args:
        verbs: operations of your own (`operation`), of `ops` and of `faults`.
        nodes: how many there are.
        max_ops: how many operations a plan has at most.
        orders: draw the order of turns and tasks, too.
        network: with several nodes, draw what can go wrong between them, too: `faults.NETWORK`.

    Raises:
        SimulationError: no operations, or no nodes.
    """
    if nodes < 1:
        raise SimulationError(f"a plan is for at least one node; got nodes={nodes}")
    if not verbs:
        raise SimulationError("a plan needs operations: plans(pay, faults.crash, ...)")
    for verb in cast("tuple[object, ...]", verbs):
        if not isinstance(verb, Verb):
            raise SimulationError(
                f"{verb!r:.80} is no operation: decorate it with @operation(...), and do not call it"
            )
    if nodes > 1 and network:
        from .faults import NETWORK

        verbs += tuple(verb for verb in NETWORK if verb not in verbs)
    choices = st.lists(st.integers(0, 3), max_size=MOST_CHOICES)
    return st.builds(
        Plan,
        st.lists(st.one_of([verb.strategy(nodes) for verb in verbs]), max_size=max_ops),
        **({"turns": choices, "tasks": choices} if orders else {}),
        **({"nodes": st.just(nodes)} if nodes > 1 else {}),
    )
