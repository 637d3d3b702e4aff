"""Pardon: a person lets a link go on that was stopped because one of the stores is an old copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mailbox.errors import Undecodable
from ..mailbox.records import Link, pack, unpack
from ..mailbox.store import Table
from .admission import FROM_ITS_HEAD

if TYPE_CHECKING:
    from ..actors.runtime import Runtime

STORE_KEY = 16
"""Bytes of a store's uuid, which is the key of what is known of it."""


async def accept(runtime: Runtime, node: str) -> bool:
    """Let the links from a node go on, with whatever it sends next; whether one was stopped.

    Some of what it sends may be here already, and some be missing. Durable when this returns.
    """
    ledger = runtime.ledger
    found = False
    for key, value in ledger.store.scan(Table.LINKS, limit=1 << 30):
        record = _read(key, value)
        if record is not None and record.node == node and record.stopped:
            found = True
            ledger.write(Table.LINKS, key, pack(Link(node, 0, 0, FROM_ITS_HEAD, 0)))
    runtime.workers.wake()
    await ledger.wait_durable(ledger.lsn - ledger.open.empty)
    return found


def _read(key: bytes, value: bytes) -> Link | None:
    try:
        return unpack(Link, value) if len(key) == STORE_KEY else None
    except Undecodable:
        return None
