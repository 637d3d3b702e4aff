"""`ls`, `show` and `peek`: mailboxes, one mailbox, its mail. They take nothing and change nothing."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

import click

from ..mailbox.identity import show_number
from ..mailbox.letter import Letter
from ..mailbox.patterns import is_plain, matcher
from ..mailbox.reading import find_mailbox, list_mailboxes, list_timers, peek as peek_mail, show_mailbox
from ..mailbox.records import open_key
from ..mailbox.store import Store, Table
from ..mailbox.views import MailboxDetail, MailboxView, TimerView
from . import jsonl, wording
from .exits import ProblemsFound
from .room import say_if_full
from .showing import CONDITIONS, mailbox_fields, mailbox_lines, mailbox_row, require_whole
from .tables import Column, Table as TextTable
from .terminal import line_width, put, say
from .totals import totals
from .viewing import is_utf8, json_option, looking, nobody_called, now_ns, standing_still, store_option

PAGE: Final = 500
"""Mailboxes read from one commit, and shown, at a time."""
MOST_TIMERS: Final = 10_000
"""Timers looked through for those of one mailbox, the soonest first."""

_SORTS: Final[dict[str, Callable[[MailboxView], Any]]] = {
    "name": lambda view: view.name,
    "mail": lambda view: (-view.mail, view.name),
    "age": lambda view: (view.oldest or 1 << 64, view.name),
    "attempts": lambda view: (-view.attempts, view.name),
}


@click.command("ls")
@click.argument("pattern", required=False)
@store_option
@click.option("--type", "type_", metavar="TYPE", help="Only actors of this type; * stands for any text.")
@click.option(
    "--sort",
    type=click.Choice(list(_SORTS)),
    help="By name, most mail, oldest mail or most attempts; by default in the order they were made.",
)
@click.option("-n", "--number", type=click.IntRange(min=1), help="The most; by default all.")
@json_option
def list_command(
    path: Path, pattern: str | None, type_: str | None, sort: str | None, number: int | None, *, as_json: bool
) -> None:
    """List the mailboxes and the actors behind them.

    PATTERN is a name in which * stands for any text, such as 'order/*'.
    """
    tally = _Tally()
    with looking(path) as store:
        pages = _matching(store, pattern, type_, tally)
        if sort:
            pages = _sorted(pages, _SORTS[sort], number)
        if number is not None:
            pages = _first(pages, number)
        if as_json:
            _put_lines(pages)
        else:
            _put_table(pages)
            say(_summary(store, tally, number, filtered=bool(pattern or type_)))
    say_if_full(path)
    if tally.damaged:
        raise ProblemsFound(
            f"{wording.count(tally.damaged, 'mailbox record')} cannot be read: the store is damaged there. "
            "The other mailboxes are not affected; keep a copy for examination and restore a backup"
        )


class _Tally:
    """What a listing came by."""

    def __init__(self) -> None:
        self.shown = self.damaged = 0


def _matching(
    store: Store, pattern: str | None, type_: str | None, tally: _Tally
) -> Iterator[list[MailboxView]]:
    """The mailboxes that are wanted, page by page; those that cannot be read always are."""
    fits_name, fits_type = matcher(pattern), matcher(type_)
    for page in _named(store, pattern) if pattern and is_plain(pattern) else _pages(store):
        wanted: list[MailboxView] = []
        for view in page:
            if view.problem or (fits_name(view.name) and fits_type(view.type)):
                wanted.append(view)
                tally.damaged += bool(view.problem)
        tally.shown += len(wanted)
        yield wanted


def _named(store: Store, name: str) -> Iterator[list[MailboxView]]:
    view = find_mailbox(store, name) if is_utf8(name) else None
    yield [view] if view else []


def _pages(store: Store) -> Iterator[list[MailboxView]]:
    """All mailboxes that there are now; those that a running node makes meanwhile are left out."""
    newest = store.last(Table.BOXES)
    after, end = 0, open_key(newest) if newest else 0
    while after < end and (page := list_mailboxes(store, after=after, limit=PAGE)):
        yield [view for view in page if view.box <= end]
        after = page[-1].box


def _sorted(
    pages: Iterator[list[MailboxView]], key: Callable[[MailboxView], Any], number: int | None
) -> Iterator[list[MailboxView]]:
    """All of them in order, or the first: of a million mailboxes no more are kept than are wanted."""
    views = chain.from_iterable(pages)
    yield sorted(views, key=key) if number is None else heapq.nsmallest(number, views, key=key)


def _first(pages: Iterator[list[MailboxView]], number: int) -> Iterator[list[MailboxView]]:
    """The first of them; no more are read."""
    for page in pages:
        yield page[:number]
        number -= len(page)
        if number <= 0:
            return


def _put_lines(pages: Iterator[list[MailboxView]]) -> None:
    for page in pages:
        put(*[jsonl.line(**mailbox_fields(view)) for view in page])


def _put_table(pages: Iterator[list[MailboxView]]) -> None:
    table = TextTable(
        [
            Column("NAME", elastic=True),
            Column("TYPE", elastic=True),
            Column("CONDITION", colors=CONDITIONS),
            Column("MAIL", right=True),
            Column("OLDEST", right=True),
            Column("ATTEMPTS", right=True),
            Column("", elastic=True),
        ],
        width=line_width(),
    )
    for page in pages:
        now = now_ns()
        put(*table.page([mailbox_row(view, now) for view in page]))


def _summary(store: Store, tally: _Tally, number: int | None, *, filtered: bool) -> str:
    if number is not None and tally.shown >= number:
        return f"{number:,} shown; in the whole store {totals(store)}"
    if not filtered:
        return totals(store)
    found = f"{tally.shown:,} match" if tally.shown else "no mailbox matches"
    return f"{found}; in the whole store {totals(store)}"


@click.command("show")
@click.argument("name")
@store_option
@json_option
def show_command(path: Path, name: str, *, as_json: bool) -> None:
    """Show one actor: condition, failure, mail, state, timers."""
    with looking(path) as store:
        detail = None
        head: list[Letter] = []
        timers: list[TimerView] = []
        if is_utf8(name):
            with standing_still(store) as still:
                detail = show_mailbox(still, name)
                head = peek_mail(still, name, limit=1)
                timers = [each for each in list_timers(still, limit=MOST_TIMERS) if _is_message(each, name)]
        if detail is None:
            raise nobody_called(store, name)
    require_whole(name, detail.view)
    if as_json:
        put(jsonl.line(**_detail_fields(detail, head, timers)))
    else:
        put(*mailbox_lines(detail, head, timers, now_ns()))
    say_if_full(path)
    if detail.state_problem:
        raise ProblemsFound(
            f"the state of {name!r} cannot be read: {detail.state_problem}. "
            "Its mail and the other actors are not affected; restore a backup"
        )


def _is_message(timer: TimerView, name: str) -> bool:
    return timer.to == name and timer.letter is not None


def _detail_fields(detail: MailboxDetail, head: list[Letter], timers: list[TimerView]) -> Mapping[str, Any]:
    return {
        **mailbox_fields(detail.view),
        "state": detail.state,
        "state_problem": detail.state_problem or None,
        "head": jsonl.letter_fields(head[0]) if head else None,
        "timers": [
            {
                "due": jsonl.moment(timer.due),
                "key": timer.key or None,
                "setter": timer.setter or None,
                **jsonl.letter_fields(timer.letter),
            }
            for timer in timers
            if timer.letter is not None
        ],
    }


@click.command("peek")
@click.argument("name")
@store_option
@click.option("-n", "--number", type=click.IntRange(min=1), default=10, show_default=True, help="The most.")
@json_option
def peek_command(path: Path, name: str, number: int, *, as_json: bool) -> None:
    """Show the mail of an actor and take nothing.

    The next message stands first.
    """
    with looking(path) as store:
        view = None
        letters: list[Letter] = []
        if is_utf8(name):
            with standing_still(store) as still:
                view = find_mailbox(still, name)
                letters = peek_mail(still, name, limit=number)
        if view is None:
            raise nobody_called(store, name)
    attempts = [letter.attempts for letter in letters]
    if letters:
        attempts[0] += view.attempts  # only the message in hand has been tried here
    if as_json:
        tried = zip(letters, attempts, strict=True)
        put(*[jsonl.line(**jsonl.letter_fields(letter), attempts=times) for letter, times in tried])
    else:
        _put_mail(view, letters, attempts)
    require_whole(name, view)
    damaged = sum(bool(letter.problem) for letter in letters)
    if damaged:
        raise ProblemsFound(
            f"{wording.count(damaged, 'message')} of these cannot be read: the store is damaged there. "
            "When its turn comes, what is left of it becomes a dead letter: callboard dead ls"
        )


def _put_mail(view: MailboxView, letters: list[Letter], attempts: list[int]) -> None:
    table = TextTable(
        [
            Column("ID"),
            Column("MESSAGE", elastic=True),
            Column("FROM", elastic=True),
            Column("SENT", right=True),
            Column("ATTEMPTS", right=True),
        ],
        width=line_width(),
    )
    now = now_ns()
    rows = [
        [
            show_number(letter.number) if letter.number else "-",
            wording.message(letter, view.type),
            letter.sender or ("outside" if letter.number else "-"),
            wording.ago(letter.sent_at, now) if letter.sent_at else "-",
            str(tried),
        ]
        for letter, tried in zip(letters, attempts, strict=True)
    ]
    put(*table.page(rows))
    if not letters:
        say(f"{view.name!r} has no mail")
    elif len(letters) < view.mail:
        say(f"{len(letters):,} of {wording.count(view.mail, 'message')}; -n shows more")
