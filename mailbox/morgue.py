"""Morgue: finding dead letters by what they died of, and grouping them, a page at a time.

Nothing here needs the classes of the actors, and nothing is changed; a letter that cannot be read is found
by every search, so that none is overlooked.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from .patterns import matcher
from .reading import dead_view, show_dead
from .records import key, open_key
from .store import Snapshot, Store, Table
from .views import DeadView

PAGE: Final = 100
"""Dead letters read at a time; one has up to 80 KiB."""


class Wanted(msgspec.Struct, frozen=True):
    """Which dead letters are meant. In a text `*` stands for any text; None asks nothing."""

    numbers: tuple[int, ...] | None = None
    """Only these, in ascending order."""
    box: str | None = None
    """Name of the mailbox."""
    type: str | None = None
    """Declared name of the actor type the message was for."""
    error: str | None = None
    """Qualified name of the exception's class."""
    reason: str | None = None
    """failed, crashed, undecodable, misaddressed or unclaimed."""

    def fits(self, view: DeadView) -> bool:
        """Whether a letter is meant, numbers apart; one that cannot be read always is."""
        if view.problem:
            return True
        asked = (
            (self.box, view.box),
            (self.type, type_of(view)),
            (self.error, view.error),
            (self.reason, view.reason),
        )
        return all(pattern is None or matcher(pattern)(text) for pattern, text in asked)


class DeadGroup(msgspec.Struct, frozen=True):
    """Dead letters that died of the same."""

    error: str
    """Qualified name of the exception's class; empty if there was none."""
    reason: str
    """failed, crashed, undecodable, misaddressed or unclaimed; empty for letters that cannot be read."""
    count: int
    oldest: int
    """When the first of them died, ns."""
    newest: int
    """When the last of them died, ns."""
    example: int
    """Number of the last of them."""
    text: str
    """The text of its error."""


def type_of(view: DeadView) -> str:
    """The type a letter was for; that of its mailbox, if it cannot tell."""
    return view.letter.type or view.type


def newest_number(reads: Snapshot) -> int:
    """Number of the last dead letter; 0 if there is none."""
    at = reads.last(Table.DEAD)
    return open_key(at) if at else 0


def read_page(reads: Snapshot, after: int, end: int) -> list[tuple[int, bytes]]:
    """The next records in the order of death: numbers from `after` + 1 to `end`."""
    rows = reads.scan(Table.DEAD, key(after + 1), key(end + 1), PAGE) if after < end else []
    return [(open_key(at), value) for at, value in rows]


def pages(store: Store, wanted: Wanted, *, after: int = 0) -> Iterator[list[DeadView]]:
    """Wanted letters in the order of death, of those there are now; a page may be empty."""
    if wanted.numbers is not None:
        found = (show_dead(store, number) for number in wanted.numbers if number > after)
        yield from ([view] for view in found if view is not None and wanted.fits(view))
        return
    end = newest_number(store)
    while rows := read_page(store, after, end):
        views = [dead_view(number, value) for number, value in rows]
        yield [view for view in views if wanted.fits(view)]
        after = rows[-1][0]


def find_dead(store: Store, wanted: Wanted, *, after: int = 0, limit: int = 100) -> list[DeadView]:
    """Wanted letters from the one after `after`: pass the last one's `number` for the next page."""
    found: list[DeadView] = []
    for page in pages(store, wanted, after=after):
        found += page[: limit - len(found)]
        if len(found) >= limit:
            break
    return found


def group_dead(store: Store, wanted: Wanted | None = None) -> list[DeadGroup]:
    """Wanted letters by error and reason, the largest group first."""
    groups: dict[tuple[str, str], DeadGroup] = {}
    for page in pages(store, wanted or Wanted()):
        for view in page:
            died_of = view.error, view.reason
            groups[died_of] = _joined(groups.get(died_of), view)
    return sorted(groups.values(), key=lambda group: (-group.count, group.error, group.reason))


def _joined(group: DeadGroup | None, view: DeadView) -> DeadGroup:
    count, oldest = (group.count, group.oldest) if group is not None else (0, view.died_at)
    return DeadGroup(
        error=view.error,
        reason=view.reason,
        count=count + 1,
        oldest=oldest,
        newest=view.died_at,
        example=view.number,
        text=view.problem or view.text,
    )
