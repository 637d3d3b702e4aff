"""Addresses, `name` or `name@node`, and the handlers that belong to the runtime itself."""

from typing import Final

STOP: Final = "$stop"
"""The handler that every actor has and no class: it ends the actor's life."""
REPLY: Final = "$reply"
WATCH: Final = "$watch"
UNWATCH: Final = "$unwatch"
ENDED: Final = "$ended"
"""Word that a watched life is over."""
SPAWN: Final = "$spawn"


def split(address: str) -> tuple[str, str]:
    """The name and the node of an address; the node is empty if it names none."""
    name, _, node = address.partition("@")
    return name, node
