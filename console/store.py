"""`store info` and `store check`: what a store is made of, and whether it is whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
import msgspec

from ..mailbox.errors import Undecodable
from ..mailbox.identity import Identity
from ..mailbox.lock import Holder, describe
from ..mailbox.meta import FORMAT_KEY, MADE_KEY, OPENED_KEY
from ..mailbox.reading import read_counters
from ..mailbox.records import Counters, unpack_number
from ..mailbox.store import Store, Table
from . import jsonl, wording
from .copies import backup_command, compact_command
from .exits import ProblemsFound
from .holders import holder_of
from .progress import Progress
from .survey import Survey, survey
from .tables import Column, Table as TextTable, pairs
from .terminal import line_width, paint, put, safe, say
from .viewing import json_option, now_ns, store_option


@click.group("store")
def store_group() -> None:
    """Look at a store as a whole, check it, copy it, compact it."""


@store_group.command("info")
@store_option
@json_option
def info_command(path: Path, *, as_json: bool) -> None:
    """Show what a store is and how large: identity, tables, counters, readers."""
    from ..mailbox.anatomy import Anatomy  # LMDB is loaded only where a store is opened
    from .examining import anatomy_of, looking_closely

    with looking_closely(path) as store:
        anatomy: Anatomy = anatomy_of(store)
        size = (store.path / "data.mdb").stat().st_size
        info = _Info(
            path=path,
            identity=store.identity,
            format=_number(store, FORMAT_KEY),
            made=_number(store, MADE_KEY),
            opened=_number(store, OPENED_KEY),
            holder=holder_of(path),
            counters=_counters(store),
            survey=survey(store),
            sizes={
                "file": size,
                "used": (anatomy.pages - anatomy.free) * anatomy.page,
                "free": anatomy.free * anatomy.page,
                "limit": anatomy.limit,
            },
            tables=[msgspec.structs.asdict(table) for table in anatomy.tables],
            readers=[reader.pid for reader in anatomy.readers],
        )
    if as_json:
        put(jsonl.line(**_fields(info)))
    else:
        put(*_lines(info), "")
        put(*_table(info))


@attrs.frozen
class _Info:
    path: Path
    identity: Identity
    format: int
    made: int
    opened: int
    holder: Holder | None
    counters: Counters | None
    survey: Survey
    sizes: dict[str, int]
    tables: list[dict[str, Any]]
    readers: list[int]


def _number(store: Store, key: bytes) -> int:
    value = store.get(Table.META, key)
    try:
        return 0 if value is None else unpack_number(value)
    except Undecodable:
        return 0


def _counters(store: Store) -> Counters | None:
    try:
        return read_counters(store)
    except Undecodable:
        return None


def _counted(counters: Counters) -> dict[str, int]:
    return {
        name: getattr(counters, name)
        for name in ("accepted", "handled", "sent", "queued", "scheduled", "died", "discarded", "actors")
    }


def _fields(info: _Info) -> dict[str, Any]:
    return {
        "store": str(info.path),
        "format": info.format,
        "uuid": info.identity.uuid.hex(),
        "node": info.identity.node or None,
        "incarnation": info.identity.incarnation,
        "made": jsonl.moment(info.made),
        "opened": jsonl.moment(info.opened),
        "running": info.holder is not None,
        "holder": info.holder.pid if info.holder else None,
        "clean": info.identity.clean,
        **info.sizes,
        "tables": info.tables,
        "counters": _counted(info.counters) if info.counters else None,
        "mailboxes": info.survey.mailboxes,
        "oldest_mail": jsonl.moment(info.survey.oldest_at),
        "oldest_mailbox": info.survey.oldest or None,
        "readers": info.readers,
    }


def _lines(info: _Info) -> Iterator[str]:
    now, identity, sizes = now_ns(), info.identity, info.sizes
    state = "closed cleanly" if identity.clean else "not closed: its last node crashed or was killed"
    if info.holder:
        state = f"running: {describe(info.holder)}"
    counted = "(unreadable)"
    if info.counters:
        counted = ", ".join(f"{number:,} {name}" for name, number in _counted(info.counters).items())
    oldest = "-"
    if info.survey.oldest_at:
        oldest = f"sent {wording.ago(info.survey.oldest_at, now)}, in {safe(info.survey.oldest)!r}"
    yield from pairs(
        [
            ("store", safe(str(info.path))),
            ("format", str(info.format)),
            ("uuid", identity.uuid.hex()),
            ("node", safe(identity.node) or "- (no name was ever given)"),
            ("incarnation", f"{identity.incarnation:,}"),
            ("made", wording.ago(info.made, now) if info.made else "-"),
            ("opened", wording.ago(info.opened, now) if info.opened else "-"),
            ("state", safe(state)),
            ("size", f"{wording.size(sizes['file'])}, of which {wording.size(sizes['free'])} are free"),
            ("may grow to", wording.size(sizes["limit"])),
            ("messages", counted),
            ("oldest mail", oldest),
            ("readers", ", ".join(f"process {pid}" for pid in info.readers) or "none but this command"),
        ]
    )


def _table(info: _Info) -> Iterator[str]:
    table = TextTable(
        [Column("TABLE"), Column("RECORDS", right=True), Column("SIZE", right=True)], width=line_width()
    )
    rows = [[each["name"], f"{each['entries']:,}", wording.size(each["bytes"])] for each in info.tables]
    return table.page(rows)


@store_group.command("check")
@store_option
@json_option
def check_command(path: Path, *, as_json: bool) -> None:
    """Read a whole store and list what is damaged, with what becomes of it.

    All pages, every record's checksum and decoder, and whether the records belong together. It may take
    its time, and goes on beside a running node.
    """
    from .examining import examine

    damaged = 0
    for found in examine(path, progress := Progress()):
        damaged += 1
        progress.end()
        if as_json:
            put(jsonl.line(place=found.place, text=found.text, effect=found.effect))
        else:
            put(f"{paint('damaged', 'red')}  {found.place}: {safe(found.text)}", f"         {found.effect}")
    if damaged:
        raise ProblemsFound(
            f"{wording.count(damaged, 'thing')} in {path} {_is(damaged)} not as they should be"
        )
    say("the store is whole")


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


store_group.add_command(backup_command)
store_group.add_command(compact_command)
