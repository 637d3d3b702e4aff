"""What `doctor` finds inside a store that can be opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..mailbox.disk import DiskStore
from ..mailbox.errors import Undecodable
from ..mailbox.maps import PAUSED
from ..mailbox.meta import OPENED_KEY
from ..mailbox.preflight import DATA
from ..mailbox.reading import list_dead, list_timers
from ..mailbox.records import open_key, unpack_number
from ..mailbox.store import Store, Table
from . import symptoms, wording
from .examining import anatomy_of, looking_closely
from .holders import holder_of
from .survey import Survey, survey
from .symptoms import DAY, Symptom, fail, ok, warn
from .terminal import safe
from .totals import number_keys
from .viewing import now_ns

MOST: Final = 10_000
"""Dead letters and timers counted."""
_NEWEST: Final = 200


def insides(path: Path) -> Iterator[Symptom]:
    """What can be said of an open store.

    Raises:
        StoreError: it cannot be opened.
    """
    with looking_closely(path) as store:
        running = holder_of(path) is not None
        yield from _of_the_file(store)
        yield _closed(store, running=running)
        yield symptoms.clock(now_ns(), _opened(store))
        yield from _of_mail(survey(store))
        yield from _paused_types(store)
        yield _dead(store)
        yield _overdue(store, running=running)


def _of_the_file(store: DiskStore) -> Iterator[Symptom]:
    anatomy = anatomy_of(store)
    file = (store.path / DATA).stat().st_size
    yield symptoms.growth(file, anatomy.limit, anatomy.free * anatomy.page)
    seen = [reader.commit for reader in anatomy.readers if reader.commit is not None]
    behind = anatomy.commit - min(seen) if seen else 0
    yield symptoms.readers(store.dead_readers, len(anatomy.readers), anatomy.slots, behind)


def _closed(store: Store, *, running: bool) -> Symptom:
    identity = store.identity
    name = f"node {safe(identity.node)!r}" if identity.node else "a node without a name"
    text = f"{name}, incarnation {identity.incarnation:,}"
    if running or identity.clean:
        return ok("store", f"{text}, {'running' if running else 'closed cleanly'}")
    return ok("store", f"{text}, not closed: its last process was killed or crashed, which costs nothing")


def _opened(store: Store) -> int:
    value = store.get(Table.META, OPENED_KEY)
    try:
        return 0 if value is None else unpack_number(value)
    except Undecodable:
        return 0


def _of_mail(found: Survey) -> Iterator[Symptom]:
    if found.unreadable:
        text = f"{wording.count(found.unreadable, 'mailbox')} cannot be read and stay shut"
        yield fail("mailboxes", text, "callboard ls shows which; restore a backup")
    for what, names, remedy in (
        ("paused", found.paused, "callboard why NAME says what to do"),
        ("retrying", found.retrying, "callboard why NAME says what fails"),
        ("no actor", found.ownerless, "spawn one there before the mail becomes dead letters"),
    ):
        if names:
            yield warn(what, f"{wording.count(len(names), 'actor')}: {_some(names)}", remedy)
    now = now_ns()
    if found.oldest_at and now - found.oldest_at > DAY:
        text = f"the oldest was sent {wording.ago(found.oldest_at, now)} and waits in {safe(found.oldest)!r}"
        yield warn("mail", text, f"callboard why {safe(found.oldest)!r}")
    else:
        more = " looked at, and there are more" if found.more else ""
        yield ok(
            "mail", f"{wording.count(found.mailboxes, 'mailbox', plural='mailboxes')}{more}; none is old"
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(safe(name) for name in names[:3])
    return f"{shown} and {len(names) - 3:,} more" if len(names) > 3 else shown


def _paused_types(store: Store) -> Iterator[Symptom]:
    try:
        paused = PAUSED.read(store)
    except Undecodable as error:
        yield fail(
            "paused types", f"the record cannot be read ({error}), and no node starts", "restore a backup"
        )
        return
    for type_, why in paused.items():
        text = f"all actors of type {safe(type_)}: {safe(why)}"
        yield warn("paused type", text, f"when that is put right: callboard resume --type {safe(type_)}")


def _dead(store: Store) -> Symptom:
    number = number_keys(store, Table.DEAD, MOST)
    newest = store.last(Table.DEAD)
    after = max(0, open_key(newest) - _NEWEST) if newest else 0
    letters = list_dead(store, after=after, limit=_NEWEST)
    return symptoms.dead_letters(number, sum(letter.reason == "undecodable" for letter in letters))


def _overdue(store: Store, *, running: bool) -> Symptom:
    now = now_ns()
    due = [timer.due for timer in list_timers(store, limit=MOST) if timer.due <= now]
    return symptoms.overdue(len(due), now - min(due, default=now), running=running)
