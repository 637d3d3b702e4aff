"""Totals: a store in one line, counted while its mailboxes go by."""

from typing import Final

from ..mailbox.errors import Undecodable
from ..mailbox.records import Timer, TimerKind, unpack
from ..mailbox.store import Store, Table
from ..mailbox.views import MailboxView
from .viewing import number_keys
from .wording import count

MOST_TIMERS: Final = 20_000
MOST_DEAD: Final = 100_000
"""Counted so far; where there are more, the line says so."""


class Totals:
    """What a listing has seen."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.mailboxes = 0
        self.shown = 0
        self.damaged = 0
        self._actors = 0
        self._waiting = 0

    def add(self, view: MailboxView, *, shown: bool) -> None:
        """One more mailbox."""
        self.mailboxes += 1
        self.shown += shown
        self.damaged += bool(view.problem)
        self._actors += bool(view.type)
        self._waiting += view.mail

    def sentence(self, store: Store) -> str:
        """The whole store in a line: actors, messages, timers, dead letters."""
        timers, more_timers = count_timers(store)
        dead = number_keys(store, Table.DEAD, MOST_DEAD + 1)
        parts = [
            count(self._actors, "actor"),
            f"{count(self._waiting, 'message')} waiting",
            count(timers, "timer", more=more_timers),
            count(min(dead, MOST_DEAD), "dead letter", more=dead > MOST_DEAD),
        ]
        return ", ".join(parts)


def count_timers(store: Store, most: int = MOST_TIMERS) -> tuple[int, bool]:
    """Messages that are due later, and whether there may be more: other things have timers too."""
    timers, seen, start = 0, 0, b""
    while seen < most:
        rows = store.scan(Table.TIMERS, start, None, 1000)
        if not rows:
            return timers, False
        timers += sum(_is_message(record) for _, record in rows)
        seen += len(rows)
        start = rows[-1][0] + b"\0"
    return timers, True


def _is_message(record: bytes) -> bool:
    try:
        return unpack(Timer, record).kind == TimerKind.MESSAGE
    except Undecodable:
        return False
