"""Branches: a bank whose accounts live on different nodes, what clients do to it, and what must hold.

Every deposit carries a serial number of its payer for its payee, and an account says so if one is missing,
comes twice or overtakes another. So order, once and nothing lost are seen from inside, by the actors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import attrs
import trio
from hypothesis import strategies as st

from callboard import Actor, ActorRef, AskTimeout, Retry, Terminated, handler
from callboard.testing import Crashed, InvariantBroken, Plan, Simulation, faults, operation, ops, plans

START = 100
SPELL_S = 5.0
STUBBORN = Retry(attempts=1000, wait=0.1, jitter=0)


class Branch(Actor, type_name="lab.Branch"):
    """The account of one node."""

    balance: int = START
    paid: dict[str, int] = attrs.field(factory=dict[str, int])
    """How many deposits were sent, by payee."""
    came: dict[str, int] = attrs.field(factory=dict[str, int])
    """The serial of the last deposit that came, by payer."""
    wrong: list[str] = attrs.field(factory=list[str])
    watching: int = 0
    told: int = 0

    @handler(retry=STUBBORN)
    async def pay(self, to: ActorRef[Branch], amount: int) -> None:
        self.balance -= amount
        self.paid[to.name] = serial = self.paid.get(to.name, 0) + 1
        await to.tell(Branch.deposit(amount, self.turn.ref.name, serial))

    @handler(retry=STUBBORN)
    async def deposit(self, amount: int, payer: str, serial: int) -> None:
        self.balance += amount
        before = self.came.get(payer, 0)
        if serial != before + 1:
            self.wrong.append(f"deposit {serial} of {payer} came after {before}")
        self.came[payer] = serial

    @handler(retry=STUBBORN)
    async def collect(self, source: ActorRef[Branch], amount: int) -> None:
        self.turn.request(source, Branch.give(amount), then=Branch.got)

    @handler(retry=STUBBORN)
    async def give(self, amount: int) -> int:
        self.balance -= amount
        return amount

    @handler(retry=STUBBORN)
    async def got(self, amount: int) -> None:
        self.balance += amount

    @handler(retry=STUBBORN)
    async def add(self, amount: int) -> int:
        self.balance += amount
        return amount

    @handler(retry=STUBBORN)
    async def follow(self, ref: ActorRef[Mayfly]) -> None:
        self.watching += 1
        self.turn.watch(ref, then=partial(Branch.heard, name=ref.name))

    @handler(retry=STUBBORN)
    async def heard(self, end: Terminated, name: str) -> None:
        self.told += 1
        if end.ref.name != name:
            self.wrong.append(f"heard of the end of {end.ref}, and watched {name}")


class Mayfly(Actor, type_name="lab.Mayfly"):
    """Lives to be watched."""

    @handler(retry=STUBBORN)
    async def die(self) -> None:
        self.turn.stop()


OPTIONS: dict[str, Any] = {"types": [Branch, Mayfly], "idle": 1.0, "park": None}
amounts = st.integers(1, 9)
others = st.integers(0, 2)


def away(sim: Simulation, node: int, other: int) -> ActorRef[Branch]:
    """The account of another node, from this one."""
    other %= sim.count
    other = (other + (other == node)) % sim.count
    return ActorRef(f"b{other}", f"n{other}")


def at(sim: Simulation, node: int) -> ActorRef[Branch]:
    """The account of a node, from there."""
    return sim.ref(Branch, f"b{node}", node=node)


@operation(other=others, amount=amounts)
async def transfer(sim: Simulation, other: int, amount: int, node: int = 0) -> None:
    """Move money by a message."""
    await at(sim, node).tell(Branch.pay(away(sim, node, other), amount))


@operation(other=others, amount=amounts)
async def collect(sim: Simulation, other: int, amount: int, node: int = 0) -> None:
    """Move money by a question."""
    await at(sim, node).tell(Branch.collect(away(sim, node, other), amount))


@operation(other=others, amount=amounts)
async def add(sim: Simulation, other: int, amount: int, node: int = 0) -> None:
    """Ask from outside, with an id, until there is an answer."""
    to, given = away(sim, node, other), sim.fresh_id()
    ref = sim.ref(Branch, str(to), node=node)
    while True:
        try:
            assert await ref.ask(Branch.add(amount), id=given, timeout=10) == amount
        except (Crashed, AskTimeout):
            await trio.sleep(1)
        else:
            sim.trace.note(-1, "added", given)
            return


@operation(other=others)
async def follow(sim: Simulation, other: int, node: int = 0) -> None:
    """Watch an actor of another node, and end its life."""
    to, name = away(sim, node, other), sim.fresh_id()
    there = int(to.node[1:])
    await surely(lambda: sim.spawn(Mayfly(), name=name, node=there))
    with suppress(Crashed):
        await at(sim, node).tell(Branch.follow(ActorRef(name, to.node)))
    fly = sim.ref(Mayfly, f"{name}@{to.node}", node=node)
    await surely(lambda: fly.tell(Mayfly.die(), id="die"))


async def surely(call: Callable[[], Awaitable[object]]) -> None:
    """Do something until no crash comes between."""
    while True:
        try:
            await call()
        except Crashed:
            await trio.sleep(1)
        else:
            return


VERBS = (transfer, collect, add, follow)


def journeys(nodes: int, *, max_ops: int = 10) -> st.SearchStrategy[Plan]:
    """Plans of all that clients can do and all that can go wrong, on several nodes."""
    return plans(*VERBS, ops.wait, *faults.ALL, nodes=nodes, max_ops=max_ops)


def storms(nodes: int, *, max_ops: int = 10) -> st.SearchStrategy[Plan]:
    """Plans in which only the network fails, and nodes do at their links."""
    return plans(*VERBS, ops.wait, faults.crash, nodes=nodes, max_ops=max_ops)


async def live(sim: Simulation, do: Callable[[], Awaitable[None]] | None = None) -> None:
    """Carry out a plan, let everything come to its end, and hold it against what must be."""
    for node in range(sim.count):
        await sim.spawn(Branch(), name=f"b{node}", node=node)
    await sim.run_plan()
    if do is not None:
        await do()
    await trio.sleep(SPELL_S)
    await sim.converge()
    reckon(sim)


def reckon(sim: Simulation) -> None:
    """Whether all money is there, every deposit has come once and in order, and every end was heard of."""
    branches = [sim.state(Branch, f"b{node}", node=node) for node in range(sim.count)]
    added = sum(op.arguments["amount"] for op in sim.plan.ops if op.verb is add)
    gave_up = any(event.what == "client gives up" and "add" in event.about[0] for event in sim.trace.events)
    total = sum(branch.balance for branch in branches)
    for branch in branches:
        if branch.wrong:
            raise InvariantBroken("fifo", "; ".join(branch.wrong))
        if branch.told != branch.watching:
            raise InvariantBroken("watches", f"{branch.watching} were watched, {branch.told} ends were heard")
    if not gave_up and total != START * sim.count + added:
        raise InvariantBroken("conserved", f"{total} is there, not {START * sim.count + added}")
    for node, branch in enumerate(branches):
        for name, serial in branch.paid.items():
            if branches[int(name[1:])].came.get(f"b{node}") != serial:
                raise InvariantBroken("conserved", f"{serial} deposits went from b{node} to {name}")
