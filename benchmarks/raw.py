"""Raw: the disk and LMDB with nothing around them, the yardsticks of durable work.

`queue` is REF, the reference of design and decisions: how fast a queue could be if it had no actors, no
envelopes and one mailbox. `commits` is one message, one commit. `sync` is what the disk itself takes.
"""

import os
import struct
import time
from pathlib import Path
from typing import Any

import lmdb
from sizes import PAUSE_S, Measured, Sizes, check, percentile

KEY = struct.Struct(">Q").pack
BODY = bytes(100)
PAGE = bytes(4096)


def _open(folder: Path) -> lmdb.Environment:
    # The very settings of a store: LMDB's own durability, and its file format 0.9.
    version: dict[str, Any] = {"lib_version": 0} if int(lmdb.__version__.partition(".")[0]) >= 3 else {}
    return lmdb.open(str(folder / "raw"), map_size=1 << 32, **version)


def queue(sizes: Sizes, folder: Path) -> Measured:
    """Messages a second: one transaction puts a batch, the next scans and deletes it."""
    environment, taken, numbers = _open(folder), 0, range(0, sizes.tells, sizes.batch)
    began = time.perf_counter()
    for first in numbers:
        with environment.begin(write=True) as txn:
            for number in range(first, first + sizes.batch):
                txn.put(KEY(number), BODY)
        with environment.begin(write=True) as txn:
            cursor = txn.cursor()
            more = cursor.first()
            while more:
                taken += len(cursor.value()) == len(BODY)
                more = cursor.delete()
    took = time.perf_counter() - began
    environment.close()
    check("raw queue", taken, sizes.tells)
    return {"value": sizes.tells / took}


def commits(sizes: Sizes, folder: Path) -> Measured:
    """Commits a second of one message each."""
    environment = _open(folder)
    began = time.perf_counter()
    for number in range(sizes.asks):
        with environment.begin(write=True) as txn:
            txn.put(KEY(number), BODY)
    took = time.perf_counter() - began
    check("raw commits", environment.stat()["entries"], sizes.asks)
    environment.close()
    return {"value": sizes.asks / took}


def sync(sizes: Sizes, folder: Path) -> Measured:
    """Seconds, in the median, until 4 KiB appended to a file are on disk."""
    return _sync(sizes, folder, rest_s=0)


def sync_rested(sizes: Sizes, folder: Path) -> Measured:
    """The same after as long a rest as between two tells on an idle loop: disks and processors doze off."""
    return _sync(sizes, folder, rest_s=PAUSE_S)


def _sync(sizes: Sizes, folder: Path, *, rest_s: float) -> Measured:
    times: list[float] = []
    file = os.open(folder / "synced", os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(sizes.idle_tells):
        time.sleep(rest_s)
        began = time.perf_counter()
        os.write(file, PAGE)
        # What LMDB calls; a system without it has only the slower one.
        getattr(os, "fdatasync", os.fsync)(file)
        times.append(time.perf_counter() - began)
    os.close(file)
    return {"value": percentile(times, 0.5), "p99": percentile(times, 0.99)}
