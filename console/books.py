"""Books: what the store of the demo's bank says of its money, read as it lies on disk."""

from __future__ import annotations

from pathlib import Path

import attrs

from ..mailbox.reading import read_counters, show_mailbox
from .demo_bank import ACCOUNTS, OPENING, transfer
from .viewing import looking, standing_still

TOTAL = ACCOUNTS * OPENING


@attrs.frozen
class Books:
    """The bank at one commit."""

    balances: tuple[int, ...]
    """Of the accounts that are there."""
    entries: int
    """Bookings that are done: two for each transfer."""
    waiting: int
    """Messages that are not handled."""

    @property
    def total(self) -> int:
        """Money in accounts."""
        return sum(self.balances)

    @property
    def under_way(self) -> int:
        """Money that is in no account, but in a message."""
        return TOTAL - self.total


def read_books(path: Path) -> Books:
    """The books as they are on disk at this moment, beside the bank at work or without it.

    Raises:
        StoreError: one of its kinds.
    """
    with looking(path) as store, standing_still(store) as still:
        found = [show_mailbox(still, f"account/{number}") for number in range(ACCOUNTS)]
        states = [each.state for each in found if each is not None and each.state]
        balances = tuple(state["balance"] for state in states)
        return Books(balances, sum(state["entries"] for state in states), read_counters(still).queued)


def plain_loop(transfers: int) -> tuple[int, ...]:
    """What every account must have after so many transfers."""
    balances = [OPENING] * ACCOUNTS
    for number in range(transfers):
        source, target, amount = transfer(number)
        balances[source] -= amount
        balances[target] += amount
    return tuple(balances)
