"""How should mail lie on disk, and which thread should commit it?

The measurements behind docs/decisions/0002 and 0003. Five layouts do the same work with LMDB's default durability:

    messages  one record per message, key (mailbox, seq), deleted when handled
    segments  one record per mailbox and batch; a head moves through it; deleted with its last message
    merged    the same, but new mail joins the mailbox's last segment while there is room
    journal   one record per batch; behind a backlog an index (mailbox, seq) -> (batch, offset)
    spilled   one record per batch; what stays moves into full segments, at the latest LAG messages later

Each batch also writes the head of every mailbox it touches and the state of every actor that handled mail. All
variants of a cell take turns within a round, beside REF (a raw queue: 1,000 x 100 B, one transaction puts, one
scans and deletes); only the ratio counts. `written`: bytes given to write calls per message (Linux only).
"""

import argparse
import json
import os
import queue
import random
import struct
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from itertools import count as count_from, cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import lmdb
import trio

KEY = struct.Struct(">QQ").pack
HEAD = struct.Struct(">QQ48x").pack  # head, tail, and room for what else a mailbox must know
POINTER = struct.Struct(">QII")
BODY = struct.pack(">H", 148) + bytes(148)  # 100 bytes of payload in an envelope, length first
WINDOW, LAG = 32, 65_536  # messages read ahead from a mailbox; messages that may lie in the journal only
HOMES = {"apart": "012", "beside": "002", "joined": "002", "one table": "000", "own": "002"}

Mail = dict[int, list[bytes]]  # mailbox -> what this batch sends to it
Counts = dict[int, int]  # mailbox -> how many of its messages this batch handles
Runs = dict[int, deque[tuple[int, int, int]]]  # mailbox -> end; segment, or journal record; messages in the latter
Items = list[tuple[bytes, bytes]]
Row = dict[str, Any]


