"""Glance: what a node itself wants to know of its store; showing it to people takes more, see `reading`."""

from contextlib import suppress

from .errors import Undecodable
from .records import COUNTERS_KEY, Children, Counters, Dead, unpack
from .store import Snapshot, Store, Table


def read_counters(store: Store) -> Counters:
    """What became of every message (G4).

    Raises:
        Undecodable: the record cannot be read.
    """
    value = store.get(Table.META, COUNTERS_KEY)
    return Counters() if value is None else unpack(Counters, value)


def read_declared(store: Store) -> dict[str, str]:
    """The supervisor of each declared actor, by the actor's name, as of when the node last ran."""
    found: dict[str, str] = {}
    for record in list_supervisors(store):
        pairs = zip(record.names, record.types, strict=False)
        found.update({name: record.supervisor for name, type_ in pairs if type_})
    return found


def list_supervisors(store: Store) -> list[Children]:
    """Every supervisor of the tree that the node last ran, and its children; damaged records are left out."""
    found: list[Children] = []
    for _, value in store.scan(Table.CHILDREN, limit=1 << 30):
        with suppress(Undecodable):
            found.append(unpack(Children, value))
    return found


def oldest_died_at(reads: Snapshot) -> int:
    """When the oldest dead letter there is died, ns; 0 if there is none, or it cannot be read."""
    with suppress(Undecodable):
        for _, value in reads.scan(Table.DEAD, limit=1):
            return unpack(Dead, value).died_at
    return 0
