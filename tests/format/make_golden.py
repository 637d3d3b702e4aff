"""Makes the golden store of this release's format: `.venv/bin/pytest tests/format/make_golden.py`, once.

A golden store is never made again after its release: what it is for is to be as old as it is. Every kind of
record is in it, written by a real node on a virtual clock.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import trio

from callboard import Refusal, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import FORMAT

from .cast import TYPES, Ann, Ben, tree
from .making import make_golden


async def fill(store: MemoryStore) -> None:
    """Run a node that leaves every kind of record behind."""
    async with open_node(store, name="golden", types=TYPES, seed=1) as node:
        await node.start(tree())
        ann = await node.spawn(Ann(owner="Ännchen"), name="ann")
        bob = await node.spawn(Ann(owner="bob"), name="bob")
        cy = await node.spawn(Ann(owner="cy"), name="cy")
        await node.ref(Ann, "ben").tell(Ann.add(1))  # who will live there is of another class
        await node.spawn(Ben(), name="ben")
        gone = await node.spawn(Ann(), name="gone")
        await gone.ask(Ann.leave())
        assert await ann.ask(Ann.add(3), id="three") == 3
        with contextlib.suppress(Refusal):
            await ann.ask(Ann.refuse(), id="refused")
        await cy.tell(Ann.fail())
        await bob.tell(Ann.struggle())
        await bob.tell(Ann.hear("after the struggle"))
        await ann.tell(Ann.remind(1, "fired", "k1"))
        await ann.tell(Ann.remind(600, "keyed", "k2"))
        await cy.tell(Ann.remind(900, "later", None))
        await trio.sleep(0.5)
        await node.pause(ann, "for the picture")
        await trio.sleep(5)
        await ann.tell(Ann.hear("späte Post"), id="late")
        await ann.tell(Ann.hear("x" * 5000))
        await cy.tell(Ann.wonder(ann, 3600))
        await cy.tell(Ann.look_after(bob))
        await gone.tell(Ann.hear("nobody"))
        await trio.sleep(1)
        await node.pause_type(Ben, "the tax office is closed")


def test_make_the_golden_store(tmp_path: Path) -> None:
    """Make the store and what is to be read in it; no test run collects this file by itself."""
    make_golden(f"{FORMAT}.store", fill, tmp_path)