class Messages:
    def __init__(self, path: str, boxes: int, *, deep: bool, homes: str = "apart", state: int = 40, limit: int = 4080):
        self.deep, self.homes, self.state, self.limit = deep, homes, bytes(state), limit
        self.head, self.tail, self.read_to = [2] * boxes, [2] * boxes, [2] * boxes  # 0 and 1 may be head and state
        self.runs, self.fresh = Runs(), Runs()  # mail in memory: segments, and what lies in the journal only
        self.lsn, self.live, self.ready = 0, Counter[int](), deque[int]()  # live: messages that need a record
        self.open(path)
        with self.env.begin(write=True) as txn:
            self.save(txn, range(boxes), range(boxes))

    def open(self, path: str) -> None:
        self.path, self.env = path, lmdb.open(path, map_size=32 << 30, max_dbs=4, lib_version=0, max_spare_txns=0)
        self.heads, self.states, self.mail = (self.env.open_db(name.encode()) for name in HOMES[self.homes])
        self.journal = self.env.open_db(b"journal")

    def commit(self, sent: Mail, handled: Counts, passed: Collection[int]) -> None:
        """`passed`: mailboxes of messages that were sent and handled within this batch."""
        with self.env.begin(buffers=True) as reading:
            for box, count in handled.items() if self.deep else ():
                if self.read_to[box] < min(self.head[box] + count, self.stored(box)):
                    self.read(reading, box, max(count, WINDOW))
        with self.env.begin(write=True) as txn:
            self.drop(txn, handled)
            self.add(txn, sent)
            self.save(txn, {*sent, *handled, *passed}, {*handled, *passed})

    def save(self, txn: lmdb.Transaction, touched: Collection[int], changed: Collection[int]) -> None:
        """Head and state: two tables, neighbours, one record, or one that is written only when mail is handled."""
        boxes = changed if self.homes == "own" else touched
        heads = [(KEY(box, 0), HEAD(self.head[box], self.tail[box])) for box in boxes]
        if self.homes == "own":
            heads = [(key, head + self.state) for key, head in heads]
        elif self.homes == "joined":
            new = {KEY(box, 0) for box in changed}
            old = (self.state if key in new else txn.get(key, db=self.heads)[64:] for key, _ in heads)
            heads = [(key, head + state) for (key, head), state in zip(heads, old, strict=True)]
        else:
            put_all(txn, self.states, [(KEY(box, 1), self.state) for box in changed])
        put_all(txn, self.heads, heads)

    def stored(self, box: int) -> int:
        """Up to where a mailbox's mail has come into its own table."""
        if box not in self.fresh:
            return self.tail[box]
        return max(self.head[box], self.fresh[box][0][0] - self.fresh[box][0][2])

    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        items: Items = []
        for box, bodies in sent.items():
            items += [(KEY(box, seq), body) for seq, body in enumerate(bodies, self.tail[box])]
            self.tail[box] += len(bodies)
        put_all(txn, self.mail, items)

    def drop(self, txn: lmdb.Transaction, handled: Counts) -> None:
        for box, count in handled.items():
            for seq in range(self.head[box], self.head[box] + count):
                txn.delete(KEY(box, seq), db=self.mail)
            self.head[box] += count

    def read(self, txn: lmdb.Transaction, box: int, count: int) -> list[bytes]:
        cursor = txn.cursor(self.mail)
        cursor.set_range(KEY(box, self.read_to[box]))
        count = min(count, self.tail[box] - self.read_to[box])
        self.read_to[box] += count
        return [bytes(value) for value in islice(cursor.iternext(keys=False), count)]

    def finish(self, txn: lmdb.Transaction, runs: Runs, boxes: Iterable[int]) -> None:
        """Remove the segments, or leave the journal records, whose last message is done."""
        for box in boxes:
            while box in runs and runs[box][0][0] <= self.head[box]:
                _, place, count = runs[box].popleft()
                if count:
                    self.release(txn, place, count)
                else:
                    txn.delete(KEY(box, place), db=self.mail)
                if not runs[box]:
                    del runs[box]

    def record(self, txn: lmdb.Transaction, sent: Mail) -> None:
        if sent:
            self.lsn += 1
            bodies = [body for some in sent.values() for body in some]
            txn.put(KEY(self.lsn, 0), b"".join(bodies), db=self.journal, append=True)
            self.live[self.lsn] = len(bodies)

    def release(self, txn: lmdb.Transaction, lsn: int, count: int) -> None:
        self.live[lsn] -= count
        if not self.live[lsn]:
            txn.delete(KEY(lsn, 0), db=self.journal)
            del self.live[lsn]


class Segments(Messages):
    merged = False

    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        items: Items = []
        for box, bodies in sent.items():
            self.append(txn, box, self.tail[box], bodies, items)
            self.tail[box] += len(bodies)
        put_all(txn, self.mail, items)

    def append(self, txn: lmdb.Transaction, box: int, first: int, bodies: list[bytes], items: Items) -> None:
        end = first
        for piece in pack(bodies, self.limit):
            end += len(piece)
            items.append((KEY(box, first), b"".join(piece)))
            if not self.deep:
                self.runs.setdefault(box, deque()).append((end, first, 0))
            first = end

    def drop(self, txn: lmdb.Transaction, handled: Counts) -> None:
        for box, count in handled.items():
            self.head[box] += count
            self.read_to[box] = max(self.read_to[box], self.head[box])
        self.finish(txn, self.runs, handled)
        self.finish(txn, self.fresh, handled)

    def read(self, txn: lmdb.Transaction, box: int, count: int) -> list[bytes]:
        cursor, bodies, runs = txn.cursor(self.mail), list[bytes](), self.runs.setdefault(box, deque())
        cursor.set_range(KEY(box, self.read_to[box]))
        for value in cursor.iternext(keys=False):
            first, some = self.read_to[box], split(bytes(value))
            bodies += some
            self.read_to[box] = first + len(some)
            runs.append((self.read_to[box], first, 0))
            if len(bodies) >= count or self.read_to[box] == self.stored(box):
                break
        return bodies


