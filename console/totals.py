"""Totals: a whole store in one line, from its counters, so that it costs the same in a store of any size."""

from typing import Final

from ..mailbox.errors import Undecodable
from ..mailbox.reading import read_counters
from ..mailbox.records import Counters
from ..mailbox.store import Store, Table
from .wording import count

MOST_DEAD: Final = 100_000
"""Dead letters are counted so far; where there are more, the line says so."""


def totals(store: Store) -> str:
    """Actors, messages, timers and dead letters of a store.

    Raises:
        Undecodable: its counters cannot be read.
    """
    counters = _counters(store)
    dead = number_keys(store, Table.DEAD, MOST_DEAD + 1)
    return ", ".join(
        (
            count(counters.actors, "actor"),
            f"{count(counters.queued, 'message')} waiting",
            count(counters.scheduled, "timer"),
            count(min(dead, MOST_DEAD), "dead letter", more=dead > MOST_DEAD),
        )
    )


def _counters(store: Store) -> Counters:
    try:
        return read_counters(store)
    except Undecodable as error:
        raise Undecodable(
            f"the store's totals cannot be read: {error}. What is listed is as it should be; "
            "keep a copy of the store for examination and restore a backup"
        ) from error


def number_keys(store: Store, table: Table, most: int) -> int:
    """How many keys of one number a table has, counted up to `most`; no value is read."""
    start, seen = b"", 0
    while seen < most:
        found = store.prefixes(table, 8, start, min(1000, most - seen))
        seen += len(found)
        if not found or found[-1] == b"\xff" * 8:
            break
        start = (int.from_bytes(found[-1], "big") + 1).to_bytes(8, "big")
    return seen
