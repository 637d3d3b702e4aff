"""`why`: says in sentences why an actor makes no progress, and what to do next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import click

from ..mailbox.errors import Undecodable
from ..mailbox.letter import Letter
from ..mailbox.reading import find_mailbox, list_timers, peek, read_declared
from ..mailbox.store import Store
from ..mailbox.suspects import read_suspects
from . import jsonl
from .reasons import Case, Reason, reasons
from .room import full_node
from .showing import require_whole
from .tables import section
from .terminal import put
from .viewing import is_utf8, json_option, looking, nobody_called, now_ns, standing_still, store_option

MOST_TIMERS: Final = 10_000
"""Timers looked through for those of one mailbox, the soonest first."""


@click.command("why")
@click.argument("name")
@store_option
@json_option
def why_command(path: Path, name: str, *, as_json: bool) -> None:
    """Say why an actor makes no progress, and what to do next.

    It is told from the store, and a running node says whether it is full; which code it has is not asked.
    """
    with looking(path) as store:
        case = None
        if is_utf8(name):
            with standing_still(store) as still:
                case = _case(still, name)
        if case is None:
            raise nobody_called(store, name)
    require_whole(name, case.view)
    found = reasons(attrs.evolve(case, full=full_node(path)))
    if as_json:
        put(jsonl.line(name=name, condition=case.view.condition, reasons=[_fields(each) for each in found]))
    else:
        put(*_lines(found))


def _case(store: Store, name: str) -> Case | None:
    view = find_mailbox(store, name)
    if view is None:
        return None
    head: list[Letter] = peek(store, name, limit=1) if view.mail else []
    timers = [each for each in list_timers(store, limit=MOST_TIMERS) if each.to == name and each.letter]
    return Case(
        view, head, timers, read_declared(store).get(name, ""), now_ns(), _crashes(store, view.box, head)
    )


def _crashes(store: Store, box: int, head: list[Letter]) -> int | None:
    """How often the message at the head brought the process down alone; None if nobody suspects it."""
    try:
        suspect = read_suspects(store).get(box)
    except Undecodable:
        return None
    return suspect.crashes if suspect is not None and head and head[0].number == suspect.number else None


def _fields(reason: Reason) -> dict[str, str | None]:
    return {"reason": reason.word, "text": reason.text, "advice": reason.advice or None}


def _lines(found: list[Reason]) -> Iterator[str]:
    for reason in found:
        yield from reason.text.split("\n")
    advice = [reason.advice for reason in found if reason.advice]
    if advice:
        yield from section("what to do", advice)
