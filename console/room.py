"""Room: whether the node that runs over a store is full, which only it knows."""

from pathlib import Path

from ..cluster.commands import Room, Space
from ..cluster.doorbell import SOCKET
from ..mailbox.errors import CallboardError
from .terminal import safe, say


def full_node(path: Path) -> str:
    """What a running node has no room for, and what to do; empty if it has room, or none runs or answers."""
    if not (path / SOCKET).exists():
        return ""
    from ..cluster.client import Client  # sockets are loaded only where one is used

    try:
        with Client(path, timeout=0) as client:
            answer = client.do(Room())
    except CallboardError:  # of an older release, perhaps: this is said in passing
        return ""
    return answer.full if isinstance(answer, Space) else ""


def say_if_full(path: Path) -> None:
    """Say beside the data that the running node is full, if it is."""
    if full := full_node(path):
        say(f"the running node is {safe(full)}")
