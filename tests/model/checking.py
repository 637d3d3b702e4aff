"""Checking: the invariants over what was sent and what a store holds in the end."""

from __future__ import annotations

from collections import Counter, defaultdict

from .driving import Root, Story
from .pawns import ATTEMPTS, WITNESS, Program, Step, children, fate


class Audit:
    """Goes through the tree of messages and finds each where it must be."""

    def __init__(self, story: Story) -> None:
        self.story = story
        ended = story.ended
        self.logged = Counter(token for log in ended.logs.values() for token in log)
        self.dead = Counter(token for _, token, _ in ended.dead)
        self.refused = 0
        self.discarded = 0
        self.perhaps_refused = 0
        """From outside, unacknowledged, and told to refuse: nothing shows whether they did."""
        self.refused_or_discarded = 0
        """Keyed timers that were told to refuse, and may have been cancelled before."""
        self.expected: set[str] = set()
        self.answers = 0

    def happened(self, root: Root) -> bool:
        """Whether a message from outside was taken in at all, as far as one can know."""
        if root.acked or root.how == "marked":
            return True
        if fate(root.program) == "refused":
            self.perhaps_refused += 1
            return False
        return bool(self.logged[root.token] or self.dead[root.token])

    def account(self, token: str, program: Program, *, keyed: bool = False) -> None:
        """Find one message and all that it sent."""
        end = fate(program)
        if keyed and end == "refused":
            self.refused_or_discarded += 1
            return
        if keyed and not self.logged[token] and not self.dead[token]:
            self.discarded += 1
            return
        self.expected.add(token)
        assert self.logged[token] == (end == "done"), f"{token} is {end}, logged {self.logged[token]} times"
        assert self.dead[token] == (end == "dead"), f"{token} is {end}, died {self.dead[token]} times"
        self.refused += end == "refused"
        if end != "done":
            return
        for child, step in children(token, program):
            self.account(child, step[-2] if step[0] == "request" else step[-1], keyed=_is_keyed(step))
            if step[0] == "request":
                self.answer(child, step)

    def answer(self, token: str, step: Step) -> None:
        """Find the one answer of a request."""
        _, _, program, timeout = step
        end = fate(program)
        told = {"done": "reply", "refused": "refused", "dead": "failed"}[end]
        found = [
            kind for kind in ("reply", "refused", "failed", "timed_out") if self.logged[f"{token}!{kind}"]
        ]
        allowed = [[told], ["timed_out"]] if timeout is not None else [[told]]
        assert found in allowed, f"the request {token} heard {found}, expected {told}"
        self.expected.add(f"{token}!{found[0]}")
        self.answers += 1


def _is_keyed(step: Step) -> bool:
    return step[0] == "after" and step[2] is not None


def check(story: Story) -> None:
    """Assert every invariant."""
    ended = story.ended
    assert not ended.queued, f"still queued: {ended.queued}"
    assert not ended.scheduled, f"still scheduled: {ended.scheduled}"
    assert not ended.leftovers, f"left in the store: {ended.leftovers}"
    audit = Audit(story)
    for root in story.roots:
        if audit.happened(root):
            audit.account(root.token, root.program)
        if root.outcome:
            assert root.outcome == fate(root.program)
    _nothing_else(audit)
    _counted(audit)
    _in_order(story)
    assert not WITNESS.early, f"came early: {WITNESS.early}"
    for token, keys in WITNESS.keys.items():
        assert len(keys) == 1, f"{token} was given the effect keys {keys}"
    assert all(attempts == ATTEMPTS for _, _, attempts in ended.dead)


def _nothing_else(audit: Audit) -> None:
    """Once in effect, and nothing that nobody sent; what went on had a durable cause (G3, G6)."""
    again = {token for token, times in audit.logged.items() if times > 1}
    assert not again, f"handled twice: {again}"
    strange = audit.logged.keys() - audit.expected
    assert not strange, f"handled, but never sent: {strange}"
    assert not audit.dead.keys() - audit.expected
    lost = {token for token in WITNESS.went_on - audit.expected if token not in WITNESS.refused}
    assert not lost, f"a handler went on before its message was durable: {lost}"


def _counted(audit: Audit) -> None:
    """Conservation (G4)."""
    counters, ended = audit.story.ended.counters, audit.story.ended
    assert counters.died == len(ended.dead)
    discarded = counters.discarded - audit.discarded
    assert 0 <= discarded <= audit.refused_or_discarded
    refused = counters.handled - sum(audit.logged.values()) - audit.refused - ended.archived
    assert 0 <= refused - (audit.refused_or_discarded - discarded) <= audit.perhaps_refused
    assert counters.accepted == counters.handled + counters.died + counters.discarded
    assert counters.scheduled == counters.queued == 0


def _in_order(story: Story) -> None:
    """FIFO for each pair (G5): what one sender told one receiver, in the order in which it did."""
    logs = story.ended.logs
    place = {token: (name, at) for name, log in logs.items() for at, token in enumerate(log)}
    told: dict[tuple[str, str], list[tuple[tuple[int, ...], str]]] = defaultdict(list)
    for number, root in enumerate(story.roots):
        if root.how not in {"delayed", "marked"}:
            told["", root.to].append(((number,), root.token))
        _told_by_turns(root.token, root.program, place, told)
    for (sender, receiver), messages in told.items():
        sent = [token for _, token in sorted(messages)]
        got = [token for token in logs.get(receiver, []) if token in set(sent)]
        assert got == [token for token in sent if token in place], f"{sender or 'outside'} to {receiver}"


def _told_by_turns(
    token: str,
    program: Program,
    place: dict[str, tuple[str, int]],
    told: dict[tuple[str, str], list[tuple[tuple[int, ...], str]]],
) -> None:
    if token not in place:
        return
    sender, at = place[token]
    for number, (child, step) in enumerate(children(token, program)):
        if step[0] != "after":
            told[sender, step[1]].append(((at, number), child))
        _told_by_turns(child, step[-2] if step[0] == "request" else step[-1], place, told)
