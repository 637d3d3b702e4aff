"""Layouts: how should mail lie on disk, and which thread should commit it?

The measurements behind docs/decisions/0002 and 0003. Four layouts do the same work, fully synced:

    messages  one record per message, key (mailbox, seq), deleted when handled
    segments  one record per mailbox and batch; a head moves through it; deleted with its last message
    merged    the same, but new mail joins the mailbox's last segment while there is room
    spilled   one journal record per batch; what stays moves into full segments, LAG messages later at most

Each batch also writes heads and states. The variants of a cell take turns within a round, beside REF (the raw
queue of raw.py); only the ratio to it counts. `written` is bytes handed to write calls for each message.
"""

import argparse
import json
import os
import queue
import random
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import lmdb
import raw
import trio
from sizes import QUICK

KEY = struct.Struct(">QQ").pack
HEAD = struct.Struct(">QQ48x").pack  # head, tail, and room for what else a mailbox must know
BODY = struct.pack(">H", 148) + bytes(148)  # 100 bytes of payload in an envelope, length first
WINDOW, LAG = 32, 65_536  # messages read ahead from a mailbox; messages that may lie in the journal only
REF = attrs.evolve(QUICK, tells=30_000, batch=1000)

Mail = dict[int, list[bytes]]  # mailbox -> what this batch sends to it
Counts = dict[int, int]  # mailbox -> how many of its messages this batch handles
Batch = tuple[Mail, Counts, list[int]]  # the last: mailboxes of messages sent and handled within the batch
Runs = dict[int, deque[tuple[int, int, int, int]]]  # end, segment, journal record, messages in that
Items = list[tuple[bytes, bytes]]
Sends = list[list[int]]  # the mailbox of each message, for each batch
Row = dict[str, Any]


