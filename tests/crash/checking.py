"""Checking: what everybody heard, against what the senders noted.

To the reckoning that users have come checkers of Jepsen's, in our words: *bank* (the sum stays), and those
for our own promises: requests, timers, ids, groups, replies and effects.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import attrs

from callboard.mailbox.views import DeadView
from callboard.testing.journal import Key, Notes
from callboard.testing.reckoning import Call, Pair, calls_of, in_order, oddities, told, total_queue

from .cast import OPENING_BALANCE, Shown

EXPECTED_DEAD = {("doomed", "failed"), ("give", "failed"), ("late", "unclaimed")}


@attrs.frozen
class Evidence:
    """All there is to judge by."""

    shown: dict[str, Shown]
    notes: Notes
    dead: list[DeadView]
    effects: list[str]
    left: int = 0
    """Messages that were not handled when patience ended."""


def expand(spans: list[int]) -> list[int]:
    """Each number that was heard, in the order of hearing."""
    pairs = zip(spans[::2], spans[1::2], strict=True)
    return [number for first, last in pairs for number in range(first, last + 1)]


def find_violations(evidence: Evidence) -> list[str]:
    """Every promise that was broken."""
    calls = [call for notes in evidence.notes.values() for call in calls_of(notes)]
    heard = {
        (name, stream): expand(spans)
        for name, shown in evidence.shown.items()
        for stream, spans in shown.heard.items()
    }
    came = Counter((*pair, number) for pair, numbers in heard.items() for number in numbers)
    died = Counter(key for letter in evidence.dead if (key := key_of(letter)))
    return [
        *total_queue(map(excused, calls), came, died),
        *in_order("handled", heard),
        *in_order("dead", deaths(evidence.dead)),
        *oddities(evidence.notes),
        *all_or_none(calls, came),
        *keyed(calls, came),
        *replies(calls, evidence.shown),
        *ends(evidence),
        *counts(evidence.shown, heard),
        *effects(evidence.effects, came),
        *dead_letters(evidence),
    ]


def excused(call: Call) -> Call:
    """A timer with a key may be replaced by the next, so its call promises nothing alone; see `keyed`."""
    return attrs.evolve(call, acked=False) if call.how == "keyed" else call


def key_of(letter: DeadView) -> Key | None:
    """The key of a dead letter that a sender sent."""
    body = letter.letter.body
    if isinstance(body, dict) and "stream" in body:
        return letter.box, str(body["stream"]), int(body["number"])  # pyright: ignore[reportUnknownArgumentType]
    return None


def deaths(letters: list[DeadView]) -> dict[Pair, list[int]]:
    """The numbers of each pair in the order of their death."""
    found: defaultdict[Pair, list[int]] = defaultdict(list)
    for letter in letters:
        if key := key_of(letter):
            found[key[:2]].append(key[2])
    return found


def all_or_none(calls: list[Call], came: Counter[Key]) -> Iterator[str]:
    """A `tell_all` happens whole or not at all."""
    groups = [call.keys for call in calls if call.how == "all"]
    yield from told(
        "sent together and handled in part",
        (keys[0] for keys in groups if 0 < sum(key in came for key in keys) < len(keys)),
    )


def keyed(calls: list[Call], came: Counter[Key]) -> Iterator[str]:
    """The last timer of a key fires; those before may have been replaced."""
    last: dict[Pair, Call] = {call.keys[0][:2]: call for call in calls if call.how == "keyed"}
    lost = (call.keys[0] for call in last.values() if call.acked and call.keys[0] not in came)
    yield from told("the last timer of its key and never fired", lost)


def replies(calls: list[Call], shown: dict[str, Shown]) -> Iterator[str]:
    """A reply shows a count that no other message got, and that is not taken back."""
    seen: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for call in calls:
        if call.reply is not None:
            seen[call.keys[0][0]][call.reply] += 1
    for name, counted in seen.items():
        count = shown[name].facts["count"]
        yield from told(f"replies of {name} seen twice", (n for n, times in counted.items() if times > 1))
        yield from told(f"replies of {name} beyond its count {count}", (n for n in counted if n > count))


def ends(evidence: Evidence) -> Iterator[str]:
    """All that was begun has ended, once; nobody saw anything wrong; the money is all there."""
    if evidence.left:
        yield f"{evidence.left} messages were never handled"
    for name, shown in evidence.shown.items():
        yield from told(f"{name} complains", shown.wrong)
        if shown.facts["open"] or shown.facts.get("armed"):
            yield f"{name} waits for ever: {shown.facts}"
    balances = [s.facts["balance"] for s in evidence.shown.values() if "balance" in s.facts]
    if sum(balances) != OPENING_BALANCE * len(balances):
        yield f"the bank has {sum(balances)} and had {OPENING_BALANCE * len(balances)}"


def counts(shown: dict[str, Shown], heard: dict[Pair, list[int]]) -> Iterator[str]:
    """A field that counts messages agrees with the field that lists them."""
    for name, each in shown.items():
        if "count" in each.facts:
            listed = sum(len(n) for (at, stream), n in heard.items() if at == name and "." not in stream)
            if listed != each.facts["count"]:
                yield f"{name} counted {each.facts['count']} messages and lists {listed}"


def effects(lines: Iterable[str], came: Counter[Key]) -> Iterator[str]:
    """An effect has a durable cause, one key, and the same state under it in every attempt (G3, G6)."""
    by_key: defaultdict[str, set[str]] = defaultdict(set)
    by_message: defaultdict[Key, set[str]] = defaultdict(set)
    for line in lines:
        key, what = line.split(" ", 1)
        to, stream, number, _ = what.split(" ")
        by_key[key].add(what)
        by_message[to, stream, int(number)].add(key)
    yield from told("effect repeated over another state", (w for w in by_key.values() if len(w) > 1))
    yield from told("message with two effect keys", (m for m, k in by_message.items() if len(k) > 1))
    yield from told("effect whose message was never handled", (m for m in by_message if m not in came))


def dead_letters(evidence: Evidence) -> Iterator[str]:
    """Only what had to die has died."""
    kinds = Counter((letter.letter.handler, letter.reason) for letter in evidence.dead)
    yield from told("dead letters nobody expected", kinds.keys() - EXPECTED_DEAD)
    hatched = sum(shown.facts.get("hatched", 0) for shown in evidence.shown.values())
    unclaimed = kinds["late", "unclaimed"]
    if unclaimed != hatched:
        yield f"{hatched} chicks were told something after their end, and {unclaimed} letters say so"
