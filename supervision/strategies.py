"""Strategies: who is restarted when a child has ended, and whether."""

from __future__ import annotations

from collections.abc import Iterable

from ..actors.exits import Exit, is_normal
from .fields import Restart, Strategy


def is_restarted(restart: Restart, exit: Exit) -> bool:
    """Whether a child of this restart type is started again after this exit."""
    if restart == "transient":
        return not is_normal(exit)
    return restart == "permanent"


def group(strategy: Strategy, names: Iterable[str], failed: str) -> tuple[str, ...]:
    """The children that are restarted together, in start order.

    Args:
        strategy: the supervisor's.
        names: of all its children, in start order; nothing but `failed` is looked at if that is enough.
        failed: the child that has ended.
    """
    if strategy == "one_for_one":
        return (failed,)
    all_ = tuple(names)
    return all_ if strategy == "one_for_all" else all_[all_.index(failed) :]
