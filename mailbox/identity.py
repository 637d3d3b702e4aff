"""Who a store is: the META records that every opening reads and raises.

A store has a uuid for life and an incarnation that is raised durably at every opening.
Message numbers carry the incarnation in their upper bits, so a number that was lost
in a crash is never given out again (G3).
"""

import msgspec

COUNT_BITS = 40
"""Bits of a message number that count within one incarnation; the rest is the incarnation."""


class Identity(msgspec.Struct, frozen=True):
    """Who a store is."""

    uuid: bytes
    """16 bytes, drawn when the store was made."""
    incarnation: int
    """How often it has been opened to write, from 1."""
    node: str
    """The node's name, fixed at first use; empty if none was ever given."""
    created: bool
    """Whether this opening made the store."""
    clean: bool
    """Whether the last node closed it (False after a crash)."""

    @property
    def first_number(self) -> int:
        """The first message number of this incarnation."""
        return (self.incarnation << COUNT_BITS) + 1


def show_number(number: int) -> str:
    """A message number as people see it: incarnation-count."""
    return f"{number >> COUNT_BITS}-{number & ((1 << COUNT_BITS) - 1)}"
