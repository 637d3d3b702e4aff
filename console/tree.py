"""`tree`: the supervision tree as the node last ran it, with its budgets and what is to do for each actor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..mailbox.reading import find_mailbox, list_supervisors
from ..mailbox.records import Children
from ..mailbox.store import Store
from ..mailbox.views import MailboxView
from . import jsonl, wording
from .showing import CONDITIONS
from .terminal import paint, put, safe, say
from .viewing import json_option, looking, store_option


@click.command("tree")
@store_option
@json_option
def tree_command(path: Path, *, as_json: bool) -> None:
    """Draw the supervision tree, with its budgets, and what waits for each actor in it."""
    with looking(path) as store:
        records = {record.supervisor: record for record in list_supervisors(store)}
        if as_json:
            put(*(jsonl.line(**_as_json(store, record)) for record in records.values()))
            return
        tops = [record for record in records.values() if record.parent not in records]
        put(*(line for top in tops for line in _draw(store, records, top)))
    if not records:
        say("no supervision tree was started on this store: see node.start(Supervisor(...))")


def _draw(store: Store, records: dict[str, Children], record: Children, inset: str = "") -> Iterator[str]:
    """A supervisor, and all below it, one to a line."""
    if not inset:
        yield f"{safe(record.supervisor)}  {record.about}"
    last = len(record.names) - 1
    for place, (name, type_) in enumerate(zip(record.names, record.types, strict=False)):
        branch, trunk = ("└─ ", "   ") if place == last else ("├─ ", "│  ")
        below = records.get(name) if not type_ else None
        if below is not None:
            yield f"{inset}{branch}{safe(name)}  {below.about}"
            yield from _draw(store, records, below, inset + trunk)
        else:
            yield f"{inset}{branch}{safe(name)}  {_actor(find_mailbox(store, name), type_)}"


def _actor(view: MailboxView | None, type_: str) -> str:
    if view is None:
        return f"{type_}  has no mailbox"
    told = [safe(view.type or type_), _condition(view)]
    if view.mail:
        told.append(wording.count(view.mail, "message"))
    if view.attempts:
        told.append(f"attempt {view.attempts} failed: {safe(view.error)}")
    return "  ".join(told)


def _condition(view: MailboxView) -> str:
    color = CONDITIONS.get(view.condition)
    return paint(view.condition, color) if color else view.condition


def _as_json(store: Store, record: Children) -> dict[str, Any]:
    views = {name: find_mailbox(store, name) for name in record.names}
    return {
        "supervisor": record.supervisor,
        "parent": record.parent,
        "about": record.about,
        "children": [
            {
                "name": name,
                "type": type_,
                "condition": view.condition if (view := views[name]) is not None else "",
                "mail": view.mail if view is not None else 0,
            }
            for name, type_ in zip(record.names, record.types, strict=False)
        ],
    }
