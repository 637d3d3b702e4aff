"""Nodes: one process, one store, and the actors that live there."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .launching import launch

__all__ = ["launch"]


def __getattr__(name: str) -> Any:
    # Every program imports this package, and few launch others.
    if name != "launch":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .launching import launch

    return launch
