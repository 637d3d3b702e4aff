"""Links: all that joins a node to others, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from ..actors.errors import NoSuchActor
from ..actors.mail import from_envelope
from ..mailbox.envelope import open_envelope
from .admission import House
from .door import Door
from .link import Link
from .pardon import accept
from .peers import Peer

if TYPE_CHECKING:
    from ..actors.outbox import Outbox
    from ..actors.runtime import Runtime
    from .addresses import Address
    from .wire import Transport


FLUSH_LOOK_S = 0.01
MOVED_AT_ONCE = 256 * 1024
"""Bytes of mail redirected with one batch."""


class Links:
    """The links of one node."""

    def __init__(
        self, runtime: Runtime, cluster: str, peers: Mapping[str, Peer], transport: Transport
    ) -> None:
        self.listening: list[Address] = []
        """The addresses at which this node can be reached."""
        self._runtime = runtime
        self._transport = transport
        self.door = Door(runtime, House(cluster, runtime.name, peers.keys()))
        others = [peer for node, peer in peers.items() if node != runtime.name]
        runtime.away.may_pickle = frozenset(peer.node for peer in others if peer.allow_pickle)
        self.links = {peer.node: Link(runtime, cluster, peer, transport) for peer in others}
        self.door.on_visit = self._hurry

    async def run(self, nursery: trio.Nursery, listen: Iterable[Address]) -> None:
        """Listen, and begin to dial; returns when all addresses are bound.

        Raises:
            CannotListen: an address cannot be had.
            NotSecure: one is open to a network without TLS.
        """
        for address in listen:
            self.listening.append(await nursery.start(self._transport.listen, address, self.door.take))
        for link in self.links.values():
            nursery.start_soon(link.run, name=f"callboard link to {link.peer.node}")

    async def accept(self, node: str) -> bool:
        """Let a link go on that was stopped since one of the stores is an old copy; whether there was one.

        Whatever the other node sends next is taken: what was lost with the store stays lost, and what it
        sends again is done again. Durable when this returns; the other node tries again within 30 s.
        """
        return await accept(self._runtime, node)

    def dial_again(self, node: str) -> None:
        """Do not wait with the next attempt to reach a node.

        Raises:
            KeyError: it is not among the peers.
        """
        self.links[node].dial_again()

    async def redirect(self, gone: str, *, to: str) -> int:
        """Send what waits for a node that is not listed any more to another, in order, durably.

        It is for the actors of the same names there, which whoever moved the old node's actors has to see to.

        Returns:
            How many messages.

        Raises:
            NoSuchActor: there is no link to the other node, or no mail for the one that is gone.
            ValueError: the node is listed, so its mail is on its way.
        """
        runtime, away = self._runtime, self._runtime.away
        if to not in away.peers:
            raise NoSuchActor(f"there is no link to node {to!r}: name it in peers=")
        if gone in away.peers:
            raise ValueError(
                f"node {gone!r} is listed in peers=, so its mail is on its way: take it off the list"
            )
        outbox = away.known_outbox(gone)
        if outbox is None:
            raise NoSuchActor(f"there never was mail for a node {gone!r}")
        moved = 0
        while count := self._move_some(outbox, to):
            moved += count
            runtime.workers.wake()
            await runtime.ledger.wait_durable(runtime.ledger.lsn)
        return moved

    @trio.lowlevel.enable_ki_protection
    def _move_some(self, outbox: Outbox, to: str) -> int:
        """Move some parcels with the open batch; a damaged one becomes a dead letter."""
        raws = outbox.read(outbox.head, MOVED_AT_ONCE)
        counters = self._runtime.ledger.counters
        sent = counters.sent
        for raw in raws:
            if raw:
                self._runtime.away.put(to, from_envelope(open_envelope(raw)))
        outbox.handed_over(outbox.head + len(raws))
        counters.accepted -= counters.sent - sent  # they were counted when they came, and are here still
        counters.sent = sent
        return len(raws)

    def _hurry(self, node: str) -> None:
        """Who has just come to our door can be reached."""
        link = self.links.get(node)
        if link is not None and not link.connected:
            link.dial_again()

    async def flush(self) -> None:
        """Return when nothing waits for a node that is connected."""
        while any(self._waits(link) for link in self.links.values()):  # noqa: ASYNC110 - once, at the end
            await trio.sleep(FLUSH_LOOK_S)

    def _waits(self, link: Link) -> bool:
        return link.connected and self._runtime.away.outbox(link.peer.node).cell.waiting > 0

    def status(self) -> list[LinkStatus]:
        """What is known of each other node, those that only mail is left for among them."""
        nodes = sorted({*self.links, *self._runtime.away.outboxes})
        return [self._status(node) for node in nodes]

    def _status(self, node: str) -> LinkStatus:
        link, visit = self.links.get(node), self.door.inside.get(node)
        outbox = self._runtime.away.outboxes.get(node)
        heard = max(link.heard_at if link else 0, visit.heard_at if visit else 0)
        return LinkStatus(
            node=node,
            address=str(link.peer.address) if link else "",
            connected=link is not None and link.connected,
            taking=visit is not None,
            heard_at=heard,
            waiting=outbox.cell.waiting if outbox is not None else 0,
            trouble=link.trouble if link else "it is not among the peers of this node any more",
        )


@attrs.frozen
class LinkStatus:
    """What is known of one other node, at one moment."""

    node: str
    address: str
    """Where it is dialled; empty if it is not listed any more."""
    connected: bool
    """Whether mail can be sent there now."""
    taking: bool
    """Whether mail comes from there now."""
    heard_at: int
    """When it last said something, by this node's wall clock, ns; 0 for never since the start."""
    waiting: int
    """Messages in the outbox for it."""
    trouble: str
    """Why there is no connection, in words."""
