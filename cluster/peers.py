"""Peers: the static list of the nodes that a node may talk to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ..mailbox.names import check_name
from .addresses import Address, parse_address


def _address(given: str | Address) -> Address:
    return given if isinstance(given, Address) else parse_address(given)


@attrs.frozen
class Peer:
    """Another node, by address."""

    address: Address = attrs.field(converter=_address)
    allow_pickle: bool = attrs.field(default=False, kw_only=True)
    """Whether `Pickled` values that it sends are read: they run whatever code it wrote into them."""
    node: str = attrs.field(default="", kw_only=True)
    """Its name; filled in from the list."""


def read_peers(given: Mapping[str, str | Peer] | None, name: str) -> dict[str, Peer]:
    """The list as it was given, checked, with this node's own entry if it has one.

    Raises:
        BadAddress: one of the addresses is none.
        BadName: one of the names is none.
        TypeError: it is no mapping.
        ValueError: this node has no name, so nobody could answer it.
    """
    if not given:
        return {}
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"peers= is a mapping from a node's name to its address; got {given!r:.80}")
    if not name:
        raise ValueError("a node with peers= needs a name=, by which the others know it")
    return {
        check_name(node): attrs.evolve(peer if isinstance(peer, Peer) else Peer(peer), node=node)
        for node, peer in given.items()
    }


def read_addresses(listen: str | Sequence[str] | None, own: Peer | None) -> list[Address]:
    """The addresses to listen at.

    Raises:
        BadAddress: one is none.
    """
    if listen is None:
        return [own.address] if own is not None else []
    return [parse_address(text) for text in ([listen] if isinstance(listen, str) else listen)]
