"""Auditing: what is looked for in the store that a life of a simulated node has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mailbox.soundness import find_damage
from . import invariants
from .errors import InvariantBroken

if TYPE_CHECKING:
    from .nodes import SimulatedNode


def audit(node: SimulatedNode) -> None:
    """See whether all in the store belongs together, and is what is known to be there."""
    node.traffic.crash(node.name)
    if node.damaged:
        return
    damage = find_damage(node.store)
    if damage:
        node.broken(InvariantBroken("soundness", "; ".join(damage)))
        return
    for name, wrong in (
        ("nothing lost", invariants.nothing_lost(node.history, node.disk.waiting())),
        ("states", invariants.states_left(node.history, node.disk.states())),
        ("handed over", node.traffic.look(node.name, node.store) if node.name else ""),
    ):
        if wrong:
            node.broken(InvariantBroken(name, wrong))
