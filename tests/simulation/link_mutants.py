"""Mutants of links: bugs seeded into what hands mail from node to node, one at a time."""

from __future__ import annotations

from callboard.cluster.door import Visit
from callboard.cluster.link import Link
from callboard.cluster.session import Receiver, Sender

from .mutants import Change, Mutant

LINK_MUTANTS = (
    Mutant(
        "acknowledged before it is on disk",
        "G16",
        Change(
            Visit._take_in,
            (
                (
                    "runtime.ledger.release(partial(self._stored, record.next), told=True)",
                    "self._stored(record.next)",
                ),
            ),
        ),
    ),
    Mutant(
        "how far the link has come is not in the batch",
        "G16",
        Change(
            Visit._take_in,
            (("runtime.ledger.write(Table.LINKS, self.store, pack(record))", "pass"),),
        ),
    ),
    Mutant(
        "a gap is taken as if nothing was missing",
        "G16",
        Change(Receiver.mail, (("if first <= self.next else -1", "if first <= self.next else 0"),)),
    ),
    Mutant(
        "mail leaves the outbox when it is sent",
        "G16",
        Change(
            Link._send_some,
            (("await wire.send(frame)", "await wire.send(frame); self._outbox.handed_over(sender.next)"),),
        ),
    ),
    Mutant(
        "the sender never goes back",
        "G16",
        Change(Sender.go_back, (("self.next = self.head", "pass"),)),
    ),
)
