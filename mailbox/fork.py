"""What a forked child may not touch.

LMDB in a forked child looks alive: it reads, it even writes, and then its parent waits for ever for a lock
that the child took along. So whatever holds a store is told in the child, and refuses there.
"""

import os
import weakref
from typing import Final, Protocol


class Disownable(Protocol):
    """Something that belongs to the process that opened it."""

    def disown(self) -> None:
        """Refuse all work from now on: this is a forked child."""
        ...


_open: Final[weakref.WeakSet[Disownable]] = weakref.WeakSet()


def guard(thing: Disownable) -> None:
    """Have something told in every child forked from now on."""
    _open.add(thing)


def unguard(thing: Disownable) -> None:
    """It is closed: a child may have it."""
    _open.discard(thing)


def _disown_all() -> None:
    for thing in list(_open):
        thing.disown()


os.register_at_fork(after_in_child=_disown_all)
