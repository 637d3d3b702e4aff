"""What a store remembers of the links to and from other nodes: the records of the table LINKS."""

import msgspec


class Link(msgspec.Struct, array_like=True, gc=False):
    """LINKS, under the uuid of a store that sends here: how far its mail has been taken in."""

    node: str
    """The name it sends under."""
    incarnation: int
    """The highest that was seen of it."""
    epoch: int
    """Of the last connection."""
    next: int
    """The sequence, in its outbox for this node, of the next message to take."""
    number: int
    """The number, in its store, of the last message taken; 0 if none was."""
    stopped: str = ""
    """Why nothing is taken from it any more, until a person accepts it; empty if all is well."""


class Far(msgspec.Struct, array_like=True, gc=False):
    """LINKS, under the digest of a node's name: the store that mail for it was last sent to."""

    node: str
    uuid: bytes
