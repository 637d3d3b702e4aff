"""`dead ls` and `dead show`: messages that were given up, with all their bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..mailbox.errors import Undecodable
from ..mailbox.identity import show_number
from ..mailbox.morgue import PAGE, DeadGroup, Wanted, group_dead, newest_number, type_of
from ..mailbox.reading import list_dead, show_dead
from ..mailbox.records import Dead, key, unpack
from ..mailbox.store import Store, Table
from ..mailbox.views import DeadView
from . import jsonl, wording
from .exits import NotFound, ProblemsFound
from .tables import Column, Table as TextTable, pairs, section
from .terminal import line_width, put, safe, say
from .viewing import json_option, looking, now_ns, standing_still, store_option


@click.group("dead")
def dead_group() -> None:
    """Look at messages that were given up, and replay, redirect or drop them."""


@dead_group.command("ls")
@store_option
@click.option(
    "--type", "type_", metavar="TYPE", help="Only mail for this type of actor; * stands for any text."
)
@click.option("--error", metavar="NAME", help="Only those that died of this error, such as 'Timeout*'.")
@click.option("--box", metavar="NAME", help="Only those of these mailboxes, such as 'order/*'.")
@click.option("--reason", metavar="WORD", help="failed, crashed, undecodable, misaddressed or unclaimed.")
@click.option("--group", is_flag=True, help="Count them by error, the most frequent first.")
@json_option
def list_command(
    path: Path,
    type_: str | None,
    error: str | None,
    box: str | None,
    reason: str | None,
    *,
    group: bool,
    as_json: bool,
) -> None:
    """List the dead letters in the order of death."""
    wanted = Wanted(box=box, type=type_, error=error, reason=reason)
    with looking(path) as store:
        damaged = _put_groups(store, wanted, as_json) if group else _put_letters(store, wanted, as_json)
    if damaged:
        raise ProblemsFound(
            f"{wording.count(damaged, 'dead letter')} cannot be read: the store is damaged there. "
            "Nothing else is affected; dead show NUMBER has the bytes"
        )


def _put_letters(store: Store, wanted: Wanted, as_json: bool) -> int:  # noqa: FBT001 - handed through
    """Show letters one by one; returns how many cannot be read."""
    seen = shown = damaged = 0
    table = letter_table()
    for page in _pages(store):
        views = [view for view in page if wanted.fits(view)]
        seen += len(page)
        shown += len(views)
        damaged += sum(bool(view.problem) for view in views)
        put(*(_json_lines(views) if as_json else letter_lines(table, views)))
    if not as_json:
        say(_summary(seen, shown))
    return damaged


def _put_groups(store: Store, wanted: Wanted, as_json: bool) -> int:  # noqa: FBT001
    """Show letters by error; returns how many cannot be read."""
    groups = group_dead(store, wanted)
    if as_json:
        put(*(jsonl.line(**_group_fields(group)) for group in groups))
    else:
        titles = ("COUNT", "ERROR", "REASON", "OLDEST", "NEWEST", "EXAMPLE", "TEXT")
        columns = [
            Column(title, right=title != "TEXT" and place not in (1, 2), elastic=title in {"ERROR", "TEXT"})
            for place, title in enumerate(titles)
        ]
        now = now_ns()
        put(*TextTable(columns, width=line_width()).page([_group_row(group, now) for group in groups]))
        found = sum(group.count for group in groups)
        say(
            f"{wording.count(found, 'dead letter')} in {wording.count(len(groups), 'group')}"
            if found
            else _summary(0, 0)
        )
    return sum(group.count for group in groups if not group.reason)


def _group_row(group: DeadGroup, now: int) -> list[str]:
    return [
        f"{group.count:,}",
        group.error or "-",
        group.reason or "(unreadable)",
        wording.ago(group.oldest, now) if group.oldest else "-",
        wording.ago(group.newest, now) if group.newest else "-",
        str(group.example),
        group.text.partition("\n")[0] or "-",
    ]


def _group_fields(group: DeadGroup) -> dict[str, Any]:
    return {
        "error": group.error or None,
        "reason": group.reason or None,
        "count": group.count,
        "oldest": jsonl.moment(group.oldest),
        "newest": jsonl.moment(group.newest),
        "example": group.example,
        "text": group.text or None,
    }


def _pages(store: Store) -> Iterator[list[DeadView]]:
    after, end = 0, newest_number(store)
    while after < end and (page := list_dead(store, after=after, limit=PAGE)):
        yield [view for view in page if view.number <= end]
        after = page[-1].number


def _summary(seen: int, shown: int) -> str:
    if not seen:
        return "no dead letters"
    text = wording.count(shown, "dead letter") if shown == seen else f"{shown:,} of {seen:,} dead letters"
    return f"{text}; callboard dead show NUMBER has the traceback" if shown else text


def letter_table() -> TextTable:
    """The columns in which letters are listed."""
    columns = [
        Column("NUMBER", right=True),
        Column("MAILBOX", elastic=True),
        Column("TYPE", elastic=True),
        Column("MESSAGE", elastic=True),
        Column("REASON", colors={"undecodable": "red"}),
        Column("ERROR", elastic=True),
        Column("ATTEMPTS", right=True),
        Column("DIED", right=True),
    ]
    return TextTable(columns, width=line_width())


def letter_lines(table: TextTable, views: list[DeadView]) -> Iterator[str]:
    """Letters, one to a line."""
    now = now_ns()
    return table.page([_row(view, now) for view in views])


def _row(view: DeadView, now: int) -> list[str]:
    if view.problem:
        return [str(view.number), "-", "-", "-", "(unreadable)", view.problem, "-", "-"]
    return [
        str(view.number),
        view.box or "-",
        type_of(view) or "-",
        "(unreadable)" if view.letter.problem else wording.message(view.letter, type_of(view)),
        view.reason,
        _error(view).partition("\n")[0] or "-",
        str(view.attempts),
        wording.ago(view.died_at, now),
    ]


def _error(view: DeadView) -> str:
    return ": ".join(part for part in (view.error, view.text) if part)


def _json_lines(views: list[DeadView]) -> Iterator[str]:
    return (jsonl.line(**_fields(view)) for view in views)


def _fields(view: DeadView) -> dict[str, Any]:
    return {
        "number": view.number,
        "mailbox": view.box or None,
        "type": type_of(view) or None,
        "reason": view.reason or None,
        "error": view.error or None,
        "text": view.text or None,
        "attempts": view.attempts,
        "life": view.life,
        "restarts": view.restarts,
        "replays": view.replays,
        "failing_since": jsonl.moment(view.failed_at),
        "died": jsonl.moment(view.died_at),
        "message": None if view.problem else jsonl.letter_fields(view.letter),
        "problem": view.problem or None,
    }


@dead_group.command("show")
@click.argument("number", type=click.IntRange(min=1, max=(1 << 64) - 1))
@store_option
@json_option
def show_command(path: Path, number: int, *, as_json: bool) -> None:
    """Show one dead letter with its traceback, and its bytes where they cannot be decoded."""
    with looking(path) as store, standing_still(store) as still:
        view = show_dead(still, number)
        raw = _raw(still, number)
    if view is None:
        raise NotFound(f"there is no dead letter {number} in this store. Those there are: callboard dead ls")
    if as_json:
        data = raw if view.problem or view.letter.problem else None
        put(jsonl.line(**_fields(view), traceback=view.traceback or None, bytes=data))
    else:
        put(*_page(view, raw))
    if view.problem:
        raise ProblemsFound(
            f"the record of dead letter {number} cannot be read: {view.problem}. Nothing else is affected"
        )


def _raw(store: Store, number: int) -> bytes:
    """The bytes of a dead letter's message, or of its record if that is damaged."""
    value = store.get(Table.DEAD, key(number)) or b""
    try:
        return unpack(Dead, value).envelope
    except Undecodable:
        return value


