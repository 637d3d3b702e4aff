"""Link: hands the mail of one outbox over to another node, however often the connection breaks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from ..mailbox.errors import Undecodable
from ..mailbox.records import Far, far_key, pack, unpack
from ..mailbox.store import Table
from .admission import differs
from .errors import (
    BadFrame,
    BadHello,
    CannotReach,
    ClusterError,
    NewerProtocol,
    Refused,
    WireClosed,
    most_telling,
)
from .frames import MOST_FRAME, Frame, Kind, open_frame
from .hello import MOST_HELLO, Answer, Hello, Verdict, open_answer
from .peers import Peer
from .session import SILENT_S, Due, Sender
from .within import Within

if TYPE_CHECKING:
    from ..actors.outbox import Outbox
    from ..actors.runtime import Runtime
    from .wire import Transport, Wire

log = logging.getLogger("callboard.cluster")

HELLO_S = 5.0
"""A connection that has not said hello within this is closed."""
BACKOFF_S = (0.05, 5.0)
"""Between attempts: from, doubling, to."""
REFUSED_S = 30.0
"""After a refusal that only a person can mend."""
EARLY_S = 2.0
"""Others may still be starting."""
BATCH = 192 * 1024
"""Bytes after which a frame takes no further message."""
WINDOW = 4 * 1024 * 1024
"""Bytes that may be under way."""
KNOWN = 2
"""Flag of an answer: the listener knew this store before the hello. 1 is reserved."""
EPOCH_BITS = 24
"""Bits of an epoch that count the connections of one incarnation."""


class Link:
    """The way from this node to one other."""

    def __init__(self, runtime: Runtime, cluster: str, peer: Peer, transport: Transport) -> None:
        self.peer = peer
        self.connected = False
        self.heard_at = 0
        """When the other side last said something, by the wall clock, ns; 0 for never."""
        self.trouble = ""
        """Why there is no connection, in words; empty if there is one."""
        self._runtime = runtime
        self._cluster = cluster
        self._transport = transport
        self._probe = runtime.probe
        self._outbox: Outbox = runtime.away.outbox(peer.node)
        self._connections = 0
        self._news = trio.Event()
        self._hurry = trio.Event()
        self._began_at = 0.0

    def dial_again(self) -> None:
        """Do not wait with the next attempt."""
        self._hurry.set()

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        self._outbox.on_news = self._wake
        self._began_at = trio.current_time()
        pause = BACKOFF_S[0]
        while True:
            dialled_at = trio.current_time()
            try:
                await self._connect()
            except Refused as error:
                self._note(error)
                pause = REFUSED_S
            except (ClusterError, OSError) as error:
                self._note(error)
                lasted = trio.current_time() - dialled_at > BACKOFF_S[1]
                pause = BACKOFF_S[0] if lasted else min(pause * 2, BACKOFF_S[1])
            with trio.move_on_after(pause * (0.8 + 0.4 * self._runtime.random.random())):
                await self._hurry.wait()
            self._hurry = trio.Event()

    def _note(self, error: Exception) -> None:
        self.connected = False
        if str(error) != self.trouble:
            self.trouble = str(error)
            # A node that is being started, or ends, is no news; one that stays away is.
            early = trio.current_time() - self._began_at < EARLY_S or self._runtime.intake.is_closed
            log.log(
                logging.INFO if early else logging.WARNING, "no link to node %r: %s", self.peer.node, error
            )

    def _wake(self) -> None:
        self._news.set()

    # One connection.

    async def _connect(self) -> None:
        where = self.peer.address
        with Within(HELLO_S, CannotReach(f"{where} did not answer within {HELLO_S:g} s")):
            wire = await self._transport.dial(where)
        try:
            with Within(HELLO_S, CannotReach(f"{where} did not say hello within {HELLO_S:g} s")):
                sender = await self._greet(wire)
            self.connected, self.trouble = True, ""
            log.info("linked to node %r", self.peer.node)
            await self._hand_over(wire, sender)
        finally:
            self.connected = False
            await wire.aclose()

    async def _greet(self, wire: Wire) -> Sender:
        runtime, outbox = self._runtime, self._outbox
        identity = runtime.store.identity
        self._connections += 1
        hello = Hello(
            epoch=(identity.incarnation << EPOCH_BITS) + self._connections,
            incarnation=identity.incarnation,
            store=identity.uuid,
            head=outbox.head,
            tail=outbox.stored,
            cluster=self._cluster,
            node=runtime.name,
            to=self.peer.node,
        )
        await wire.send(hello.encode())
        try:
            answer = open_answer(await wire.receive(MOST_HELLO))
        except NewerProtocol as error:
            raise Refused(str(error)) from error
        self._heard()
        await self._check(wire, hello, answer)
        wire.admitted = True
        window = max(1, min(answer.window, WINDOW))
        outbox.handed_over(min(answer.next_sequence, outbox.stored))
        runtime.workers.wake()
        if self._probe is not None:
            self._probe.link("link.hello")
        return Sender(hello.epoch, outbox.head, window, trio.current_time())

    async def _check(self, wire: Wire, hello: Hello, answer: Answer) -> None:
        """See that the other side is who was meant, and that both stores tell the same story."""
        if answer.verdict is not Verdict.WELCOME:
            raise Refused(f"node {self.peer.node!r} refuses: {answer.reason}")
        if wire.peer and (wire.cluster, wire.peer) != (self._cluster, self.peer.node):
            raise Refused(
                f"who answers at {self.peer.address} has the certificate of {wire.peer!r} in cluster "
                f"{wire.cluster!r}",
            )
        if answer.epoch != hello.epoch or answer.node != self.peer.node or answer.cluster != self._cluster:
            raise BadHello(f"{self.peer.address} answered another hello than ours")
        wrong = self._rewound(answer)
        if wrong:
            await wire.send(Frame(Kind.BYE, hello.epoch, Verdict.REWOUND, text=wrong).encode())
            raise Refused(wrong)
        self._remember(answer.store)

    def _rewound(self, answer: Answer) -> str:
        outbox = self._outbox
        before = self._far()
        if not answer.flags & KNOWN:
            if before is not None and before.uuid == answer.store and outbox.head:
                return (
                    f"node {self.peer.node!r} has taken {outbox.head} messages from here and does not know "
                    "it: its store is an old copy"
                )
            if before is not None and before.uuid != answer.store:
                log.warning("node %r has a new store: what its old one held is not there", self.peer.node)
            return ""
        last = answer.next_sequence - 1
        return differs(last, answer.last_number, outbox.number_at(last))

    def _far(self) -> Far | None:
        try:
            found = self._runtime.ledger.read(Table.LINKS, far_key(self.peer.node))
            return None if found is None else unpack(Far, found)
        except Undecodable:
            return None

    def _remember(self, uuid: bytes) -> None:
        before = self._far()
        if before is None or before.uuid != uuid:
            record = pack(Far(self.peer.node, uuid))
            self._runtime.ledger.write(Table.LINKS, far_key(self.peer.node), record)

    def _heard(self) -> None:
        self.heard_at = self._runtime.now_ns()

    # Handing over.

    async def _hand_over(self, wire: Wire, sender: Sender) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, wire, sender)
                await self._speak(wire, sender)
        except BaseExceptionGroup as group:
            raise most_telling(group) from None

    async def _speak(self, wire: Wire, sender: Sender) -> None:
        while True:
            self._news = trio.Event()
            now = trio.current_time()
            due = sender.due(now)
            if due is Due.GIVE_UP:
                raise WireClosed("the other side is silent")
            if due is Due.PING:
                sender.said(now)
                await wire.send(Frame(Kind.PING, sender.epoch, sender.next).encode())
            elif not await self._send_some(wire, sender):
                with trio.move_on_at(sender.wakes_at()):
                    await self._news.wait()

    async def _send_some(self, wire: Wire, sender: Sender) -> bool:
        """Send a frame of mail if there is some and there is room; False if not."""
        if sender.room <= 0 or sender.next >= self._outbox.stored:
            return False
        mail = tuple(self._outbox.read(sender.next, min(BATCH, sender.room)))
        if not mail:
            return False
        frame = Frame(Kind.MAIL, sender.epoch, sender.next, mail).encode()
        sender.sent(len(mail), len(frame), trio.current_time())
        await wire.send(frame)
        if self._probe is not None:
            self._probe.link("link.sent")
        return True

    async def _listen(self, wire: Wire, sender: Sender) -> None:
        while True:
            # Looked at here too: where the other side does not read, the speaker hangs in a send.
            with Within(SILENT_S, WireClosed("the other side is silent")):
                frame = open_frame(await wire.receive(MOST_FRAME))
            self._heard()
            if frame.kind is Kind.BYE:
                raise Refused(f"node {self.peer.node!r} leaves: {frame.text}")
            if frame.kind is not Kind.TAKEN:
                raise BadFrame(f"a {frame.kind.name} comes from the side that takes mail")
            self._take_over(sender, frame)
            self._wake()

    def _take_over(self, sender: Sender, frame: Frame) -> None:
        now = trio.current_time()
        if sender.taken(frame.epoch, frame.sequence, again=frame.again, now=now):
            self._outbox.handed_over(frame.sequence)
            if self._probe is not None:
                self._probe.link("link.handed_over")
            if self._outbox.head == self._outbox.cell.tail:
                self._runtime.workers.wake()  # so that what is gone is soon gone on disk, too
