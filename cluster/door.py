"""Door: takes the mail that other nodes bring.

A wire is a stranger's until its hello was judged; until then nothing is decoded, imported or allocated by a
length of theirs. A frame of mail is taken in with one batch, together with the note of how far the link has
come, and the other side hears of it when that batch is on disk: what comes again finds the note (G16).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from ..actors.errors import NodeClosed
from ..mailbox.errors import Undecodable
from ..mailbox.records import Link, pack, unpack
from ..mailbox.store import Table
from .admission import Admitted, House, judge
from .errors import BadFrame, BadHello, ClusterError, NewerProtocol, most_telling
from .frames import MOST_FRAME, Frame, Kind, open_frame
from .hello import MOST_HELLO, OUR_VERSIONS, Answer, Hello, Verdict, choose_version, open_hello
from .link import HELLO_S, KNOWN, WINDOW
from .session import SILENT_S, Receiver
from .within import Within

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from .wire import Wire

log = logging.getLogger("callboard.cluster")

PART = 256
"""Messages of a frame that are taken in without a pause."""
PATIENCE = 20
"""Rounds of the loop that the next ones wait at most until those were handled."""


class Door:
    """What listens for other nodes."""

    def __init__(self, runtime: Runtime, house: House) -> None:
        self.inside: dict[str, Visit] = {}
        """The nodes that are connected, by name."""
        self.on_visit: Callable[[str], None] | None = None
        """Called with the name of whoever comes in."""
        self._runtime = runtime
        self._house = house

    async def take(self, wire: Wire) -> None:
        """Serve one wire to its end."""
        try:
            with trio.fail_after(HELLO_S):
                visit = await self._greet(wire)
        except trio.TooSlowError:
            return
        except (ClusterError, Undecodable) as error:
            log.warning("somebody was turned away: %s", error)
            return
        if visit is None:
            return
        wire.admitted = True
        try:
            await visit.serve()
        except NodeClosed:
            return
        except ClusterError as error:
            log.info("node %r: %s", visit.node, error)
        finally:
            self._see_out(visit)

    async def _greet(self, wire: Wire) -> Visit | None:
        try:
            hello = open_hello(await wire.receive(MOST_HELLO))
        except NewerProtocol:
            await wire.send(
                self._answer(Verdict.NO_COMMON_VERSION, f"I speak up to {OUR_VERSIONS[1]}").encode()
            )
            raise
        except BadHello:
            await wire.send(self._answer(Verdict.NOT_CALLBOARD, "this is a node of callboard").encode())
            raise
        visitor = self.inside.get(hello.node)
        proven = (wire.cluster, wire.peer) if wire.peer else None
        linked = visitor.store if visitor is not None else None
        admitted = judge(hello, self._house, self._record(hello.store), proven=proven, linked=linked)
        if visitor is not None and admitted.verdict is Verdict.WELCOME:
            visitor.over = True  # the newer connection of a store is the one that counts
        lsn = self._note(hello, admitted)
        if lsn:
            self._runtime.workers.wake()
            await self._runtime.ledger.wait_durable(lsn)
            admitted = self._judge_again(hello, admitted)
            visitor = self.inside.get(hello.node)
        if admitted.verdict is not Verdict.WELCOME or admitted.record is None:
            log.warning("node %r was turned away: %s", hello.node, admitted.reason)
            await wire.send(self._answer(admitted.verdict, admitted.reason, hello).encode())
            return None
        if visitor is not None:
            await visitor.wire.aclose()
        if self.on_visit is not None:
            self.on_visit(hello.node)
        visit = self.inside[hello.node] = Visit(self._runtime, wire, hello, admitted.record)
        if self._runtime.probe is not None:
            self._runtime.probe.link("link.hello")
        answer = self._answer(Verdict.WELCOME, "", hello, admitted.record, known=admitted.known)
        try:
            await wire.send(answer.encode())
        except BaseException:  # or a store that has taken its place would be turned away for ever
            self._see_out(visit)
            raise
        return visit

    def _judge_again(self, hello: Hello, admitted: Admitted) -> Admitted:
        """The same verdict, unless somebody else came under this name while it was written down."""
        known, visitor = self._record(hello.store), self.inside.get(hello.node)
        if admitted.verdict is not Verdict.WELCOME:
            return admitted
        if known is None or known.epoch != hello.epoch:
            return Admitted(Verdict.BUSY, f"another connection of {hello.node!r} came meanwhile")
        if visitor is not None and visitor.store != hello.store:
            return Admitted(Verdict.NAME_IN_USE, f"another store is linked as {hello.node!r} now")
        return admitted

    def _see_out(self, visit: Visit) -> None:
        if self.inside.get(visit.node) is visit:
            del self.inside[visit.node]

    def _record(self, store: bytes) -> Link | None:
        found = self._runtime.ledger.read(Table.LINKS, store)
        return None if found is None else unpack(Link, found)

    def _note(self, hello: Hello, admitted: Admitted) -> int:
        """Write down what is known now; the batch that has to be on disk before the answer, or 0."""
        if admitted.record is None:
            return 0
        ledger = self._runtime.ledger
        ledger.write(Table.LINKS, hello.store, pack(admitted.record))
        return ledger.lsn

    def _answer(
        self,
        verdict: Verdict,
        reason: str,
        hello: Hello | None = None,
        record: Link | None = None,
        *,
        known: bool = False,
    ) -> Answer:
        identity = self._runtime.store.identity
        return Answer(
            verdict=verdict,
            reason=reason,
            version=0 if hello is None else choose_version(OUR_VERSIONS, hello.versions),
            epoch=0 if hello is None else hello.epoch,
            next_sequence=0 if record is None else record.next,
            last_number=0 if record is None else record.number,
            window=WINDOW,
            store=identity.uuid,
            incarnation=identity.incarnation,
            flags=KNOWN if known else 0,
            cluster=self._house.cluster,
            node=self._house.node,
        )


class Visit:
    """One connection of another node that brings mail."""

    def __init__(self, runtime: Runtime, wire: Wire, hello: Hello, record: Link) -> None:
        self.node = hello.node
        self.store = hello.store
        self.wire = wire
        self.heard_at = runtime.now_ns()
        self.over = False
        """A newer connection of the same store has taken its place."""
        self._runtime = runtime
        self._record = record
        self._session = Receiver(hello.epoch, record.next, record.next)
        self._again = False
        self._news = trio.Event()

    async def serve(self) -> None:
        """Take mail until the connection ends."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._acknowledge)
                await self._listen()
        except BaseExceptionGroup as group:
            raise most_telling(group) from None

    async def _listen(self) -> None:
        while True:
            with Within(2 * SILENT_S, BadFrame("the other side is silent")):
                frame = open_frame(await self.wire.receive(MOST_FRAME))
            self.heard_at = self._runtime.now_ns()
            if frame.kind is Kind.MAIL:
                await self._take(frame)
            elif frame.kind is Kind.PING:
                self._tell()
            elif frame.kind is Kind.BYE:
                await self._part(frame)
            else:
                raise BadFrame(f"a {frame.kind.name} comes from the side that sends mail")

    async def _take(self, frame: Frame) -> None:
        leave_out = self._session.mail(frame.epoch, frame.sequence, len(frame.mail))
        if leave_out < 0:
            self._again = True
            self._tell()
            return
        fresh = frame.mail[leave_out:]
        if not fresh:
            self._tell()  # it has come before: perhaps what was said of it was lost
            return
        intake = self._runtime.intake
        for at in range(0, len(fresh), PART):
            part = fresh[at : at + PART]
            await intake.admit(int(min(sum(map(len, part)), intake.most)))  # more than the quota goes alone
            if self.over:
                return
            self._take_in(part)
            await self._let_catch_up()

    @trio.lowlevel.enable_ki_protection
    def _take_in(self, fresh: tuple[bytes, ...]) -> None:
        """Do what the parcels ask for, and note how far the link has come, with the open batch."""
        runtime, record = self._runtime, self._record
        probe = runtime.probe
        for raw in fresh:
            number = runtime.arrivals.take(self.node, self.store, raw)
            record.number = number or record.number
            if probe is not None:
                probe.arrived(self.store, number)
        self._session.took(len(fresh))
        record.next = self._session.next
        runtime.ledger.write(Table.LINKS, self.store, pack(record))
        runtime.ledger.release(partial(self._stored, record.next), told=True)
        runtime.workers.wake()
        if probe is not None:
            probe.link("link.taken")

    async def _let_catch_up(self) -> None:
        """Take no more before most of it is handled: what is handled before its commit is never written."""
        ledger, workers = self._runtime.ledger, self._runtime.workers
        batch = ledger.open
        for _ in range(PATIENCE):
            if ledger.open is not batch or batch.writes_few() or not workers.at_work:
                return
            await trio.lowlevel.checkpoint()

    def _stored(self, sequence: int) -> None:
        if self._runtime.probe is not None:
            self._runtime.probe.link("link.stored")
        self._session.on_disk(sequence)
        self._tell()

    def _tell(self) -> None:
        self._news.set()

    async def _acknowledge(self) -> None:
        """Tell the other side how far its mail is on disk; the newest word is enough."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            again, self._again = self._again, False
            session = self._session
            word = Frame(Kind.TAKEN, session.epoch, session.stored, again=again)
            await self.wire.send(word.encode())
            if self._runtime.probe is not None:
                self._runtime.probe.link("link.acknowledged")

    async def _part(self, frame: Frame) -> None:
        if frame.sequence == Verdict.REWOUND:
            self._record.stopped = frame.text or "the other side says that one of the stores is an old copy"
            self._runtime.ledger.write(Table.LINKS, self.store, pack(self._record))
            self._runtime.workers.wake()
            await self._runtime.ledger.wait_durable(self._runtime.ledger.lsn)
        raise BadFrame(f"the other side leaves: {frame.text}")
