"""Joining: what a node is told about the others, and how its links are put up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict

import trio

from .network import Network
from .peers import Peer, read_addresses, read_peers

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from .node import Node
    from .security import Tls


class Joining(TypedDict, total=False):
    """Options of `open_node` and `run` for a node that other nodes reach."""

    peers: Mapping[str, str | Peer]
    """The other nodes, by name: addresses, or `Peer(...)` for more. All nodes of a cluster may be given one
    and the same list."""
    listen: str | Sequence[str]
    """Addresses at which others reach this node: `host:port`, or `unix:path`. By default the one that `peers`
    gives for this node's own name, if it does."""
    cluster: str
    """A name that all nodes of a cluster share, "callboard" if not given; others are turned away."""
    tls: Tls
    """Certificates, without which addresses beyond this machine are refused."""
    insecure_network: bool
    """Use such addresses all the same."""


class Plan:
    """What was asked for, checked before a store is opened."""

    def __init__(self, name: str, given: Joining) -> None:
        """Check it.

        Raises:
            ClusterError: an address or a certificate is not what it should be.
            BadName, TypeError, ValueError: the list of peers is not.
        """
        unknown = given.keys() - Joining.__annotations__.keys()
        if unknown:
            raise TypeError(f"open_node() has no option {min(unknown)!r}")
        self._listed = read_peers(given.get("peers"), name)
        self._addresses = read_addresses(given.get("listen"), self._listed.get(name))
        if self._addresses and not self._listed:
            raise ValueError("a node with listen= needs peers=, since it takes mail from those only")
        self._cluster = given.get("cluster", "callboard")
        self._network = Network(given.get("tls"), insecure_network=given.get("insecure_network", False))
        self.others = frozenset(self._listed.keys() - {name})
        """Names of the nodes that mail may be sent to."""

    @asynccontextmanager
    async def joined(self, runtime: Runtime, node: Node, drain_s: float) -> AsyncGenerator[None]:
        """Keep the links of a node up around a block; at its end what was sent may leave for `drain_s`."""
        if not self._listed:
            yield
            return
        from .links import Links  # loaded where there are some: most nodes have none

        node.links = links = Links(runtime, self._cluster, self._listed, self._network)
        await links.run(runtime.nursery, self._addresses)
        yield
        with trio.move_on_after(drain_s):
            await links.flush()
