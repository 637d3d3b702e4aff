"""The reckoning: what actors heard, against what clients noted in their journals.

The checks are Jepsen's: *total queue* (what was acknowledged comes out once, and nothing else
does) and order for each pair of sender and receiver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import attrs

from .journal import Acked, Key, Line, Notes, Odd, Tried

Pair = tuple[str, str]
"""Receiver and stream."""
Heard = Mapping[Pair, Sequence[int]]
"""For each pair, the numbers of the messages that were handled, in the order of handling."""
_SHOWN = 5


@attrs.frozen
class Call:
    """A call that was made, perhaps several times."""

    how: str
    keys: list[Key]
    acked: bool
    reply: int | None = None
    again: bool = False
    """Whether it is made again until it succeeds."""


def calls_of(notes: Sequence[Line]) -> Iterator[Call]:
    """The calls in one client's notes, in order."""
    for line, after in zip(notes, [*notes[1:], None], strict=True):
        if isinstance(line, Tried):
            keys = [key for span in line.spans for key in span.messages()]
            reply = after.reply if isinstance(after, Acked) else None
            yield Call(line.how, keys, isinstance(after, Acked), reply, line.again)


def reckon(notes: Notes, heard: Heard, dead: Iterable[Key] = ()) -> list[str]:
    """Compare what was sent with what was handled, after a run that handled all mail.

    Args:
        notes: of all clients; see `read_notes`.
        heard: what all receivers handled; see `Remains.state` for where to read it.
        dead: the messages that became dead letters.

    Returns:
        a sentence for each kind of violation: acknowledged and never handled, from nowhere, handled
        twice, out of order; and what the clients noted as odd. Empty if all is well.
    """
    calls = [call for each in notes.values() for call in calls_of(each)]
    came = Counter((*pair, number) for pair, numbers in heard.items() for number in numbers)
    return [
        *total_queue(calls, came, Counter(dead)),
        *in_order("handled", heard),
        *oddities(notes),
    ]


def total_queue(calls: Iterable[Call], came: Counter[Key], died: Counter[Key]) -> Iterator[str]:
    """What goes in comes out, once; nothing else does."""
    attempted: set[Key] = set()
    must: set[Key] = set()
    for call in calls:
        attempted.update(call.keys)
        if call.acked or call.again:
            must.update(call.keys)
    yield from told("acknowledged and never handled", must - came.keys() - died.keys())
    yield from told("came from nowhere", (came.keys() | died.keys()) - attempted)
    yield from told("handled twice", (key for key, times in came.items() if times > 1))
    yield from told("dead twice", (key for key, times in died.items() if times > 1))
    yield from told("handled and dead", came.keys() & died.keys())


def in_order(what: str, lists: Heard) -> Iterator[str]:
    """First come, first served, for each pair of sender and receiver."""
    for pair, numbers in lists.items():
        swaps = [(one, two) for one, two in pairwise(numbers) if one >= two]
        yield from told(f"{what} out of order at {pair}", swaps)


def oddities(notes: Notes) -> Iterator[str]:
    """What clients saw that must never be."""
    for sender, lines in notes.items():
        yield from told(f"{sender} complains", (line.text for line in lines if isinstance(line, Odd)))


def told(what: str, cases: Iterable[object]) -> Iterator[str]:
    """One sentence for all cases of a kind, or none."""
    found = sorted(map(str, cases))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield f"{what}: {', '.join(found[:_SHOWN])}{more}"
