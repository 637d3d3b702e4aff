"""Three real nodes over real sockets, killed, frozen and cut off at random: nothing lost, nothing twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from callboard.mailbox.links import Link
from callboard.mailbox.records import unpack
from callboard.mailbox.store import Table
from callboard.testing.remains import Remains, look_into

from .nodes import ACCOUNTS, NODES, OPENING, TELLERS
from .tormenting import Torment

pytestmark = pytest.mark.slow

STORE_KEY = 16
"""Bytes of a store's uuid."""


def complaints(folder: Path) -> list[str]:
    """Everything that is wrong with what the nodes left."""
    with ExitStack() as stack:
        left = {node: stack.enter_context(look_into(folder / f"{node}.store")) for node in NODES}
        found = [f"{node}: {text}" for node in NODES for text in unsound(left[node])]
        found += [f"{near} to {far}: {text}" for near, far, text in streams(left, folder)]
        found += [f"{near} to {far}: {text}" for near, far, text in links(left)]
        found += money(left)
    return found


def unsound(remains: Remains) -> Iterator[str]:
    """One store by itself."""
    yield from remains.damage()
    yield from (f"dead: {dead}" for dead in remains.dead())
    if waiting := remains.unhandled():
        yield f"not handled: {waiting}"
    yield from remains.state("hub")["wrong"]


def streams(left: dict[str, Remains], folder: Path) -> Iterator[tuple[str, str, str]]:
    """Each hub has heard all that each source has sent, and all that was acknowledged outside."""
    for near in NODES:
        sent = left[near].state(f"source/{near}")["sent"]
        for far in NODES:
            last = left[far].state("hub")["last"]
            if last.get(f"source/{near}", 0) != sent:
                yield near, far, f"{sent} were sent and {last.get(f'source/{near}')} were heard"
            acked = int((folder / f"{near}-to-{far}.acked").read_text())
            if last.get(f"outside/{near}", 0) not in {acked, acked + 1}:
                yield near, far, f"{acked} were acknowledged and {last.get(f'outside/{near}')} were heard"


def links(left: dict[str, Remains]) -> Iterator[tuple[str, str, str]]:
    """What left one store has arrived in the other: the two counts of each link are one."""
    for near in NODES:
        uuid = left[near].store.identity.uuid
        boxes = {box.name: box for box in left[near].mailboxes()}
        for far in NODES:
            if near != far:
                box, record = boxes[f"@{far}"], left[far].store.get(Table.LINKS, uuid)
                taken = 0 if record is None else unpack(Link, record).next
                if box.mail or box.handled != taken:
                    yield near, far, f"{box.handled} have left, {box.mail} wait, and {taken} have arrived"


def money(left: dict[str, Remains]) -> list[str]:
    """The sum over all nodes is what it was, and nobody is in debt."""
    balances = [left[node].state(f"account/{i}")["balance"] for node in NODES for i in range(ACCOUNTS)]
    wrong = [f"in debt: {balances}"] if min(balances) < 0 else []
    if sum(balances) != OPENING * len(balances):
        wrong.append(f"{OPENING * len(balances)} became {sum(balances)}: {balances}")
    if sum(moved(left)) == 0:
        wrong.append("no money was moved at all")
    return wrong


def moved(left: dict[str, Remains]) -> list[int]:
    """Transfers that were done, by teller."""
    return [left[node].state(f"teller/{i}")["moved"] for node in NODES for i in range(TELLERS)]


def torment(folder: Path, seed: int, seconds: float, *, holes: float) -> None:
    """Run, and complain."""
    torment = Torment(seed, folder, holes=holes)
    cluster = trio.run(torment.run, seconds)
    found = complaints(folder)
    history = "\n".join(torment.done)
    assert not found, f"seed {seed}, in {folder}:\n" + "\n".join(found) + f"\nIt was tormented so:\n{history}"
    assert all(node.code == 0 for node in cluster), [node.code for node in cluster]
    assert sum(node.restarts for node in cluster) > 0


def test_nothing_is_lost_and_nothing_is_twice_in_a_cluster_that_is_tormented(tmp_path: Path) -> None:
    torment(tmp_path / "nodes", seed=1, seconds=12, holes=3)


@pytest.mark.hunt
def test_nothing_is_lost_and_nothing_is_twice_for_ten_minutes(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    for number in range(10):
        torment(tmp_path / f"nodes{number}", seed=seed + number, seconds=58, holes=25)
