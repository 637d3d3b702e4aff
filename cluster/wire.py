"""The one contract of all transports: frames of bytes between two nodes.

A link above knows nothing of sockets: it dials an address, gets a wire, and sends and receives frames.
Whether they go through TCP, TLS, a Unix socket or a simulated network changes nothing in what it may
rely on, and one conformance body holds every transport to that.

What a wire promises: a frame arrives whole and in order, or not at all and then nothing after it. What
it does not promise: that a frame whose `send` returned has arrived. That is the link's business.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import trio

from .addresses import Address

MOST_UNADMITTED: Final = 64
"""Wires of one listener that may be open before they have said who they are; more are closed at once."""


class Wire(Protocol):
    """A connection to one other node."""

    peer: str
    """The node's name as its certificate proves it; empty where there is none (Unix, plain loopback)."""
    cluster: str
    """The cluster its certificate proves; empty where there is none."""
    admitted: bool
    """Set by the user after a good hello; until then the wire counts as a stranger's."""

    async def send(self, frame: bytes) -> None:
        """Send one frame after all that were sent before; may be called by many tasks at once.

        Cancelled while it waits for its turn it has sent nothing; cancelled later it closes the wire,
        since half a frame would garble all that follows.

        Raises:
            WireClosed: the wire has ended, or ends while this waits.
        """
        ...

    async def receive(self, most: int) -> bytes:
        """The next frame; one task at a time. Cancelling it loses nothing.

        Args:
            most: bytes the frame may have.

        Raises:
            WireClosed: the wire has ended, cleanly or not; half a frame is never returned.
            FrameTooLarge: the frame is announced as longer; the wire is closed, nothing was allocated.
        """
        ...

    async def aclose(self) -> None:
        """End the wire at once, as often as you like; never raises, and waits for nobody."""
        ...


class Transport(Protocol):
    """A way to open wires."""

    async def dial(self, address: Address) -> Wire:
        """Open a wire to the node that listens at an address.

        Raises:
            CannotReach: the name does not resolve, nobody listens, or who listens is not to be trusted.
            NotSecure: what is sent would cross a network in clear.
        """
        ...

    async def listen(
        self,
        address: Address,
        take: Callable[[Wire], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Take wires at an address until cancelled.

        Each wire has a task of its own and is closed when `take` returns or raises. What `take` raises is
        logged and ends nothing else. Strangers beyond `MOST_UNADMITTED` are closed as soon as they come.

        Args:
            address: where; port 0 lets the system choose one.
            take: what to do with a wire that is open and, under TLS, proven.
            task_status: told the address that was bound.

        Raises:
            CannotListen: the system refuses the address, or another listener has it.
            NotSecure: anybody in the network could connect.
        """
        ...
