"""Every outside thing comes in by its door: one file, or the folders whose business it is."""

from collections.abc import Iterator

import attrs
import pytest

from .source import Source, agree, matches, package, uses


@attrs.frozen
class Door:
    """Outside things, and the only files and folders that may name them."""

    things: tuple[str, ...]
    """Dotted names; each stands for all that lies in it."""
    only: tuple[str, ...]
    why: str

    def admits(self, path: str) -> bool:
        """Whether a file may use it."""
        return any(path == place or (place.endswith("/") and path.startswith(place)) for place in self.only)


ABOVE_SIMULATION = ("cluster/", "testing/", "console/")
"""Where a node is put together with its clock and its randomness, and what stands above."""

DOORS = [
    Door(("lmdb",), ("mailbox/disk.py",), "one file knows the traps of LMDB"),
    Door(
        ("cloudpickle", "pickle", "marshal", "shelve"),
        ("actors/pickled.py",),
        "a pickle outlives its class; it is asked for by name, never a default",
    ),
    Door(
        ("threading", "_thread", "queue", "concurrent", "multiprocessing", "trio.to_thread"),
        ("mailbox/writer.py", "mailbox/inhand.py", "cluster/watchdog.py"),
        "a virtual clock jumps over threads: the writer has one, a suspect that runs alone a watch, and a "
        "watchdog, where time is real, looks at the loop that cannot look at itself",
    ),
    Door(
        (
            *("socket", "socketserver", "selectors", "asyncio", "http", "urllib.request"),
            *("trio.socket", "trio.open_tcp_*", "trio.open_ssl_*", "trio.open_unix_socket"),
            *("trio.serve_*", "trio.Socket*", "trio.SSL*"),
        ),
        ("cluster/sockets.py", "cluster/control.py", "cluster/client.py"),
        "what leaves the process leaves it by few files, which know the traps of sockets",
    ),
    Door(("ssl",), ("cluster/security.py",), "one file decides whom a node trusts"),
    Door(("cryptography",), ("cluster/certificates.py",), "an extra, needed only to make certificates"),
    Door(
        (
            *("time.time", "time.time_ns", "time.monotonic*", "time.perf_counter*", "time.sleep"),
            *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
            "datetime.date.today",
        ),
        ABOVE_SIMULATION,
        "the clock is passed in, or the run is no simulation",
    ),
    Door(
        (
            *("random.[a-z]*", "random.Random()", "random.SystemRandom", "secrets"),
            *("uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom"),
        ),
        ABOVE_SIMULATION,
        "randomness is passed in, or no run can be repeated",
    ),
    Door(
        ("print", "input", "sys.argv"),
        ("console/",),
        "a library is told things by its caller and says them by its values and its log",
    ),
    Door(
        ("os.environ", "os.getenv"),
        ("console/", "cluster/orders.py"),
        "only a launcher tells a node of its part so, since it starts the program unchanged",
    ),
    Door(("click",), ("console/",), "the library must start without its command line"),
    Door(("hypothesis", "pytest"), ("testing/",), "an extra, needed by nobody in production"),
]


GUARD = "testing/guard.py"
"""Names what it forbids."""


def break_ins(source: Source) -> Iterator[str]:
    """What a file uses although its door is elsewhere."""
    if source.path == GUARD:
        return
    for line, name in sorted(set(uses(source.tree))):
        for door in DOORS:
            if matches(name, door.things) and not door.admits(source.path):
                yield source.at(line, f"{name}: {door.why}")


def test_outside_things_come_in_by_their_door() -> None:
    agree(found for source in package() for found in break_ins(source))


def test_no_door_stands_open_that_nobody_uses() -> None:
    files = {source.path: source for source in package()}
    agree(
        f"{place} does not need {', '.join(door.things)} any more: close that door"
        for door in DOORS
        for place in door.only
        if place in files and not any(matches(name, door.things) for _, name in uses(files[place].tree))
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mailbox/store.py", "import lmdb"),
        ("mailbox/store.py", "from lmdb import open"),
        ("mailbox/disk.py", "import cloudpickle"),
        ("actors/codec.py", "def f():\n    import pickle"),
        ("actors/cell.py", "from threading import Thread"),
        ("actors/cell.py", "from concurrent.futures import Future"),
        ("actors/cell.py", "import trio\nasync def f(): await trio.to_thread.run_sync(g)"),
        ("cluster/node.py", "import socket"),
        ("cluster/tcp.py", "import trio\ndef f(stream: trio.SocketStream): ..."),
        ("cluster/sockets.py", "import ssl"),
        ("console/cert.py", "from cryptography import x509"),
        ("cluster/node.py", "import trio\nasync def f(): await trio.open_tcp_stream('h', 1)"),
        ("actors/turn.py", "import time\nnow = time.time()"),
        ("actors/turn.py", "import time as clock\nnow = clock.time_ns"),
        ("actors/turn.py", "from time import time as now"),
        ("actors/turn.py", "from datetime import datetime\nx = datetime.now()"),
        ("actors/turn.py", "import datetime as d\nx = d.datetime.now(d.UTC)"),
        ("mailbox/identity.py", "from uuid import uuid4"),
        ("mailbox/identity.py", "import os\nnew = os.urandom(16)"),
        ("supervision/backoff.py", "import random\nx = random.uniform(1, 2)"),
        ("supervision/backoff.py", "import random\nx = random.Random()"),
        ("supervision/backoff.py", "import secrets"),
        ("mailbox/store.py", "print('hello')"),
        ("cluster/node.py", "import os\nx = os.environ['X']"),
        ("cluster/node.py", "from os import environ"),
        ("cluster/run.py", "import click"),
        ("actors/values.py", "from hypothesis import given"),
    ],
)
def test_the_doors_rule_finds(path: str, text: str) -> None:
    assert list(break_ins(Source(path, text))) != []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mailbox/disk.py", "import lmdb\nlmdb.open('x')"),
        ("mailbox/writer.py", "import threading\nthreading.Thread()"),
        ("actors/pickled.py", "import cloudpickle"),
        ("actors/turn.py", "import random\ndef f(seed: int) -> random.Random: return random.Random(seed)"),
        ("actors/turn.py", "import trio\nnow = trio.current_time()"),
        ("actors/turn.py", "def f(box): box.print(); box.time()"),
        ("cluster/node.py", "import time, os, random\nx = time.time(), os.urandom(8), random.Random()"),
        ("console/command.py", "import click\nprint('hello')"),
        ("testing/machine.py", "from hypothesis import strategies"),
    ],
)
def test_the_doors_rule_allows(path: str, text: str) -> None:
    assert list(break_ins(Source(path, text))) == []
