"""Workload: what clients do to a world, drawn as operations of a plan, and the test that runs one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import trio
from hypothesis import strategies as st

from callboard import AskFailed, AskTimeout, NoSuchActor
from callboard.mailbox.records import Box, unpack
from callboard.mailbox.store import Table
from callboard.testing import Crashed, NotConverged, Plan, Simulation, Verb, faults, operation, ops, plans

from .reckoning import has_ended, reckon, waiting
from .worlds import KEYS, NAMES, Pawn, Program, Step, Unwilling, act, begin, world

ROUNDS = 20
"""Lives it may take until nothing waits: a pawn that stops leaves its mail to the next."""
ROUND_S = 60.0
SPELL_S = 5.0
"""How long the faults of a plan last on when all of it is done, so that few plans need a wait."""
PATIENCE_S = 100.0

names = st.sampled_from(NAMES)
first_names = st.sampled_from(NAMES[:2])
keys = st.sampled_from(KEYS)
ids = st.just("x")
delays = st.sampled_from([0.5, 2.0, 30.0])
leaf: st.SearchStrategy[Program] = st.just(())


def steps(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Step]:
    """One step of a program."""
    return st.one_of(
        st.tuples(st.just("tell"), names, inner),
        st.tuples(st.just("request"), names, inner, st.none() | st.just(2.0)),
        st.tuples(st.just("after"), delays, st.none() | keys, inner),
        st.tuples(st.just("cancel"), keys),
        st.tuples(st.just("spawn"), names),
        st.tuples(st.just("stop")),
        st.tuples(st.just("fail"), st.sampled_from([2, 1, 3])),
        st.tuples(st.just("refuse")),
        st.tuples(st.just("sleep"), st.sampled_from([0.0, 1.0])),
        st.tuples(st.just("effect")),
        st.tuples(st.just("stubborn")),
    )


inner_programs = st.lists(steps(leaf), max_size=1).map(tuple)
programs: st.SearchStrategy[Program] = (
    st.lists(steps(inner_programs), max_size=2)
    .map(tuple)
    .filter(lambda program: ("stop",) not in program[:-1])  # a timer set after it would be the next life's
)


@operation(to=names, program=programs)
async def tell(sim: Simulation, to: str, program: Program) -> None:
    """Send a message, and wait until it is stored."""
    await sim.ref(Pawn, to).tell(act(world().root(program), program))


@operation(sends=st.lists(st.tuples(names, programs), min_size=2, max_size=3))
async def tell_all(sim: Simulation, sends: list[tuple[str, Program]]) -> None:
    """Send several messages in one commit."""
    await sim.tell_all([(sim.ref(Pawn, to), act(world().root(program), program)) for to, program in sends])


@operation(to=names, program=programs, delay=delays, key=st.none() | keys)
async def later(sim: Simulation, to: str, program: Program, delay: float, key: str | None) -> None:
    """Send a message that is due after a while."""
    await sim.ref(Pawn, to).tell(act(world().root(program), program), delay=delay, key=key)


@operation(to=names, program=programs)
async def ask(sim: Simulation, to: str, program: Program) -> None:
    """Ask, and take whatever comes."""
    token = world().root(program)
    await _ask(sim, to, token, program, None)


@operation(to=first_names, id=ids, program=programs)
async def tell_once(sim: Simulation, to: str, id: str, program: Program) -> None:
    """Send with an id, again and again until it is known to be stored."""
    token = world().root(program, to, id)
    message = act(token, world().programs[token])
    await _insist(lambda: sim.ref(Pawn, to).tell(message, id=id))


@operation(to=first_names, id=ids, program=programs)
async def ask_once(sim: Simulation, to: str, id: str, program: Program) -> None:
    """Ask with an id, again and again until an answer is heard."""
    token = world().root(program, to, id)
    await _insist(lambda: _ask(sim, to, token, world().programs[token], id))


async def _ask(sim: Simulation, to: str, token: str, program: Program, id: str | None) -> None:
    try:
        reply = await sim.ref(Pawn, to).ask(act(token, program), timeout=PATIENCE_S, id=id)
    except (Unwilling, AskFailed, NoSuchActor) as error:
        sim.trace.note(-1, "client hears", type(error).__name__)
    except AskTimeout as error:
        if has_ended(sim, token) and "not taken in" not in str(error):
            world().broken("answers", f"{token} has ended, and who asked heard nothing")
    else:
        if reply != token:
            world().broken("answers", f"who asked {token} got the answer of {reply}")


async def _insist(call: Callable[[], Awaitable[Any]]) -> None:
    while True:
        try:
            await call()
        except Crashed:
            await trio.sleep(1)
        else:
            return


@operation(name=names)
async def spawn(sim: Simulation, name: str) -> None:
    """Let an actor live, if none does."""
    await sim.spawn(Pawn(), name=name)


@operation(name=first_names)
async def pause(sim: Simulation, name: str) -> None:
    """Pause a mailbox, unless it was forgotten."""
    with suppress(NoSuchActor):
        await sim.pause(sim.ref(Pawn, name))


@operation(name=first_names)
async def resume(sim: Simulation, name: str) -> None:
    """Resume a mailbox, unless it was forgotten."""
    with suppress(NoSuchActor):
        await sim.resume(sim.ref(Pawn, name))


VERBS: tuple[Verb, ...] = (
    tell,
    tell_all,
    later,
    ask,
    tell_once,
    ask_once,
    spawn,
    pause,
    resume,
    ops.wait,
    ops.settle,
)
OPTIONS: dict[str, Any] = {"types": [Pawn], "idle": 1.0, "park": None}
"""What a world is run with: actors rest soon, and mail waits for its actor for ever."""


def worlds(*, max_ops: int = 12) -> st.SearchStrategy[Plan]:
    """Plans of everything that clients can do and everything that can go wrong."""
    return plans(*VERBS, *faults.ALL, max_ops=max_ops)


async def live(sim: Simulation, *, forgets: bool = False) -> None:
    """Carry out a plan, let everything come to its end, and hold it against what must be."""
    begin(sim, forgets=forgets)
    for name in NAMES[:2]:
        await sim.spawn(Pawn(), name=name)
    await sim.run_plan()
    await trio.sleep(SPELL_S)
    await sim.converge()
    await come_to_an_end(sim)
    reckon(world())


async def come_to_an_end(sim: Simulation) -> None:
    """Let time pass until no message waits, and whoever is needed live.

    Raises:
        NotConverged: some wait still.
    """
    for _ in range(ROUNDS):
        if not waiting(sim):
            return
        await unblock(sim)
        await trio.sleep(ROUND_S)
        await sim.drain()
    raise NotConverged(f"these wait for ever: {', '.join(map(str, waiting(sim)))}")


async def unblock(sim: Simulation) -> None:
    """Let an actor live wherever mail waits, and take mail again."""
    boxes = [unpack(Box, value) for _, value in sim.nodes[0].store.scan(Table.BOXES)]
    for box in boxes:
        if not box.type:
            await sim.spawn(Pawn(), name=box.name)
        if box.paused:
            await sim.resume(sim.ref(Pawn, box.name))
