"""`dead ls` and `dead show`: messages that were given up, with all their bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from ..mailbox.errors import Undecodable
from ..mailbox.identity import show_number
from ..mailbox.reading import list_dead, show_dead
from ..mailbox.records import Dead, key, open_key, unpack
from ..mailbox.store import Store, Table
from ..mailbox.views import DeadView
from . import jsonl, wording
from .exits import NotFound, ProblemsFound
from .patterns import matcher
from .tables import Column, Table as TextTable, pairs, section
from .terminal import line_width, put, safe, say
from .viewing import json_option, looking, now_ns, standing_still, store_option

PAGE: Final = 100
"""Dead letters read at a time; one has up to 80 KiB."""


@click.group("dead")
def dead_group() -> None:
    """Look at messages that were given up."""


@dead_group.command("ls")
@store_option
@click.option(
    "--type", "type_", metavar="TYPE", help="Only mail for this type of actor; * stands for any text."
)
@click.option("--error", metavar="NAME", help="Only those that died of this error, such as 'Timeout*'.")
@json_option
def list_command(path: Path, type_: str | None, error: str | None, *, as_json: bool) -> None:
    """List the dead letters in the order of death."""
    seen = shown = damaged = 0
    fits_type, fits_error = matcher(type_), matcher(error)
    table = _table()
    with looking(path) as store:
        for page in _pages(store):
            wanted = [
                view for view in page if view.problem or (fits_type(_type(view)) and fits_error(view.error))
            ]
            seen += len(page)
            shown += len(wanted)
            damaged += sum(bool(view.problem) for view in wanted)
            put(*(_json_lines(wanted) if as_json else _text_lines(table, wanted)))
    if not as_json:
        say(_summary(seen, shown))
    if damaged:
        raise ProblemsFound(
            f"{wording.count(damaged, 'dead letter')} cannot be read: the store is damaged there. "
            "Nothing else is affected; dead show NUMBER has the bytes"
        )


def _pages(store: Store) -> Iterator[list[DeadView]]:
    newest = store.last(Table.DEAD)
    after, end = 0, open_key(newest) if newest else 0
    while after < end and (page := list_dead(store, after=after, limit=PAGE)):
        yield [view for view in page if view.number <= end]
        after = page[-1].number


def _type(view: DeadView) -> str:
    """The type a letter was for; that of its mailbox, if it cannot tell."""
    return view.letter.type or view.type


def _summary(seen: int, shown: int) -> str:
    if not seen:
        return "no dead letters"
    text = wording.count(shown, "dead letter") if shown == seen else f"{shown:,} of {seen:,} dead letters"
    return f"{text}; callboard dead show NUMBER has the traceback" if shown else text


def _table() -> TextTable:
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


def _text_lines(table: TextTable, views: list[DeadView]) -> Iterator[str]:
    now = now_ns()
    return table.page([_row(view, now) for view in views])


def _row(view: DeadView, now: int) -> list[str]:
    if view.problem:
        return [str(view.number), "-", "-", "-", "(unreadable)", view.problem, "-", "-"]
    return [
        str(view.number),
        view.box or "-",
        _type(view) or "-",
        "(unreadable)" if view.letter.problem else wording.message(view.letter, _type(view)),
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
        "type": _type(view) or None,
        "reason": view.reason or None,
        "error": view.error or None,
        "text": view.text or None,
        "attempts": view.attempts,
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
        ("type", safe(_type(view)) or "-"),
        ("message", wording.message(letter, _type(view), most=4000)),
        ("reason", safe(view.reason)),
        ("error", safe(_error(view), lines=True) or "-"),
        ("attempts", str(view.attempts)),
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
