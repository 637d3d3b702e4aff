"""Watching: hearing of the end of another actor's life, exactly once.

A watch is a record on disk, written with the watcher's turn. When the watched life ends, the batch that
ends it deletes the record and puts a `Terminated` into the watcher's mailbox, or a stop if it
wanted to stop with the other. A restart, a passivation and the end of the node end no life.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from ..mailbox.envelope import Codec, Envelope
from ..mailbox.errors import Undecodable
from ..mailbox.records import Callback, Watch, away_watch_key, name_key, unpack, watch_key
from ..mailbox.store import Table, after_prefix
from .actor import Actor
from .addresses import ENDED, STOP as STOP, UNWATCH, WATCH, split
from .calling_back import call_back
from .exits import Exit
from .mail import Cause, from_envelope
from .ref import ActorRef
from .shape import Reply

if TYPE_CHECKING:
    from .cell import Cell
    from .runtime import Runtime
    from .turn import Turn

log = logging.getLogger("callboard.node")

_encode = msgspec.msgpack.Encoder().encode
DIGEST = 16
UNTIL_ENDED = _encode((0, False))
"""What a watch from outside a turn says."""


class Terminated(msgspec.Struct, frozen=True):
    """What a watcher hears, once."""

    ref: ActorRef[Actor]
    """Whose life ended."""
    exit: Exit | None
    """How; None if no actor lived there when the watch began."""


@cache
def terminated() -> Reply:
    """How a `Terminated` is written; made when it is first needed, for it takes some milliseconds."""
    return Reply(Terminated, "a Terminated")


class Watches:
    """The watches of one node."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._outside: dict[str, list[_Waiter]] = {}

    # From turns, with the open batch.

    def begin(self, turn: Turn, target: str, then: Callback | None) -> None:
        """Have the actor of a turn hear of the end of the life at a name, or stop with it."""
        cell, cause = turn.cell, turn.cause
        watch = Watch(target, cell.name, cell.life, then, turn.mail.number, cause.root, cause.trace)
        key = watch_key(target, cell.box, stops=then is None)
        name, node = split(target)
        if node:
            # Here lies whom to tell, over there whom to send word to.
            away = self._runtime.away
            self._ledger.write_record(Table.WATCHES, key, watch)
            away.put(node, away.parcel(name, WATCH, _encode((cell.life, then is None)), cause))
        elif self._lives(target):
            self._ledger.write_record(Table.WATCHES, key, watch)
        else:
            self._tell(watch, None)

    def end(self, turn: Turn, target: str) -> None:
        """Forget what the actor of a turn asked about a name."""
        for stops in (False, True):
            self._ledger.write(Table.WATCHES, watch_key(target, turn.cell.box, stops=stops), None)
        name, node = split(target)
        if node:
            away = self._runtime.away
            away.put(node, away.parcel(name, UNWATCH, b"", turn.cause))

    # Between nodes.

    def begin_away(self, target: str, watcher: str, life: int, envelope: Envelope, *, stops: bool) -> None:
        """Send word to an actor of another node, or to somebody outside there, when a life here ends."""
        watch = Watch(target, watcher, life, None, envelope.cause, envelope.root, envelope.trace)
        key = away_watch_key(target, watcher, life if watcher[0] == "@" else 0, stops=stops)
        if self._lives(target):
            self._ledger.write_record(Table.WATCHES, key, watch)
        else:
            self._send_word(watch, None, stops=stops)

    def end_away(self, target: str, watcher: str) -> None:
        """An actor of another node does not ask any more."""
        for stops in (False, True):
            self._ledger.write(Table.WATCHES, away_watch_key(target, watcher, 0, stops=stops), None)

    def _send_word(self, watch: Watch, exit: Exit | None, *, stops: bool) -> None:
        away = self._runtime.away
        name, node = split(watch.watcher)
        with away.abroad():
            value = terminated().encode(Terminated(ActorRef(watch.target), exit))
        cause = Cause(watch.target, self._ledger.now_ns(), 0, 0, watch.trace)
        away.put(node, away.parcel(name, ENDED, _encode((watch.life, stops, value)), cause))

    def ended_away(
        self, target: str, watcher: str, life: int, node: str, value: bytes, *, stops: bool
    ) -> None:
        """Word has come that a life on another node has ended; it is heard by whoever still asks."""
        cell = self._runtime.cells.find(watcher)
        if cell is None:
            return
        key = watch_key(target, cell.box, stops=stops)
        found = self._ledger.read(Table.WATCHES, key)
        watch = None if found is None else unpack(Watch, found)
        if watch is None or watch.life != life:
            return
        self._ledger.write(Table.WATCHES, key, None)
        if cell.life != life or not cell.type:
            return
        if watch.then is None:
            self.stop(cell, target, watch)
        else:
            call_back(
                *(self._runtime, cell, watch.then, value),
                sender=target,
                cause=watch.cause,
                of=watch,
                node=node,
            )

    def _lives(self, name: str) -> bool:
        cell = self._runtime.cells.find(name)
        return cell is not None and bool(cell.type)

    # From outside.

    async def wait(self, name: str) -> Terminated:
        """Return when the life at a name has ended, durably; at once if nobody lives there."""
        if not self._lives(name):
            return Terminated(ActorRef(name, "", self._runtime.post), None)
        waiter = _Waiter()
        waiters = self._outside.setdefault(name, [])
        waiters.append(waiter)
        try:
            await waiter.told.wait()
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
        self._runtime.intake.check_open()
        return Terminated(ActorRef(name, "", self._runtime.post), waiter.exit)

    def close(self) -> None:
        """The node is gone; those outside hear that."""
        for waiters in self._outside.values():
            for waiter in waiters:
                waiter.told.set()

    # The end of a life.

    def ended(self, name: str, exit: Exit) -> None:
        """A life has ended with the open batch: tell whoever watches."""
        for key, value in self._watching(name):
            self._ledger.write(Table.WATCHES, key, None)
            try:
                watch = unpack(Watch, value)
                if "@" in watch.watcher:
                    self._send_word(watch, exit, stops=bool(key[-1]))
                else:
                    self._tell(watch, exit)
            except Undecodable as error:
                log.warning("one who watches %s does not hear of its end: %s", name, error)
        for waiter in self._outside.pop(name, ()):
            self._ledger.release(waiter.hear(exit))

    def _watching(self, name: str) -> list[tuple[bytes, bytes]]:
        """The watches of a name, durable or not."""
        prefix = name_key(name)
        ledger = self._ledger
        found = dict(ledger.store.scan(Table.WATCHES, prefix, after_prefix(prefix, DIGEST), limit=1 << 30))
        open_writes, flying = ledger.undurable_writes()
        for writes in (flying, open_writes):
            for key, value in writes.get(Table.WATCHES, {}).items():
                if key.startswith(prefix):
                    found.pop(key, None)
                    if value is not None:
                        found[key] = value
        return list(found.items())

    def _tell(self, watch: Watch, exit: Exit | None) -> None:
        cell = self._runtime.cells.find(watch.watcher)
        if cell is None or cell.life != watch.life or not cell.type:
            return
        if watch.then is not None:
            value = terminated().encode(Terminated(ActorRef(watch.target), exit))
            call_back(
                self._runtime, cell, watch.then, value, sender=watch.target, cause=watch.cause, of=watch
            )
        else:
            self.stop(cell, watch.target, watch)

    def stop(self, cell: Cell, by: str, of: Watch | None = None) -> None:
        """Put a stop into a mailbox: when its turn comes, the actor's life ends."""
        cause, root, trace = (of.cause, of.root, of.trace) if of is not None else (0, 0, "")
        envelope = Envelope(
            number=self._ledger.next_number(),
            origin=b"",
            type=cell.type,
            handler=STOP,
            version=0,
            codec=Codec.MSGPACK,
            body=b"\x80",
            sender=by,
            sent_at=self._ledger.now_ns(),
            cause=cause,
            root=root,
            trace=trace,
            attempts=0,
            flags=0,
            extra={},
        )
        self._runtime.sending.deliver_to(cell, from_envelope(envelope))


class _Waiter:
    """Somebody outside who waits for an end."""

    def __init__(self) -> None:
        self.told = trio.Event()
        self.exit: Exit | None = None

    def hear(self, exit: Exit) -> Any:
        """What to do when the end is on disk."""

        def tell() -> None:
            self.exit = exit
            self.told.set()

        return tell
