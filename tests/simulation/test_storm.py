"""Storms: trees of supervisors whose actors fail at random while mail arrives, and whose node is killed."""

from __future__ import annotations

from random import Random

import pytest
import trio
from hypothesis import strategies as st

from callboard import Backoff, ChildRefused
from callboard.testing import (
    Crashed,
    Simulation,
    check,
    faults,
    operation,
    ops,
    plans,
    run_simulation,
    simulate,
)

from .forest import RETRIED, STARTS, Tree, books_kept, forest, names


async def storm(sim: Simulation, sizes: tuple[int, int, int], seconds: float, pause: float) -> list[str]:
    """Mail to everybody, in any order, of which one in a hundred kills."""
    labels, draw = names(*sizes), Random(7)
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        label, other = draw.choice(labels), draw.choice(labels)
        message = Tree.sway(0.9, sim.ref(Tree, other)) if draw.random() < 0.3 else Tree.grow(0.97)
        await sim.ref(Tree, label).tell(message)
        await trio.sleep(draw.random() * 2 * pause)
    return labels


def weather(sizes: tuple[int, int, int], seconds: float, pause: float) -> None:
    """A storm over a forest, with all that must be true after it."""
    sent = died = 0

    async def blow(sim: Simulation) -> None:
        nonlocal sent, died
        await sim.start(forest(*sizes, backoff=None))
        labels = await storm(sim, sizes, seconds, pause)
        await sim.converge()
        life = sim.nodes[0].life
        assert life is not None
        statistics = life.node.statistics()
        sent, died = statistics.accepted, statistics.died
        assert statistics.queued == statistics.suspended == 0
        assert statistics.handled == sent - died
        assert len(sim.states(Tree)) == len(labels)

    with books_kept() as books:
        run_simulation(blow, types=[Tree])
    books.check_budgets()
    lows, middles, top = books.of("low"), books.of("middle"), books.of("top")
    assert sum(book.failures + book.late for book in lows) == died > 0
    # One for each death, but for those that a restart of their group took with it.
    alone = [book for book in lows if book.overseer.spec.name.endswith(("0", "3"))]
    assert all(len(book.restarts) == book.failures for book in alone)
    assert sum(len(book.restarts) for book in middles) == sum(book.failures for book in middles)
    assert sum(len(book.restarts) for book in top) == sum(book.failures for book in top)
    begun = books.begun
    assert all(begun[name] <= count <= begun[name] + RETRIED[name] for name, count in STARTS.items())
    assert all(book.overseer.is_over for book in books.books.values())


def test_in_a_storm_over_a_tree_of_three_levels_nothing_is_lost_and_the_budgets_are_exact() -> None:
    weather((2, 3, 6), seconds=60, pause=0.05)


@pytest.mark.hunt
def test_a_storm_of_ten_minutes_over_two_hundred_actors() -> None:
    weather((4, 5, 10), seconds=600, pause=0.05)


LABELS = st.sampled_from(names(1, 3, 2))


@operation(label=LABELS, calm=st.sampled_from([0.0, 0.5, 1.0]))
async def grow(sim: Simulation, label: str, calm: float) -> None:
    await sim.ref(Tree, label).tell(Tree.grow(calm))


@operation(label=LABELS, to=LABELS, calm=st.sampled_from([0.0, 1.0]))
async def sway(sim: Simulation, label: str, to: str, calm: float) -> None:
    await sim.ref(Tree, label).tell(Tree.sway(calm, sim.ref(Tree, to)))


@operation(which=st.integers(0, 2))
async def plant(sim: Simulation, which: int) -> None:
    """One more child of a template; that it is there already is no mistake."""
    name = f"pool/{which}"
    try:
        await sim.tend(lambda tree: tree.start_child("pool", name, name))
    except (ChildRefused, LookupError):
        return
    await sim.ref(Tree, name).tell(Tree.grow(0.5))


@operation(label=LABELS)
async def stop_and_go(sim: Simulation, label: str) -> None:
    """Stop a child in the middle of whatever it does, and start it again until it runs."""
    while True:
        try:
            await sim.tend(lambda tree: tree.terminate_child(label))
            await sim.tend(lambda tree: tree.restart_child(label))
        except (ChildRefused, LookupError):
            await trio.sleep(1)
        except Crashed:
            return
        else:
            return


@simulate(plans(grow, sway, plant, stop_and_go, ops.wait, *faults.ALL), types=[Tree])
async def test_whatever_happens_to_node_and_actors_a_tree_comes_up_again_and_loses_nothing(
    sim: Simulation,
) -> None:
    for faulty in range(3):
        try:
            await sim.start(forest(1, 3, 2, backoff=None if faulty else Backoff(first=0.5)))
        except Crashed:
            continue
        break
    await sim.run_plan()
    await sim.converge()
    check.fifo(sim)
    life = sim.nodes[0].life
    assert life is not None
    assert life.tree is not None
    states = [
        child.status.value for each in life.tree.overseers() for child in life.tree.which_children(each.name)
    ]
    assert states.count("running") == len(states) >= 4 + 6
    assert life.node.statistics().queued == 0
