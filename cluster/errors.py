"""Errors of the floor where nodes reach one another.

CallboardError
├── NodeUnreachable            no node answers beside its store (start it, or look why it ended)
└── ClusterError               something between two nodes
    ├── BadAddress             a text that is no address (the caller's act)
    ├── CannotReach            nobody could be dialled there (the peer's act, or the network's)
    ├── CannotListen           the system refuses the address (yours to free or to change)
    ├── NotSecure              mail would cross a network in clear (yours to decide)
    ├── Refused                one node turns the other away; the text says what a person can do
    ├── WireClosed             a connection ended, by either side; the link dials again
    ├── FrameTooLarge          a frame is longer than was agreed; the wire is closed
    ├── BadFrame               a frame that means nothing; the wire is closed
    ├── BadHello               what should have been a hello is none
    ├── LaunchFailed           a cluster of processes on this machine does not come up (the program's)
    ├── NewerProtocol          a hello in a layout newer than this release reads (upgrade)
    └── CertificateError       certificates and keys
        ├── BadCertificate     files that cannot be used (missing, of another key, no identity)
        ├── AlreadyThere       a file that would have been overwritten
        └── NoCryptography     the package that makes certificates is not installed

Every text says what went wrong, why, and what to do.
"""

from collections.abc import Iterator

import trio

from ..mailbox.errors import CallboardError


class NodeUnreachable(CallboardError, ConnectionError):
    """No node answers at the store's control socket: none runs, or it was lost on the way."""


class ClusterError(CallboardError):
    """Something between two nodes."""


class BadAddress(ClusterError, ValueError):
    """A text that is not the address of a node."""


class CannotReach(ClusterError):
    """An address was dialled in vain; nothing was sent, and dialling again is safe."""


class CannotListen(ClusterError):
    """The system does not let this node listen at an address."""


class NotSecure(ClusterError):
    """Mail would cross a network unencrypted and from anybody, and nobody said that it may."""


class WireClosed(ClusterError):
    """A connection has ended. What was sent last may or may not have arrived: the link finds out."""


class FrameTooLarge(ClusterError):
    """A frame is announced as longer than was agreed; its body was neither read nor allocated."""


class Refused(ClusterError):
    """The other node does not want this link, or this one does not want it to go on."""


class BadFrame(ClusterError):
    """Bytes that should be a frame and are not; the connection ends, and the link dials again."""


class BadHello(ClusterError):
    """Bytes that should open a connection and do not."""


class NewerProtocol(ClusterError):
    """A hello whose layout is newer than this release; only its prefix was read."""

    def __init__(self, lowest: int, highest: int) -> None:
        """Keep the range the other side speaks, for the answer that tells it ours."""
        super().__init__(
            f"the other node speaks versions {lowest} to {highest} of the protocol, all of them newer than "
            "this release. Upgrade callboard here, or run the release of this node there"
        )
        self.lowest = lowest
        self.highest = highest


class LaunchFailed(ClusterError):
    """Processes that should have become a cluster have not; the text has what they said last."""


class CertificateError(ClusterError):
    """Something about the certificates and keys of nodes."""


class BadCertificate(CertificateError):
    """A certificate, key or authority that cannot be used."""


class AlreadyThere(CertificateError):
    """A file that would have been overwritten: keys are never replaced unasked."""


class NoCryptography(CertificateError):
    """Making certificates takes a package that is not installed; using them takes none."""


def most_telling(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one of several errors from which the others came; the group itself if it holds more than ours.

    Who is cancelled is cancelled, whatever else ended meanwhile.
    """
    ours, others = group.split(CallboardError)
    if ours is None:
        return group
    if others is not None:
        return others if others.split(trio.Cancelled)[1] is None else group
    flat = list(_leaves(ours))
    return min(flat, key=lambda error: isinstance(error, WireClosed))


def _leaves(group: BaseExceptionGroup[CallboardError]) -> Iterator[CallboardError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
