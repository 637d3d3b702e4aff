"""`nodes`: the other nodes, what waits for them, and how the links to them are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..cluster.commands import Accept, Linked, Links, Redirect
from ..cluster.errors import NodeUnreachable
from ..mailbox.reading import list_links, list_mailboxes
from ..mailbox.store import Store
from . import jsonl, wording
from .reaching import do
from .tables import Column, Table
from .terminal import line_width, put, safe, say
from .viewing import json_option, looking, now_ns, store_option

PAGE = 1000


@click.command("nodes")
@click.option("--accept", "accepted", metavar="NODE", help="Let a link go on that an old copy stopped.")
@click.option("--redirect", "gone", metavar="NODE", help="Send the mail for a node off the list elsewhere.")
@click.option("--to", metavar="NODE", help="Where --redirect sends it.")
@store_option
@json_option
def nodes_command(
    path: Path, accepted: str | None, gone: str | None, to: str | None, *, as_json: bool
) -> None:
    """List the other nodes: connected or not, last heard of, and what waits for each.

    Without a running node it says what lies on disk. --accept takes whatever the other node sends next:
    after one of the two stores was restored from a backup some messages may be done twice, or be missing.
    """
    if (gone is None) != (to is None):
        raise click.UsageError("--redirect NODE and --to NODE belong together")
    if accepted is not None:
        do(path, Accept(accepted))
        say(safe(f"what {accepted!r} sends is taken again, as soon as it tries (within 30 s)"))
    elif gone is not None and to is not None:
        do(path, Redirect(gone, to))
        say(safe(f"what waited for {gone!r} is on its way to {to!r}"))
    else:
        _list(path, as_json=as_json)


def _list(path: Path, *, as_json: bool) -> None:
    with looking(path) as store:
        rows = {row["node"]: row for row in _on_disk(store)}
    for row in _live(path):
        rows[row["node"]] = rows.get(row["node"], {}) | row
    if as_json:
        put(*(jsonl.line(**row) for row in rows.values()))
        return
    now = now_ns()
    table = Table(
        [
            Column("node"),
            Column("address"),
            Column("link", colors={"up": "green", "down": "red", "stopped": "red"}),
            Column("heard"),
            Column("waiting", right=True),
            Column("", elastic=True),
        ],
        width=line_width(),
    )
    put(*table.page([_cells(row, now) for _, row in sorted(rows.items())]))
    if not rows:
        say("no other nodes: give open_node(peers=...) a list")


def _live(path: Path) -> list[dict[str, Any]]:
    """What a running node says of its links; nothing if none runs."""
    try:
        answer = do(path, Links()).answer
    except NodeUnreachable:
        return []
    return [dict(link) for link in answer.links] if isinstance(answer, Linked) else []


def _on_disk(store: Store) -> Iterator[dict[str, Any]]:
    stopped = {link.node: link.stopped for link in list_links(store)}
    waiting: dict[str, int] = {}
    after = 0
    while page := list_mailboxes(store, after=after, limit=PAGE):
        waiting |= {view.name[1:]: view.mail for view in page if view.name.startswith("@")}
        after = page[-1].box
    for node in sorted({*stopped, *waiting}):
        yield {"node": node, "waiting": waiting.get(node, 0), "stopped": stopped.get(node, "")}


def _cells(row: dict[str, Any], now: int) -> list[str]:
    stopped = row.get("stopped", "")
    link = "" if "connected" not in row else "up" if row["connected"] else "down"
    heard = wording.ago(row["heard_at"], now) if row.get("heard_at") else ""
    return [
        row["node"],
        row.get("address", ""),
        "stopped" if stopped else link,
        heard,
        f"{row['waiting']:,}",
        stopped or row.get("trouble", ""),
    ]