class Segments:
    """With a limit of 0 these are `messages`; `merging` makes them `merged`."""

    limit, merging, homes, state = 4080, False, "apart", bytes(40)

    def __init__(self, path: str, boxes: int, *, deep: bool, **options: Any) -> None:
        vars(self).update(options)
        self.path, self.deep, self.ready = path, deep, deque[int]()
        self.head, self.tail, self.read_to = [0] * boxes, [0] * boxes, [0] * boxes
        self.runs: Runs = defaultdict(deque)  # in memory
        self.fresh: Runs = defaultdict(deque)  # in memory, and in the journal only
        self.last: dict[int, tuple[int, int]] = {}  # the newest segment of each mailbox: first, size
        self.lsn, self.volume, self.live = 0, 0, Counter[int]()  # live: messages that need a journal record
        self.batches = deque[tuple[int, int, Collection[int]]]()  # volume by then, journal record, mailboxes
        self.open()
        with self.env.begin(write=True) as txn:
            self.save(txn, range(boxes), range(boxes))

    def open(self) -> None:
        self.env = lmdb.open(self.path, map_size=32 << 30, max_dbs=4, lib_version=0, max_spare_txns=0)
        self.mail, self.journal, self.heads, self.states = map(self.env.open_db, (b"m", b"j", b"h", b"s"))

    def commit(self, sent: Mail, handled: Counts, passed: Collection[int]) -> None:
        with self.env.begin(buffers=True) as txn:
            for box, count in handled.items() if self.deep else ():
                if self.read_to[box] < min(self.head[box] + count, self.stored(box)):
                    self.read(txn, box, max(count, WINDOW))
        with self.env.begin(write=True) as txn:
            for box, count in handled.items():
                self.head[box] += count
                self.read_to[box] = max(self.read_to[box], self.head[box])
                self.finish(txn, box, self.runs)
                self.finish(txn, box, self.fresh)
            put_all(txn, self.mail, self.add(txn, sent))
            self.save(txn, {*sent, *handled, *passed}, {*handled, *passed})

    def save(self, txn: lmdb.Transaction, touched: Collection[int], changed: Collection[int]) -> None:
        """Head and state: apart; joined in a record; `own` is that record when it need not know the tail."""
        boxes = changed if self.homes == "own" else touched
        heads = [(KEY(box, 0), HEAD(self.head[box], self.tail[box])) for box in boxes]
        if self.homes == "apart":
            put_all(txn, self.states, [(KEY(box, 0), self.state) for box in changed])
        else:
            new = {KEY(box, 0) for box in changed}
            old = {key: get(txn, self.heads, key)[64:] for key, _ in heads if key not in new}
            heads = [(key, head + old.get(key, self.state)) for key, head in heads]
        put_all(txn, self.heads, heads)

    def stored(self, box: int) -> int:
        """Up to where a mailbox's mail has come into its own table."""
        if box not in self.fresh:
            return self.tail[box]
        end, _, _, count = self.fresh[box][0]
        return max(self.head[box], end - count)

    def finish(self, txn: lmdb.Transaction, box: int, runs: Runs) -> None:
        """Remove what holds no more unhandled messages."""
        while box in runs and runs[box][0][0] <= self.head[box]:
            _, segment, lsn, count = runs[box].popleft()
            if segment >= 0:
                txn.delete(KEY(box, segment), db=self.mail)
            if count:
                self.release(txn, lsn, count)
            if not runs[box]:
                del runs[box]

    def add(self, txn: lmdb.Transaction, sent: Mail) -> Items:
        items: Items = []
        for box, bodies in sent.items():
            self.append(txn, box, self.tail[box], bodies, items)
            self.tail[box] += len(bodies)
        return items

    def append(self, txn: lmdb.Transaction, box: int, first: int, bodies: list[bytes], items: Items) -> None:
        last, size = self.last.get(box, (-1, 0))
        if self.merging and last >= self.read_to[box] and size + len(bodies[0]) <= self.limit:
            bodies, first = split(get(txn, self.mail, KEY(box, last))) + bodies, last
        for piece in pack(bodies, self.limit):
            items.append((KEY(box, first), b"".join(piece)))
            if self.merging:
                self.last[box] = first, len(items[-1][1])
            if not self.deep:
                self.runs[box].append((first + len(piece), first, 0, 0))
            first += len(piece)

    def read(self, txn: lmdb.Transaction, box: int, count: int) -> None:
        cursor, end = txn.cursor(self.mail), min(self.read_to[box] + count, self.stored(box))
        cursor.set_range(KEY(box, self.read_to[box]))
        for value in cursor.iternext(keys=False):
            first, bodies = self.read_to[box], split(bytes(value))
            self.read_to[box] = first + len(bodies)
            self.runs[box].append((self.read_to[box], first, 0, 0))
            if self.read_to[box] >= end:
                break

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


class Spilled(Segments):
    def add(self, txn: lmdb.Transaction, sent: Mail) -> Items:
        self.record(txn, sent)
        moving, items = set[int](), list[tuple[bytes, bytes]]()
        for box, bodies in sent.items():
            self.tail[box] += len(bodies)
            self.volume += len(bodies)
            self.fresh[box].append((self.tail[box], -1, self.lsn, len(bodies)))
            if self.deep and self.tail[box] - self.stored(box) >= self.limit // len(BODY):
                moving.add(box)
        self.batches.append((self.volume, self.lsn, sent.keys()))
        while self.volume - self.batches[0][0] > LAG:
            _, old, boxes = self.batches.popleft()
            moving.update(box for box in boxes if box in self.fresh and self.fresh[box][0][2] <= old)
        for box in moving:
            first = self.stored(box)
            self.append(txn, box, first, [BODY] * (self.tail[box] - first), items)
            for _, _, lsn, count in self.fresh.pop(box):
                self.release(txn, lsn, count)
        return items


LAYOUTS: dict[str, Any] = {
    "messages": partial(Segments, limit=0),
    "segments": Segments,
    "merged": partial(Segments, merging=True),
    "spilled": Spilled,
}


def pack(bodies: list[bytes], limit: int) -> Iterator[list[bytes]]:
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


def get(txn: lmdb.Transaction, table: Any, key: bytes) -> Any:
    return txn.get(key, db=table)


