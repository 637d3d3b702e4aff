"""Remains: what a program left in its store, to be looked at when none of its runs is under way."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from ..mailbox.opening import view_disk
from ..mailbox.reading import list_dead, list_mailboxes, list_timers, read_counters, show_mailbox
from ..mailbox.records import Counters
from ..mailbox.soundness import find_damage
from ..mailbox.store import Store
from ..mailbox.views import DeadView, MailboxView

_ALL = 1 << 30
_PAGE = 1000


class Remains:
    """A store that nobody runs, as checks see it.

    Attributes:
        store: the store itself, read only, for what the methods do not show; see `mailbox.reading`.
    """

    def __init__(self, store: Store) -> None:
        """Look into an open store; usually made by `look_into`."""
        self.store = store

    def state(self, name: str) -> dict[str, Any]:
        """The declared fields of the actor of a name, as they are on disk.

        Raises:
            LookupError: no actor of that name is in the store, or its state cannot be read.
        """
        detail = show_mailbox(self.store, name)
        if detail is None or (detail.state is None and not detail.state_problem):
            raise LookupError(f"there is no actor {name!r} in the store: did the program spawn it?")
        if detail.state_problem:
            raise LookupError(f"the state of {name!r} cannot be read: {detail.state_problem}")
        return cast("dict[str, Any]", detail.state)

    def mailboxes(self) -> Iterator[MailboxView]:
        """Every mailbox, by number."""
        after = 0
        while page := list_mailboxes(self.store, after=after, limit=_PAGE):
            yield from page
            after = page[-1].box

    def dead(self) -> list[DeadView]:
        """Every dead letter, in the order of death."""
        return list_dead(self.store, limit=_ALL)

    def counters(self) -> Counters:
        """What became of every message (G4)."""
        return read_counters(self.store)

    def damage(self) -> list[str]:
        """What does not belong together; see `mailbox.soundness`."""
        return find_damage(self.store)

    def unhandled(self) -> dict[str, int]:
        """How much mail waits for actors that are there and not paused, by name."""
        if not self.counters().queued:
            return {}
        able = {"running", "retrying"}
        return {box.name: box.mail for box in self.mailboxes() if box.mail and box.condition in able}

    def is_at_rest(self) -> bool:
        """Whether a node would have nothing to do now: no mail to handle, no timer whose time has come."""
        due = any(timer.due <= time.time_ns() for timer in list_timers(self.store, limit=1))
        return not due and not self.unhandled()


@contextmanager
def look_into(store: str | Path) -> Generator[Remains]:
    """Look into the store in a directory, which is not changed; a node may even run beside.

    Raises:
        StoreError: one of its kinds; see `view_disk`.
    """
    view = view_disk(store)
    try:
        yield Remains(view)
    finally:
        view.close()
