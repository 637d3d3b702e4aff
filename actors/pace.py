"""Pace: how soon one commit may follow another under load, and how long who held up the loop stands aside.

Pure decisions, which `ledger` and `workers` carry out. Turns, commits and callers outside share one loop.

A commit that somebody waits for, while others have turns to run, is made at once as long as such commits took
little of the loop: each is paid back with four times what it took, and up to `SAVED_S` may be owed. So an
answer beside a flood leaves at once, and very many of them together take a quarter of the loop. What a commit
will take is guessed from its bytes, so that a small one need not wait until a large one is paid back.

A step that held up the loop for several slices is followed by as many rounds of the loop without the next, up
to those that an ask takes. So what came in during one step is answered before the next: a handler
that blocks delays others for as long as it blocks, and not once more for each of their hops.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..mailbox.writer import FIXED

SHARE = 4
"""Commits that are made while others have turns to run take one part in so many of the loop's time."""
MIN_COST_S = 0.001
"""The least that one is paid back with."""
SAVED_S = 0.01
"""The most that may be owed."""
TOLD_S = 0.02
"""The longest wait of callers who have only told something: what is handled meanwhile is never written."""
SLICE_S = 0.001
"""How long one task may hold the loop, the leader with its turns among them."""
ROUNDS = 4
"""Of the loop, from one step to the next: between them a caller asks, its turn runs, and it hears of it."""
HEARD = 2
"""Rounds after which those who waited for a commit have heard of it, and said what they have to say next."""


class Pace:
    """Whether a commit that somebody waits for is made now, though others have turns to run."""

    def __init__(self) -> None:
        self._free_at = 0.0
        """When all that such commits took is paid back."""
        self._took_s = 0.0
        self._size = 0

    def landed(self, took_s: float, size: int) -> None:
        """Note what any commit took, and how many bytes it had."""
        self._took_s, self._size = took_s, size

    def patience_s(self, releases: Sequence[object]) -> float:
        """How long a batch that would write many messages waits after the one before it.

        Args:
            releases: who waits for more than that what they have told is on disk.
        """
        return _cost(self._took_s) if releases else TOLD_S

    def is_free(self, now: float, size: int) -> bool:
        """Whether one of so many bytes may be made."""
        expected_s = self._took_s * (size + FIXED) / (self._size + FIXED)
        return self._free_at + _cost(expected_s) <= now + SAVED_S

    def spend(self, began: float, took_s: float) -> None:
        """Note when one was made, and what it took of the loop."""
        self._free_at = min(max(self._free_at, began) + _cost(took_s), began + SAVED_S)


def _cost(took_s: float) -> float:
    return min(max(SHARE * took_s, MIN_COST_S), SAVED_S)


def rounds(held_s: float) -> int:
    """How many rounds of the loop after a step that held it so long a handler takes the next."""
    return min(max(int(held_s / SLICE_S), 1), ROUNDS)
