"""Admission: what a listener makes of a hello, as a pure function.

A store that was copied back from a backup has sent messages that it knows nothing of, or is about to send
others under the same sequences. It shows in four ways, any of which stops the link until a person says
how to go on: it was opened less often than before, it repeats a connection, it has less in its outbox
than was taken from it, or it begins behind what was taken.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from ..mailbox.identity import show_number
from ..mailbox.records import Link
from .hello import OUR_VERSIONS, Hello, Verdict, choose_version

FROM_ITS_HEAD = -1
"""In `Link.next`: a person has accepted the link, so it goes on with whatever the other side has first."""


@attrs.frozen
class Admitted:
    """The verdict on a hello, and what to remember of it."""

    verdict: Verdict
    reason: str = ""
    record: Link | None = None
    """What is known of the other store from now on; None to leave it as it is."""
    known: bool = False
    """Whether this store had taken anything from that one before."""


@attrs.frozen
class House:
    """Who listens, and whom it expects."""

    cluster: str
    node: str
    peers: Collection[str]


def judge(
    hello: Hello,
    house: House,
    record: Link | None,
    *,
    proven: tuple[str, str] | None = None,
    linked: bytes | None = None,
) -> Admitted:
    """What to answer.

    Args:
        hello: what the dialler said.
        house: who listens.
        record: what is known of the dialler's store.
        proven: cluster and node of its certificate; None where there is none.
        linked: the store that is linked under this name now, if any.
    """
    stranger = _stranger(hello, house, proven, linked)
    if stranger is not None:
        return stranger
    if record is None:
        return Admitted(Verdict.WELCOME, record=_first(hello))
    if record.next == FROM_ITS_HEAD:
        return Admitted(Verdict.WELCOME, record=_first(hello), known=True)
    if reason := record.stopped or _rewound(hello, record):
        stopped = Link(
            *(hello.node, record.incarnation, record.epoch, record.next, record.number), stopped=reason
        )
        return Admitted(Verdict.REWOUND, reason, None if record.stopped else stopped, known=True)
    went_on = Link(hello.node, hello.incarnation, hello.epoch, record.next, record.number)
    return Admitted(Verdict.WELCOME, record=went_on, known=True)


def _stranger(
    hello: Hello, house: House, proven: tuple[str, str] | None, linked: bytes | None
) -> Admitted | None:
    """Why somebody is not who belongs here, whatever its store says; None if it is."""
    ours, theirs = OUR_VERSIONS, hello.versions
    doubts = (
        (
            not choose_version(ours, theirs),
            Verdict.NO_COMMON_VERSION,
            f"I speak versions {ours[0]} to {ours[1]}, you {theirs[0]} to {theirs[1]}: upgrade one",
        ),
        (
            hello.cluster != house.cluster,
            Verdict.OTHER_CLUSTER,
            f"this is cluster {house.cluster!r}, not {hello.cluster!r}",
        ),
        (
            hello.to != house.node,
            Verdict.NOT_ME,
            f"this is node {house.node!r}, not {hello.to!r}",
        ),
        (
            proven is not None and proven != (hello.cluster, hello.node),
            Verdict.WRONG_CERTIFICATE,
            f"your certificate is not that of {hello.node!r} in cluster {hello.cluster!r}",
        ),
        (
            hello.node not in house.peers or hello.node == house.node,
            Verdict.NOT_LISTED,
            f"node {house.node!r} does not list {hello.node!r} in its peers=",
        ),
        (
            linked is not None and linked != hello.store,
            Verdict.NAME_IN_USE,
            f"another store is linked as {hello.node!r} now: one has to go",
        ),
    )
    return next((Admitted(verdict, reason) for holds, verdict, reason in doubts if holds), None)


def _first(hello: Hello) -> Link:
    return Link(hello.node, hello.incarnation, hello.epoch, hello.head, 0)


def _rewound(hello: Hello, record: Link) -> str:
    """Why a store cannot be the one that was linked before, or this one is not what it was; or nothing."""
    if hello.incarnation < record.incarnation:
        return (
            f"the store of {hello.node!r} was opened {hello.incarnation} times, "
            f"and {record.incarnation} times when it was last linked: it is an old copy"
        )
    if hello.epoch <= record.epoch:
        return (
            f"the store of {hello.node!r} repeats a connection it has had: it is an old copy, or a second one"
        )
    if hello.tail < record.next:
        return (
            f"{record.next} messages were taken from {hello.node!r}, and its store knows of only "
            f"{hello.tail}: it is an old copy"
        )
    if hello.head > record.next:
        return (
            f"{hello.node!r} has handed over {hello.head} messages, and only {record.next} are known here: "
            "this store is an old copy"
        )
    return ""


def differs(sequence: int, theirs: int, ours: int) -> str:
    """Why what the other side took last is not what lies here under that sequence; empty if it is."""
    if not theirs or not ours or theirs == ours:
        return ""
    return (
        f"what was taken as message {sequence} has the number {show_number(theirs)} over there, "
        f"and {show_number(ours)} here: one of the stores is an old copy"
    )
