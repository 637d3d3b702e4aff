"""Ledger: the batches, in order, and the one watermark.

Turns write into the open batch. Sealing turns it into plain data for the store, and the
next one opens at once. Batches are numbered; `durable` is the number of the last one
that is on disk. A crash loses the batches above the watermark, so it loses a suffix of
turns and never makes a hole. Everything that leaves the node waits for its batch here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import trio

from ..mailbox.envelope import INLINE
from ..mailbox.errors import StoreFull
from ..mailbox.identity import COUNT_BITS
from ..mailbox.records import (
    COUNTERS_KEY,
    INCARNATION_KEY,
    Counters,
    Keyed,
    Mark,
    Request,
    Timer,
    Watch,
    pack,
    pack_number,
)
from ..mailbox.store import Store, Table, Writes
from .batch import Batch, Release
from .bodies import Bodies
from .cell import Cell, Phase
from .pace import TOLD_S, Pace
from .sealing import seal_cell

if TYPE_CHECKING:
    from ..mailbox.writer import Writer
    from .points import Probe

MAX_TURNS_AHEAD = 1000
"""Turns that may run ahead of the watermark (G6)."""
MAX_BYTES_AHEAD = 16 * 1024 * 1024
"""Bytes of messages and states that may wait for the disk (G6)."""

UNAWAITED_S = 0.03
"""The longest time between commits that nobody waits for."""
GOOD_TURNS = MAX_TURNS_AHEAD * 3 // 4
"""Turns of such a batch after which it is committed at a good moment."""

Record = Timer | Keyed | Request | Watch | Mark


class Ledger:
    """The open batch, the one in flight, and the watermark."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        counters: Counters,
        *,
        now_ns: Callable[[], int],
        clock: Callable[[], float],
        on_durable: Callable[[Batch], None],
        on_trouble: Callable[[BaseException], None],
        probe: Probe | None = None,
        most_bytes: int = MAX_BYTES_AHEAD,
    ) -> None:
        self.store = store
        self._counters = counters
        self.now_ns = now_ns
        self.durable = 0
        self.open = Batch(1)
        self.flight: Batch | None = None
        self.stalled: StoreFull | None = None
        """The disk is full: the batch in flight waits for another try."""
        self.used_bytes = 0
        """Bytes the store holds, as last measured (only if there is a quota)."""
        self._writer = writer
        self._over: BaseException | None = None
        self._clock = clock
        self._pace, self._sealed_at = Pace(), 0.0
        self._on_durable, self._on_trouble = on_durable, on_trouble
        self._probe = probe
        self.most_bytes = min(MAX_BYTES_AHEAD, most_bytes)
        """Bytes that may run ahead of the disk."""
        self._flight_writes: Writes = {}
        self.number = store.identity.first_number - 1
        """The last message number that was given out."""
        self._incarnation = store.identity.incarnation
        self.bodies = Bodies(self)

    # Numbers.

    def next_number(self) -> int:
        """A message number that was never used before in this store."""
        self.number += 1
        return self.number

    @property
    def counters(self) -> Counters:
        """What became of every message until now."""
        return self.open.counted(self._counters)

    @property
    def lsn(self) -> int:
        """The number of the open batch."""
        return self.open.lsn

    # What the open batch holds.

    def touch(self, cell: Cell) -> None:
        """Have the open batch write this cell."""
        batch = self.open
        if cell.touched != batch.lsn:
            cell.touched = batch.lsn
            batch.cells.append(cell)

    def write(self, table: Table, key: bytes, value: bytes | None) -> None:
        """Put or delete one record with the open batch."""
        table_writes = self.open.writes.get(table)
        if table_writes is None:
            table_writes = self.open.writes[table] = {}
        table_writes[key] = value

    def write_all(self, table: Table, changes: Mapping[bytes, bytes | None]) -> None:
        """Put or delete many records of one table with the open batch."""
        self.open.writes.setdefault(table, {}).update(changes)

    def write_record(self, table: Table, key: bytes, record: Record) -> None:
        """Put one packed record with the open batch."""
        self.write(table, key, pack(record))

    def read(self, table: Table, key: bytes) -> bytes | None:
        """The latest value of a record, durable or not."""
        for writes in (self.open.writes, self._flight_writes):
            table_writes = writes.get(table)
            if table_writes is not None and key in table_writes:
                return table_writes[key]
        return self.store.get(table, key)

    def is_deleted(self, table: Table, key: bytes) -> bool:
        """Whether a record that the disk still has is deleted by a batch on its way."""
        for writes in (self.open.writes, self._flight_writes):
            table_writes = writes.get(table)
            if table_writes is not None and key in table_writes:
                return table_writes[key] is None
        return False

    def undurable_writes(self) -> tuple[Writes, Writes]:
        """The records of the open batch and of the one in flight."""
        return self.open.writes, self._flight_writes

    def release(self, leave: Release, *, told: bool = False) -> None:
        """Call this when the open batch is on disk; `told`: that is all there is to say, and in no hurry."""
        (self.open.told if told else self.open.releases).append(leave)

    @property
    def turns_ahead(self) -> int:
        """Turns that are not durable yet."""
        return self.open.turns + (self.flight.turns if self.flight else 0)

    def room(self) -> int:
        """Turns that may still begin before the disk catches up."""
        batch, flight = self.open, self.flight
        turns, size = batch.turns, batch.bytes
        if flight is not None:
            turns += flight.turns
            size += flight.bytes
        return MAX_TURNS_AHEAD - turns if size < self.most_bytes else 0

    # Waiting.

    async def wait_durable(self, lsn: int) -> None:
        """Return when batch `lsn` is on disk."""
        while self.durable < lsn:
            if self._over is not None:
                raise self._over
            batch = self.open if lsn >= self.open.lsn else self.flight
            assert batch is not None
            if batch.on_disk is None:
                batch.on_disk = trio.Event()
            await batch.on_disk.wait()

    def abandon(self, error: BaseException) -> None:
        """Nothing will become durable any more: whoever waits hears why."""
        self._over = error
        for batch in (self.flight, self.open):
            if batch is not None and batch.on_disk is not None:
                batch.on_disk.set()

    # Committing.

    @trio.lowlevel.enable_ki_protection
    def commit(self) -> bool:
        """Seal the open batch and hand it to the writer, unless one is in flight already."""
        if self.flight is not None or self._over is not None or self.open.empty:
            return False
        batch = self.open
        self._sealed_at = self._clock()
        self._flight_writes = batch.writes = self._seal(batch)
        self.flight = batch
        self.open = Batch(batch.lsn + 1)
        if self._probe is not None:
            self._probe.sealed(batch.lsn)
        self._submit()
        return True

    def commit_if_old(self, now: float, *, early: bool = False) -> bool:
        """Commit while turns are ready, if it is time; whether it was done.

        Args:
            now: by the clock of commits.
            early: there are answers, and the slice is not over. What they have sent may soon be
                handled, and would then never be written: they leave only if that is little.
        """
        batch = self.open
        if early and (batch.bytes > INLINE or not batch.writes_few()):
            return False
        if batch.on_disk is None and not batch.releases:
            # A good moment is when most of what was sent has been handled already.
            good = batch.turns >= GOOD_TURNS and batch.writes_few()
            patience_s = TOLD_S if batch.told else UNAWAITED_S
            return (good or now - self._sealed_at >= patience_s) and self.commit()
        if not self._pace.is_free(now, batch.bytes):
            return False
        if now - self._sealed_at < self._pace.patience_s(batch.releases) and not batch.writes_few():
            return False
        if not self.commit():
            return False
        self._pace.spend(now, self._clock() - now)
        return True

    @trio.lowlevel.enable_ki_protection
    def try_again(self) -> None:
        """Hand the batch that found the disk full to the writer once more, with all that was done since.

        Turns may have taken out meanwhile what that batch brings in: both together may fit.
        """
        if self.stalled is None:
            return
        flight, batch = self.flight, self.open
        assert flight is not None
        if not batch.empty:
            batch.writes = self._seal(batch)
            flight.join(batch)
            self.open = Batch(batch.lsn + 1)
            if self._probe is not None:
                self._probe.sealed(batch.lsn)
        self.stalled = None
        self._submit()

    def _submit(self) -> None:
        assert self.flight is not None
        self._writer.submit(self._flight_writes, partial(self._arrived, self.flight), self.flight.bytes)

    def _arrived(self, batch: Batch, error: BaseException | None) -> None:
        if error is not None:
            if isinstance(error, StoreFull):
                self.stalled = error
            self._on_trouble(error)
            return
        if self._probe is not None:
            self._probe.durable(batch.lsn)
        self._pace.landed(self._clock() - self._sealed_at, batch.bytes)
        self.durable = batch.lsn
        self.flight = None
        self._flight_writes = {}
        for leave in (*batch.releases, *batch.told):
            leave()
        if batch.on_disk is not None:
            batch.on_disk.set()
        self._on_durable(batch)

    # Sealing: from cells and records to plain data.

    def _seal(self, batch: Batch) -> Writes:
        writes = batch.writes
        if batch.cells:
            boxes = writes.setdefault(Table.BOXES, {})
            mail = writes.setdefault(Table.MAIL, {})
            states = writes.setdefault(Table.STATES, {})
            read_mail = partial(self.read, Table.MAIL)
            for cell in batch.cells:
                if cell.phase is Phase.GONE:
                    continue
                seal_cell(cell, boxes, mail, states, read_mail, self.bodies)
        meta = writes.setdefault(Table.META, {})
        meta[COUNTERS_KEY] = pack(self.counters)
        incarnation = self.number >> COUNT_BITS
        if incarnation != self._incarnation:
            # The count has run over into the incarnation: claim it in the very batch
            # that first uses it, so that no other opening can.
            self._incarnation = incarnation
            meta[INCARNATION_KEY] = pack_number(incarnation)
        return writes
