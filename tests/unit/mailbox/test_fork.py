"""A forked child has no store, and its parent keeps it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.mailbox.disk import DiskStore
from callboard.mailbox.errors import StoreForked
from callboard.mailbox.meta import FORMAT_KEY
from callboard.mailbox.store import Table

from .disks import batch, contents, opened

CALLS: list[Callable[[DiskStore], object]] = [
    lambda store: store.get(Table.META, FORMAT_KEY),
    lambda store: store.scan(Table.META),
    lambda store: store.commit({Table.MAIL: {b"a": b"1"}}),
    lambda store: store.usage(),
    lambda store: store.tend(),
    lambda store: store.snapshot().__enter__(),
]


def in_child(body: Callable[[], object]) -> str:
    """What a forked child's function returns, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = repr(body())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.parametrize("call", CALLS)
def test_a_forked_child_is_refused_and_its_parent_goes_on(
    store: DiskStore, call: Callable[[DiskStore], object]
) -> None:
    assert in_child(lambda: call(store)).startswith(
        f"{StoreForked.__name__}: the store {store.path} was opened"
    )
    store.commit({Table.MAIL: {b"b": b"1"}})
    assert contents(store) == {b"b": b"1"}


def test_a_forked_child_that_closes_the_store_closes_nothing(store: DiskStore) -> None:
    assert in_child(store.close) == "None"
    store.commit(batch(1))
    assert in_child(lambda: opened(store.path)).startswith("StoreInUse")


def test_a_forked_child_does_not_keep_its_parents_lock(path: Path) -> None:
    code = """
import os, sys
from callboard.mailbox.opening import open_disk
store = open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 0)
reading, writing = os.pipe()
born, birth = os.pipe()
if not os.fork():
    os.close(writing)
    os.write(birth, b".")  # from here on the fork is behind it
    os.read(reading, 1)  # until the test is over
    os._exit(0)
os.read(born, 1)
print(writing, flush=True)
sys.stdin.read()
os._exit(1)
"""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline()
        process.kill()
        process.wait()
        opened(path).close()


def test_a_store_that_was_closed_before_a_fork_may_be_opened_in_the_child(path: Path) -> None:
    opened(path).close()
    assert in_child(lambda: opened(path).identity.incarnation) == "2"