class Merged(Segments):
    def __init__(self, path: str, boxes: int, **options: Any) -> None:
        self.last: dict[int, tuple[int, int]] = {}  # the newest segment of each mailbox: first, size
        super().__init__(path, boxes, **options)

    def append(self, txn: lmdb.Transaction, box: int, first: int, bodies: list[bytes], items: Items) -> None:
        last, size = self.last.get(box, (0, 0))
        if last >= self.read_to[box] and size + len(bodies[0]) <= self.limit:
            bodies, first = split(txn.get(KEY(box, last), db=self.mail)) + bodies, last
        super().append(txn, box, first, bodies, items)
        self.last[box] = int.from_bytes(items[-1][0][8:], "big"), len(items[-1][1])


class Journal(Segments):
    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        self.record(txn, sent)
        at, items = count_from(step=len(BODY)), list[tuple[bytes, bytes]]()
        for box, bodies in sent.items():
            if self.deep:
                pointers = (POINTER.pack(self.lsn, next(at), len(body)) for body in bodies)
                items += [(KEY(box, seq), pointer) for seq, pointer in enumerate(pointers, self.tail[box])]
            else:
                run = self.tail[box] + len(bodies), self.lsn, len(bodies)
                self.runs.setdefault(box, deque()).append(run)
            self.tail[box] += len(bodies)
        put_all(txn, self.mail, items)

    def drop(self, txn: lmdb.Transaction, handled: Counts) -> None:
        for box, count in handled.items() if self.deep else ():
            for seq in range(self.head[box], self.head[box] + count):
                txn.delete(KEY(box, seq), db=self.mail)
        super().drop(txn, handled)

    def read(self, txn: lmdb.Transaction, box: int, count: int) -> list[bytes]:
        first, runs = self.read_to[box], self.runs.setdefault(box, deque())
        pointers = [POINTER.unpack(value) for value in Messages.read(self, txn, box, count)]
        runs.extend((end, lsn, 1) for end, (lsn, _, _) in enumerate(pointers, first + 1))
        return [bytes(txn.get(KEY(lsn, 0), db=self.journal)[at : at + size]) for lsn, at, size in pointers]


class Spilled(Segments):
    def __init__(self, path: str, boxes: int, **options: Any) -> None:
        self.batches, self.volume = deque[tuple[int, int, Collection[int]]](), 0  # messages by then, record, boxes
        super().__init__(path, boxes, **options)

    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        self.record(txn, sent)
        moving, items = set[int](), list[tuple[bytes, bytes]]()
        for box, bodies in sent.items():
            self.tail[box] += len(bodies)
            self.volume += len(bodies)
            self.fresh.setdefault(box, deque()).append((self.tail[box], self.lsn, len(bodies)))
            if self.deep and self.tail[box] - self.stored(box) >= self.limit // len(BODY):
                moving.add(box)
        self.batches.append((self.volume, self.lsn, sent.keys()))
        while self.volume - self.batches[0][0] > LAG:
            _, old, boxes = self.batches.popleft()
            moving.update(box for box in boxes if box in self.fresh and self.fresh[box][0][1] <= old)
        for box in moving:
            first = self.stored(box)
            self.append(txn, box, first, [BODY] * (self.tail[box] - first), items)
            for _, lsn, count in self.fresh.pop(box):
                self.release(txn, lsn, count)
        put_all(txn, self.mail, items)


def pack(bodies: Iterable[bytes], limit: int) -> Iterator[list[bytes]]:
    """Greedily into pieces of at most `limit` bytes."""
    piece, size = list[bytes](), 0
    for body in bodies:
        size += len(body)
        if size > limit and piece:
            yield piece
            piece, size = [], len(body)
        piece.append(body)
    yield piece


def split(segment: bytes) -> list[bytes]:
    bodies, at = list[bytes](), 0
    while at < len(segment):
        end = at + 2 + (segment[at] << 8 | segment[at + 1])
        bodies.append(segment[at:end])
        at = end
    return bodies


def put_all(txn: lmdb.Transaction, table: Any, items: Items) -> None:
    if items:
        txn.cursor(table).putmulti(items)