def put_all(txn: lmdb.Transaction, table: Any, items: Items) -> None:
    if items:
        txn.cursor(table).putmulti(items)


def supply(boxes: int, batch: int, fan: int = 0) -> Sends:
    """Whom the messages of each batch go to: drawn at random, from at most `fan` mailboxes a batch."""
    rng = random.Random(boxes + batch)
    some = [rng.sample(range(boxes), fan) if fan else range(boxes) for _ in range(min(400, 200_000 // batch))]
    return [rng.choices(drawn, k=batch) for drawn in some]


def batches(store: Segments, sends: Sends, size: int, visit: int, cancelled: float = 0) -> Iterator[Batch]:
    """Each sends, and handles `size` older messages: a `visit` of a mailbox, then of the next in the line.

    A share of what it sends is handled within it. Without a backlog the older ones are of the batch before.
    """
    rng = random.Random(2)
    for boxes in cycle(sends):
        passed = rng.sample(boxes, int(len(boxes) * cancelled))
        sent, handled, left = Counter(boxes) - Counter(passed), Counter[int](), size
        while left and store.ready:
            box = store.ready.popleft()
            depth = store.tail[box] - store.head[box] - handled[box]
            count = min(depth, visit, left)
            handled[box] += count
            left -= count
            if depth > count:
                store.ready.append(box)
        store.ready.extend(box for box in sent if store.tail[box] == store.head[box] + handled[box])
        yield {box: [BODY] * count for box, count in sent.items()}, +handled, passed


def written() -> int:
    """Bytes this process has given to write calls, where the system tells."""
    counters = Path("/proc/self/io")
    return int(counters.read_text().split()[3]) if counters.exists() else 0


def run(store: Segments, supplied: Iterator[Batch], seconds: float, most: int) -> Row:
    """Batches for a while. Only commits are timed."""
    total, times, before = 0, list[float](), written()
    while sum(times) < seconds and total < most:
        sent, handled, passed = next(supplied)
        began = time.perf_counter()
        store.commit(sent, handled, passed)
        times.append(time.perf_counter() - began)
        total += sum(handled.values()) + len(passed)
    row = {"rate": total / sum(times), "written": (written() - before) / max(total, 1)}
    return row | {"p50_ms": median(times) * 1e3, "worst_ms": max(times) * 1e3}


class Bench:
    def __init__(self, folder: str, options: argparse.Namespace) -> None:
        self.folder, self.rounds, self.seconds = folder, options.rounds, options.seconds
        self.backlog, self.rows = options.backlog, list[Row]()

    def row(self, row: Row) -> None:
        if not self.rows or self.rows[-1].keys() != row.keys():
            print("\n" + " | ".join(row))
        print(" | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()), flush=True)
        self.rows.append(row)

    def cell(
        self, cell: Row, steps: dict[str, tuple[Segments, Iterator[Batch]]], most: int = 1 << 60
    ) -> None:
        """Every variant once a round, beside REF."""
        samples: dict[str, list[Row]] = defaultdict(list)
        for _ in range(self.rounds):
            ref = raw.queue(REF, Path(self.folder))["value"]
            for name, (store, supplied) in steps.items():
                sample = run(store, supplied, self.seconds, most)
                samples[name].append({"ref": sample["rate"] / ref, **sample})
        for name, some in samples.items():
            spread = {"low": min(s["ref"] for s in some), "high": max(s["ref"] for s in some)}
            middle = {key: median(s[key] for s in some) for key in some[0]}
            self.row(cell | {"variant": name} | middle | spread)

    def stores(self, boxes: int, variants: dict[str, Row], *, deep: bool) -> dict[str, Segments]:
        folder = tempfile.mkdtemp(dir=self.folder)
        made = {name: LAYOUTS[name.split()[0]] for name in variants}
        return {n: made[n](f"{folder}/{n}", boxes, deep=deep, **options) for n, options in variants.items()}

    def shallow(self, cell: Row, boxes: int, variants: dict[str, Row], *sizes: int) -> None:
        """What one batch puts, the next handles; of ten messages none or nine never leave their batch."""
        stores = self.stores(boxes, variants, deep=False)
        for size in sizes:
            sends = supply(boxes, size)
            for cancelled in (0, 0.9):
                steps = {name: (s, batches(s, sends, size, size, cancelled)) for name, s in stores.items()}
                self.cell(cell | {"boxes": boxes, "batch": size, "cancelled": cancelled}, steps)
        close(stores)

    def deep(self, cell: Row, boxes: int, variants: dict[str, Row], *sizes: int, fan: int = 0) -> None:
        """A backlog is put and found again; then batches put and handle; then they only handle."""
        stores, cell = self.stores(boxes, variants, deep=True), cell | {"boxes": boxes}
        for name, store in stores.items():
            began = time.perf_counter()
            fill(store, supply(boxes, 1000, fan), self.backlog // 1000)
            took = time.perf_counter() - began
            self.row(cell | {"variant": name, "fill": self.backlog / took} | find(store))
        for visit in (1, 50) if boxes > 1 else (1000,):
            for size in sizes:
                sends = supply(boxes, size, fan)
                steps = {name: (store, batches(store, sends, size, visit)) for name, store in stores.items()}
                self.cell(cell | {"do": "steady", "batch": size, "visit": visit}, steps)
            steps = {name: (store, batches(store, [[]], 1000, visit)) for name, store in stores.items()}
            self.cell(cell | {"do": "drain", "batch": 1000, "visit": visit}, steps, 30_000)
        close(stores)


def close(stores: dict[str, Segments]) -> None:
    for store in stores.values():
        store.env.close()
        shutil.rmtree(store.path)


def fill(store: Segments, sends: Sends, count: int) -> None:
    """Puts so many batches, a hundred in a transaction."""
    supplied = batches(store, sends, 0, 0)
    for _ in range(count // 100):
        with store.env.begin(write=True) as txn:
            for sent, _, _ in islice(supplied, 100):
                put_all(txn, store.mail, store.add(txn, sent))
                store.save(txn, sent.keys(), sent.keys())
    random.Random(3).shuffle(store.ready)


def find(store: Segments) -> Row:
    """Bytes on disk for each message, and milliseconds to open and name the mailboxes with mail."""
    with store.env.begin() as txn:
        tables = [txn.stat(table) for table in (store.mail, store.journal)]
    pages = sum(t["leaf_pages"] + t["overflow_pages"] + t["branch_pages"] for t in tables)
    row: Row = {"stored": pages * 4096 / (sum(store.tail) - sum(store.head))}
    for temperature in ("cold", "warm"):
        store.env.close()
        if temperature == "cold":
            with Path(store.path, "data.mdb").open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.perf_counter()
        store.open()
        with store.env.begin() as txn:
            cursor = txn.cursor(store.mail)
            more = cursor.set_range(KEY(0, 0))
            while more:
                more = cursor.set_range(KEY(int.from_bytes(cursor.key()[:8], "big") + 1, 0))
            for value in txn.cursor(store.journal).iternext(keys=False) if store.fresh else ():
                split(value)
        row[temperature + "_ms"] = (time.perf_counter() - began) * 1e3
    return row


def shallow(bench: Bench) -> None:
    for boxes in (1, 100, 1000, 100_000):
        bench.shallow({"table": "shallow"}, boxes, {n: {} for n in LAYOUTS if n != "merged"}, 10, 100, 1000)


def deep(bench: Bench) -> None:
    for boxes in (1, 1000, 100_000):
        bench.deep({"table": "deep"}, boxes, {name: {} for name in LAYOUTS}, 10, 100, 1000)


def homes(bench: Bench) -> None:
    for boxes in (1, 1000, 100_000):
        for state in (40, 1000):
            pairs = product(("segments", "spilled"), ("apart", "joined", "own"))
            variants = {f"{name} {home}": {"homes": home, "state": bytes(state)} for name, home in pairs}
            bench.shallow({"table": "homes", "state": state}, boxes, variants, 100, 1000)


def sizes(bench: Bench) -> None:
    pairs = list(product(("segments", "merged", "spilled"), (2000, 4080, 16_368, 65_520)))
    variants = {f"{name} {limit}": {"limit": limit} for name, limit in pairs}
    bench.backlog, backlog = bench.backlog // 4, bench.backlog
    for fan in (4, 0):
        bench.deep({"table": "sizes", "fan": fan}, 1000, variants, 1000, fan=fan)
    bench.backlog = backlog


class Writer:
    """Commits on the loop's own thread, or hands every batch to a thread."""

    def __init__(self, env: lmdb.Environment, puts: int, slower: float) -> None:
        self.env, self.slower, self.worked = env, slower, 0
        self.items = [(KEY(0, n), bytes(15_000 // puts)) for n in range(puts)]
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

    async def stay_busy(self, visit: float) -> None:
        """Pure Python that never waits, but comes back to the loop after every visit."""
        x = 1
        while True:
            end = time.perf_counter() + visit
            while time.perf_counter() < end:
                for _ in range(200):
                    x = x * 31 & 0xFFFF
                self.worked += 1
            await trio.lowlevel.checkpoint()

    async def measure(self, way: str, visit: float, seconds: float, times: list[float]) -> float:
        """A batch is due 1 ms after the one before is durable. Returns how fast the loop's own work went."""
        threading.Thread(target=self.serve, args=(trio.lowlevel.current_trio_token(),)).start()
        async with trio.open_nursery() as nursery:
            if visit:
                nursery.start_soon(self.stay_busy, visit)
            start, in_time = time.perf_counter(), True
            while in_time and time.perf_counter() < start + seconds:
                await trio.sleep(0.001)
                began = time.perf_counter()
                if way == "inline":
                    self.commit()
                elif way != "alone":
                    durable = trio.Event()
                    self.queue.put(durable)
                    with trio.move_on_after(1) as waiting:
                        await durable.wait()
                    in_time = not waiting.cancelled_caught
                times.append(time.perf_counter() - began)
            speed = self.worked / (time.perf_counter() - start)
            nursery.cancel_scope.cancel()
        self.queue.put(None)
        await trio.sleep(0.05)  # a batch in flight may finish
        return speed


def committing(bench: Bench) -> None:
    ways = {"alone": 5, "inline": 5, "thread": 5, "thread, 0.5 ms": 0.5, "thread, 0.05 ms": 0.05}  # intervals
    cells = [(puts, visit, 0.0) for visit in (0, 0.5, 5) for puts in (1, 20)]
    cells += [(20, 0.5, slower) for slower in (1, 3, 10)]
    env = lmdb.open(bench.folder + "/committing", map_size=1 << 30, lib_version=0)
    for puts, visit, slower in cells:
        times, speeds = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for _, (way, interval) in product(range(bench.rounds), ways.items()):
            sys.setswitchinterval(interval / 1e3)
            writer = Writer(env, puts, slower / 1e3)
            speeds[way].append(trio.run(writer.measure, way, visit / 1e3, bench.seconds * 4, times[way]))
        sys.setswitchinterval(0.005)
        for way in list(ways)[1:]:
            some = sorted(times[way])
            row = {"p50_ms": median(some) * 1e3, "p99_ms": some[len(some) * 99 // 100] * 1e3, "n": len(some)}
            if visit:
                row["speed"] = median(map(float.__truediv__, speeds[way], speeds["alone"]))
            cell = {"table": "committing", "puts": puts, "visit_ms": visit, "slower_ms": slower}
            bench.row(cell | {"variant": way} | row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="shallow,deep,homes,sizes,committing")
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="for each variant in each round")
    parser.add_argument("--backlog", type=int, default=1_000_000)
    parser.add_argument("--dir", help="where the stores are made: a real disk")
    options = parser.parse_args()
    parts = {part.__name__: part for part in (shallow, deep, homes, sizes, committing)}
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        bench = Bench(folder, options)
        for name in options.only.split(","):
            parts[name](bench)
    if options.json:
        Path(options.json).write_text(json.dumps(bench.rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
