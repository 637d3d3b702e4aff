"""How should mail lie on disk, and which thread should commit it?

The measurements behind docs/decisions/0002 and 0003. Five layouts do the same work with LMDB's default durability:

    messages  one record per message, key (mailbox, seq), deleted when handled
    segments  one record per mailbox and batch; a head moves through it; deleted with its last message
    merged    the same, but new mail joins the mailbox's last segment while there is room
    journal   one record per batch; behind a backlog an index (mailbox, seq) -> (batch, offset)
    spilled   one record per batch; what stays moves into full segments, at the latest LAG messages later

Every batch also writes the head of each mailbox it touches and the state of each actor that handled mail. All variants
of a cell take turns within each round, beside REF (a raw queue: 1,000 x 100 B, one transaction puts, one scans and
deletes). Only ratios to REF mean anything. `written` is bytes handed to write calls per message (Linux).
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
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import lmdb
import trio

KEY = struct.Struct(">QQ").pack
HEAD = struct.Struct(">QQ48x").pack  # head, tail, and room for what else a mailbox must know
POINTER = struct.Struct(">QII")
BODY = struct.pack(">H", 148) + bytes(148)  # 100 bytes of payload in an envelope, length first
WINDOW = 32  # messages read ahead from a mailbox
LAG = 65_536  # messages that may lie in the journal before they move into segments
HOMES = {"apart": "012", "beside": "002", "joined": "002", "one table": "000", "own": "002"}

Mail = dict[int, list[bytes]]  # mailbox -> what this batch sends to it
Counts = dict[int, int]  # mailbox -> how many of its messages this batch handles
Items = list[tuple[bytes, bytes]]
Batch = tuple[Mail, Counts, list[int]]  # the last: mailboxes of messages sent and handled within the batch
Runs = dict[int, deque[tuple[int, int, int]]]  # mailbox -> end, segment or journal record, messages if the latter
Row = dict[str, Any]


class Messages:
    def __init__(
        self, path: str, boxes: int, *, deep: bool, homes: str = "apart", state: int = 40, limit: int = 4080
    ) -> None:
        self.deep, self.homes, self.state, self.limit = deep, homes, bytes(state), limit
        self.head, self.tail, self.read_to = [2] * boxes, [2] * boxes, [2] * boxes  # 0 and 1 may be head and state
        self.runs: Runs = defaultdict(deque)  # mail in memory
        self.lsn, self.live = 0, Counter[int]()  # journal records, and how many messages still need each
        self.ready = deque[int]()
        self.env = lmdb.open(path, map_size=32 << 30, max_dbs=4, lib_version=0, max_spare_txns=0)
        self.heads, self.states, self.mail = (self.env.open_db(name.encode()) for name in HOMES[homes])
        self.journal = self.env.open_db(b"journal")
        with self.env.begin(write=True) as txn:
            self.save(txn, range(boxes), range(boxes))

    def commit(self, sent: Mail, handled: Counts, passed: Collection[int]) -> None:
        if self.deep:
            with self.env.begin(buffers=True) as reading:
                for box, count in handled.items():
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
            new, get = {KEY(box, 0) for box in changed}, partial(txn.get, db=self.heads)
            heads = [(key, head + (self.state if key in new else get(key)[64:])) for key, head in heads]
        else:
            put_all(txn, self.states, [(KEY(box, 1), self.state) for box in changed])
        put_all(txn, self.heads, heads)

    def stored(self, box: int) -> int:
        """Up to where the mail has come into its own table."""
        return self.tail[box]

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
        """Remove the segments and journal records whose last message is done."""
        for box in boxes:
            while box in runs and runs[box][0][0] <= self.head[box]:
                _, place, count = runs[box].popleft()
                if count == 0:
                    txn.delete(KEY(box, place), db=self.mail)
                else:
                    self.release(txn, place, count)
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
    last: dict[int, tuple[int, int]] | None = None  # the newest segment of each mailbox: first, size

    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        items: Items = []
        for box, bodies in sent.items():
            self.append(txn, box, self.tail[box], bodies, items)
            self.tail[box] += len(bodies)
        put_all(txn, self.mail, items)

    def append(self, txn: lmdb.Transaction, box: int, first: int, bodies: list[bytes], items: Items) -> None:
        end, last = first, self.last
        if last is not None and last.get(box, (0, 0))[0] >= self.read_to[box]:
            if last[box][1] + len(bodies[0]) <= self.limit:
                first, end = last[box][0], first - 1  # the old segment counts as one body
                bodies = [txn.get(KEY(box, first), db=self.mail), *bodies]
        for piece in pack(bodies, self.limit):
            end += len(piece)
            items.append((KEY(box, first), b"".join(piece)))
            if last is not None:
                last[box] = first, len(items[-1][1])
            if not self.deep:
                self.runs[box].append((end, first, 0))
            first = end

    def drop(self, txn: lmdb.Transaction, handled: Counts) -> None:
        for box, count in handled.items():
            self.head[box] += count
        self.finish(txn, self.runs, handled)

    def read(self, txn: lmdb.Transaction, box: int, count: int) -> list[bytes]:
        cursor, bodies = txn.cursor(self.mail), list[bytes]()
        cursor.set_range(KEY(box, self.read_to[box]))
        for value in cursor.iternext(keys=False):
            first, some = self.read_to[box], split(bytes(value))
            bodies += some
            self.read_to[box] = first + len(some)
            self.runs[box].append((self.read_to[box], first, 0))
            if len(bodies) >= count or self.read_to[box] == self.stored(box):
                break
        return bodies


class Merged(Segments):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.last = {}


class Journal(Messages):
    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        self.record(txn, sent)
        at = count(step=len(BODY))
        if self.deep:
            super().add(txn, {b: [POINTER.pack(self.lsn, next(at), len(x)) for x in some] for b, some in sent.items()})
            return
        for box, bodies in sent.items():
            self.tail[box] += len(bodies)
            self.runs[box].append((self.tail[box], self.lsn, len(bodies)))

    def drop(self, txn: lmdb.Transaction, handled: Counts) -> None:
        if self.deep:
            super().drop(txn, handled)
        else:
            Segments.drop(self, txn, handled)
        self.finish(txn, self.runs, handled)

    def read(self, txn: lmdb.Transaction, box: int, count: int) -> list[bytes]:
        first = self.read_to[box]
        pointers = [POINTER.unpack(value) for value in super().read(txn, box, count)]
        self.runs[box].extend((end, lsn, 1) for end, (lsn, _, _) in enumerate(pointers, first + 1))
        return [bytes(txn.get(KEY(lsn, 0), db=self.journal)[at : at + size]) for lsn, at, size in pointers]


class Spilled(Segments):
    def __init__(self, *args: Any, **options: Any) -> None:
        self.fresh: Runs = defaultdict(deque)  # mail that lies only in the journal
        self.batches = deque[tuple[int, int, Collection[int]]]()  # messages sent by then, record, mailboxes
        self.volume = 0
        super().__init__(*args, **options)

    def stored(self, box: int) -> int:
        end, _, count = self.fresh[box][0] if box in self.fresh else (self.tail[box], 0, 0)
        return max(self.head[box], end - count)

    def add(self, txn: lmdb.Transaction, sent: Mail) -> None:
        self.record(txn, sent)
        moving, items = set[int](), list[tuple[bytes, bytes]]()
        for box, bodies in sent.items():
            self.tail[box] += len(bodies)
            self.volume += len(bodies)
            self.fresh[box].append((self.tail[box], self.lsn, len(bodies)))
            if self.tail[box] - self.stored(box) >= self.limit // len(BODY) and self.deep:
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

    def drop(self, txn: lmdb.Transaction, handled: Counts) -> None:
        super().drop(txn, handled)
        self.finish(txn, self.fresh, handled)
        for box in handled:
            self.read_to[box] = max(self.read_to[box], self.head[box])


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


def put_all(txn: lmdb.Transaction, table: object, items: Items) -> None:
    if items:
        txn.cursor(table).putmulti(items)


def waiting(store: Messages) -> int:
    """Find the mailboxes that are not empty, skipping from one to the next; what is in the journal is read."""
    with store.env.begin() as txn:
        cursor, found = txn.cursor(store.mail), 0
        more = cursor.set_range(KEY(0, 0))
        while more:
            found += 1
            more = cursor.set_range(KEY(int.from_bytes(cursor.key()[:8], "big") + 1, 0))
        if type(store) is Spilled:
            found += sum(len(split(value)) for value in txn.cursor(store.journal).iternext(keys=False))
        return found


LAYOUTS: dict[str, Callable[..., Messages]] = {
    "messages": Messages,
    "segments": Segments,
    "merged": Merged,
    "journal": Journal,
    "spilled": Spilled,
}


def mails(boxes: int, batch: int, fan: int | None = None) -> list[Mail]:
    """Batches of mail for mailboxes drawn at random, each batch for at most `fan` of them."""
    rng = random.Random(boxes + batch)
    some = [rng.sample(range(boxes), fan) if fan else range(boxes) for _ in range(max(20, min(400, 200_000 // batch)))]
    return [{box: [BODY] * n for box, n in Counter(rng.choices(s, k=batch)).items()} for s in some]


def shallow_batches(store: Messages, supply: list[Mail], cancelled: float) -> Iterator[Batch]:
    """What one batch puts, the next handles; a share of the messages never leaves its batch."""
    rng, batches = random.Random(2), list[tuple[Mail, list[int]]]()
    for mail in supply:
        everyone = [box for box, bodies in mail.items() for _ in bodies]
        rng.shuffle(everyone)
        cut = int(len(everyone) * cancelled)
        batches.append(({box: [BODY] * n for box, n in Counter(everyone[cut:]).items()}, everyone[:cut]))
    last = {box: tail - head for box, (head, tail) in enumerate(zip(store.head, store.tail)) if tail > head}
    for mail, passed in cycle(batches):
        yield mail, last, passed
        last = {box: len(bodies) for box, bodies in mail.items()}


def deep_batches(store: Messages, supply: list[Mail], batch: int, visit: int) -> Iterator[Batch]:
    """A visit handles up to `visit` messages of one mailbox, which then goes to the end of the line."""
    ready = store.ready
    for mail in cycle(supply):
        handled: Counts = {}
        left = batch
        while left and ready:
            box = ready.popleft()
            depth = store.tail[box] - store.head[box] - handled.get(box, 0)
            some = min(depth, visit, left)
            handled[box] = handled.get(box, 0) + some
            left -= some
            if depth > some:
                ready.append(box)
        ready.extend(box for box in mail if store.tail[box] == store.head[box] + handled.get(box, 0))
        yield mail, handled, []


def written() -> int:
    try:
        return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])
    except OSError:
        return 0


def run(store: Messages, batches: Iterator[Batch], seconds: float, most: int) -> Row:
    total, times, before = 0, list[float](), written()
    while sum(times) < seconds and total < most:
        sent, handled, passed = next(batches)
        begin = time.perf_counter()
        store.commit(sent, handled, passed)
        times.append(time.perf_counter() - begin)
        total += sum(handled.values()) + len(passed)
    return {
        "per_s": total / sum(times),
        "written": (written() - before) / total,
        "p50_ms": median(times) * 1e3,
        "worst_ms": max(times) * 1e3,
    }


def reference(env: lmdb.Environment, seconds: float) -> float:
    done, begin, body = 0, time.perf_counter(), bytes(100)
    while time.perf_counter() < begin + seconds:
        with env.begin(write=True) as txn:
            for seq in range(1000):
                txn.put(KEY(0, seq), body)
        with env.begin(write=True) as txn:
            cursor = txn.cursor()
            more = cursor.first()
            while more:
                cursor.value()
                more = cursor.delete()
        done += 1000
    return done / (time.perf_counter() - begin)


class Bench:
    def __init__(self, folder: str, rounds: int, seconds: float, backlog: int) -> None:
        self.folder, self.rounds, self.seconds, self.backlog, self.stores = folder, rounds, seconds, backlog, 0
        self.ref = lmdb.open(folder + "/ref", map_size=1 << 30, lib_version=0)
        self.refs: list[float] = []
        self.rows: list[Row] = []

    def make(self, specs: dict[str, Row], boxes: int, deep: bool) -> dict[str, Messages]:
        made = {}
        for name, options in specs.items():
            self.stores += 1
            made[name] = LAYOUTS[name.split()[0]](f"{self.folder}/{self.stores}", boxes, deep=deep, **options)
        return made

    def cell(self, cell: Row, variants: dict[str, tuple[Messages, Iterator[Batch]]], most: int = 1 << 60) -> None:
        """Every variant once a round, beside REF."""
        samples: dict[str, list[Row]] = defaultdict(list)
        for _ in range(self.rounds):
            ref = reference(self.ref, 0.06)
            self.refs.append(ref)
            for name, (store, batches) in variants.items():
                sample = run(store, batches, self.seconds, most)
                samples[name].append({"ref": sample["per_s"] / ref, **sample})
        for name, some in samples.items():
            middle = {key: median(s[key] for s in some) for key in some[0]}
            spread = {"low": min(s["ref"] for s in some), "high": max(s["ref"] for s in some)}
            self.row(cell | {"variant": name} | middle | spread)

    def row(self, row: Row) -> None:
        if not self.rows or self.rows[-1].keys() != row.keys():
            print("\n" + " | ".join(row))
        print(" | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()), flush=True)
        self.rows.append(row)

    def shallow(self, cell: Row, boxes: int, specs: dict[str, Row], batches: Iterable[int]) -> None:
        stores = self.make(specs, boxes, False)
        for batch in batches:
            supply = mails(boxes, batch)
            for cancelled in (0, 0.9):
                variants = {name: (s, shallow_batches(s, supply, cancelled)) for name, s in stores.items()}
                self.cell(cell | {"boxes": boxes, "batch": batch, "cancelled": cancelled}, variants)
        for store in stores.values():
            store.env.close()

    def deep(self, cell: Row, boxes: int, specs: dict[str, Row], batches: Iterable[int], visits: Iterable[int], fan: int | None = None) -> None:
        stores = self.make(specs, boxes, True)
        for name, store in stores.items():
            begin = time.perf_counter()
            fill(store, mails(boxes, 1000, fan), self.backlog)
            took = time.perf_counter() - begin
            with store.env.begin() as txn:
                tables = [txn.stat(db) for db in (store.mail, store.journal)]
            pages = sum(t["leaf_pages"] + t["overflow_pages"] + t["branch_pages"] for t in tables)
            size = {"stored": pages * 4096 / self.backlog, "file": (store.env.info()["last_pgno"] + 1) * 4096 / self.backlog}
            self.row(cell | {"boxes": boxes, "variant": name, "fill": self.backlog / took} | size)
        for visit in visits:
            for batch in batches:
                supply = mails(boxes, batch, fan)
                variants = {name: (s, deep_batches(s, supply, batch, visit)) for name, s in stores.items()}
                self.cell(cell | {"do": "steady", "boxes": boxes, "batch": batch, "visit": visit}, variants)
            variants = {name: (s, deep_batches(s, [{}], 1000, visit)) for name, s in stores.items()}
            self.cell(cell | {"do": "drain", "boxes": boxes, "batch": 1000, "visit": visit}, variants, 30_000)
        for name, store in stores.items():
            self.row(cell | {"boxes": boxes, "variant": name} | find(store))
            store.env.close()


def fill(store: Messages, supply: list[Mail], messages: int) -> None:
    supplies = cycle(supply)
    for _ in range(messages // 100_000):
        with store.env.begin(write=True) as txn:
            for mail in islice(supplies, 100):
                store.add(txn, mail)
                store.save(txn, mail.keys(), ())
    store.ready.extend(box for box, (head, tail) in enumerate(zip(store.head, store.tail)) if tail > head)
    random.Random(3).shuffle(store.ready)


def find(store: Messages) -> Row:
    """Open and name the mailboxes that are not empty: with the file's pages dropped from memory, and warm."""
    row: Row = {}
    path = store.env.path()
    for temperature in ("cold", "warm", "warm"):
        store.env.close()
        if temperature == "cold":
            with open(path + "/data.mdb", "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        begin = time.perf_counter()
        store.env = lmdb.open(path, max_dbs=4, lib_version=0)
        store.heads, _, store.mail = (store.env.open_db(name.encode()) for name in HOMES[store.homes])
        store.journal = store.env.open_db(b"journal")
        opened = time.perf_counter()
        waiting(store)
        found = time.perf_counter()
        with store.env.begin() as txn:
            sum(1 for head in txn.cursor(store.heads).iternext(keys=False) if head[:8] != head[8:16])
        took = {"open": opened - begin, "find": found - opened, "heads": time.perf_counter() - found}
        row |= {f"{key}_{temperature}": value * 1e3 for key, value in took.items()}
    return row


def shallow(bench: Bench) -> None:
    for boxes in (1, 100, 1000, 100_000):
        bench.shallow({"table": "shallow"}, boxes, {"messages": {}, "segments": {}, "spilled": {}}, (10, 100, 1000))


def deep(bench: Bench) -> None:
    for boxes in (1, 1000, 100_000):
        bench.deep({"table": "deep"}, boxes, {name: {} for name in LAYOUTS}, (10, 100, 1000), (1, 50) if boxes > 1 else (1000,))


def homes(bench: Bench) -> None:
    specs = {f"{name} {home}": {"homes": home} for name in ("segments", "spilled") for home in HOMES}
    del specs["spilled one table"]
    for boxes in (1, 1000, 100_000):
        for state in (40, 1000):
            cell = {"table": "homes", "state": state}
            bench.shallow(cell, boxes, {k: v | {"state": state} for k, v in specs.items()}, (100, 1000))
    specs = {f"{name} {home}": {"homes": home} for name in ("merged", "spilled") for home in ("apart", "own")}
    bench.deep({"table": "homes deep"}, 1000, specs, (100, 1000), (1, 50))


def sizes(bench: Bench) -> None:
    bench.backlog, before = bench.backlog * 3 // 10, bench.backlog
    for fan in (4, None):
        names = ("segments", "merged", "spilled") if fan else ("merged", "spilled")
        specs = {f"{n} {limit}": {"limit": limit} for n in names for limit in (2000, 4080, 8176, 16_368, 65_520)}
        bench.deep({"table": "sizes", "fan": str(fan)}, 1000, specs, (1000,), (50,), fan)
    bench.backlog = before
    specs = {f"segments {limit}": {"limit": limit} for limit in (2000, 4080, 8176, 16_368, 65_520)}
    bench.shallow({"table": "sizes", "fan": "1"}, 1, specs, (1000,))


class Writer:
    """Commits on the loop's own thread, or hands every batch to a thread."""

    def __init__(self, env: lmdb.Environment, items: Items, slower: float) -> None:
        self.env, self.items, self.slower, self.in_flight = env, items, slower, False
        self.queue: queue.SimpleQueue[trio.Event | None] = queue.SimpleQueue()

    def commit(self) -> None:
        with self.env.begin(write=True) as txn:
            txn.cursor().putmulti(self.items)
        if self.slower:
            time.sleep(self.slower)  # a slower disk: waits without the interpreter lock

    def serve(self, token: trio.lowlevel.TrioToken) -> None:
        while (durable := self.queue.get()) is not None:
            self.commit()
            token.run_sync_soon(durable.set)

    async def hand_over(self) -> None:
        durable, self.in_flight = trio.Event(), True
        self.queue.put(durable)
        await durable.wait()
        self.in_flight = False

    async def stay_busy(self, visit: float, pause: float, done: list[int]) -> None:
        """Pure Python that never waits; it comes back to the loop after every visit."""
        x = 1
        while True:
            end = time.perf_counter() + visit
            while time.perf_counter() < end:
                for _ in range(200):
                    x = x * 31 & 0xFFFF
                done[0] += 1
            if pause and self.in_flight:
                time.sleep(pause)  # lets the writer have the interpreter lock
            await trio.lowlevel.checkpoint()

    async def measure(self, way: str, visit: float, pause: float, seconds: float, times: list[float]) -> float:
        """A batch is due 1 ms after the one before is durable. Returns how much of its own work the loop did."""
        done = [0]
        if way == "thread":
            threading.Thread(target=self.serve, args=(trio.lowlevel.current_trio_token(),)).start()
        async with trio.open_nursery() as nursery:
            if visit:
                nursery.start_soon(self.stay_busy, visit, pause, done)
            start = end = time.perf_counter()
            while end < start + seconds:
                await trio.sleep(0.001)
                begin = time.perf_counter()
                if way == "thread":
                    with trio.move_on_after(1) as patience:
                        await self.hand_over()
                    if patience.cancelled_caught:
                        nursery.cancel_scope.cancel()
                elif way == "inline":
                    self.commit()
                end = time.perf_counter()
                times.append(end - begin)
                if self.in_flight:
                    break
            nursery.cancel_scope.cancel()
        self.queue.put(None)
        with trio.CancelScope(shield=True):
            await trio.sleep(0.02 + self.slower)
        return done[0] / (end - start)


def committing(bench: Bench) -> None:
    ways = {
        "inline": ("inline", 0.005, 0.0),
        "thread": ("thread", 0.005, 0.0),
        "thread, interval 0.5 ms": ("thread", 0.0005, 0.0),
        "thread, interval 0.05 ms": ("thread", 0.00005, 0.0),
        "thread, loop pauses": ("thread", 0.005, 0.00002),
    }
    cells = [(puts, visit, 0.0) for visit in (0.0, 0.0005, 0.005) for puts in (1, 20)]
    cells += [(20, 0.0005, slower) for slower in (0.001, 0.003, 0.01)]
    for puts, visit, slower in cells:
        items = [(KEY(0, n), bytes(15_000 // puts)) for n in range(puts)]
        times, speeds = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        seconds = bench.seconds * 4
        for _ in range(bench.rounds):
            alone = trio.run(Writer(bench.ref, items, 0).measure, "none", visit, 0, seconds, []) if visit else 1
            for name, (way, interval, pause) in ways.items():
                sys.setswitchinterval(interval)
                writer = Writer(bench.ref, items, slower)
                speeds[name].append(trio.run(writer.measure, way, visit, pause, seconds, times[name]) / alone)
                sys.setswitchinterval(0.005)
        for name, some in times.items():
            some.sort()
            speed = median(speeds[name])
            cell = {"table": "committing", "puts": puts, "visit_ms": visit * 1e3, "slower_ms": slower * 1e3}
            row = {"p50_ms": median(some) * 1e3, "p99_ms": some[len(some) * 99 // 100] * 1e3, "batches": len(some)}
            bench.row(cell | {"variant": name} | row | {"speed": speed})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="shallow,deep,homes,sizes,committing")
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.12, help="for each variant in each round")
    parser.add_argument("--backlog", type=int, default=1_000_000)
    parser.add_argument("--dir", help="where the stores are made: a real disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        bench = Bench(folder, options.rounds, options.seconds, options.backlog)
        for name in options.only.split(","):
            begin = time.perf_counter()
            globals()[name](bench)
            print(f"{name}: {time.perf_counter() - begin:.0f} s")
        print(f"REF: {median(bench.refs or [0]):,.0f} ({min(bench.refs or [0]):,.0f}-{max(bench.refs or [0]):,.0f}) messages/s")
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": bench.rows, "refs": bench.refs}, indent=1))


if __name__ == "__main__":
    main()