def _page(view: DeadView, raw: bytes) -> Iterator[str]:
    now, letter = now_ns(), view.letter
    if view.problem:
        yield from pairs([("number", str(view.number)), ("problem", safe(view.problem))])
        yield from section("bytes", wording.hex_lines(raw))
        return
    rows = [
        ("number", str(view.number)),
        ("mailbox", safe(view.box) or "-"),
        ("type", safe(type_of(view)) or "-"),
        ("message", wording.message(letter, type_of(view), most=4000)),
        ("reason", safe(view.reason)),
        ("error", safe(_error(view), lines=True) or "-"),
        ("attempts", str(view.attempts)),
        *([("replays", f"{view.replays} before this")] if view.replays else []),
        *([("restarts", f"{view.restarts} of its actor before this")] if view.restarts else []),
        *([("failed", f"{wording.ago(view.failed_at, now)} for the first time")] if view.attempts else []),
        ("died", wording.ago(view.died_at, now)),
    ]
    if letter.number:
        rows[4:4] = [
            ("id", show_number(letter.number)),
            ("sent", f"{wording.ago(letter.sent_at, now)} by {safe(letter.sender) or 'outside'}"),
        ]
    yield from pairs(rows)
    if view.traceback:
        yield from section("traceback", safe(view.traceback, lines=True).rstrip().split("\n"))
    if letter.problem:
        yield from section("bytes", wording.hex_lines(raw))
