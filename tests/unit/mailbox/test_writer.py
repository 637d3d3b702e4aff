"""The writer: one batch at a time, on the thread that the measures say, and nobody told too early."""

import itertools
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import pytest
import trio

from callboard.mailbox.errors import StoreFailed, StoreFull
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table, Writes
from callboard.mailbox.writer import HASTY_S, Writer, WriterStatistics

ONE: Writes = {Table.MAIL: {b"a": b"1"}}


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowStore:
    """A store whose commits take as long as told, and notes the threads they ran on."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.takes = 0.0
        self.threads: list[str] = []
        self.errors: deque[BaseException] = deque()

    def commit(self, _writes: Writes, /) -> None:
        self.threads.append(threading.current_thread().name)
        self.clock.now += self.takes
        if self.errors:
            raise self.errors.popleft()


class Loop:
    """Where `done` comes back to: functions wait here until the test runs them."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()
        self.arrived = threading.Semaphore(0)

    def call_soon(self, function: Callable[[], None]) -> None:
        self.waiting.append(function)
        self.arrived.release()

    def run_one(self) -> None:
        assert self.arrived.acquire(timeout=30)
        self.waiting.popleft()()


Done = list[BaseException | None]


def pass_through(writer: Writer, loop: Loop, count: int = 1) -> None:
    """Submit batches and wait for each."""
    for _ in range(count):
        done: Done = []
        writer.submit(ONE, done.append)
        while not done:
            loop.run_one()
        assert done == [None]


# Inline.


def test_an_inline_commit_is_durable_and_told_when_submit_returns() -> None:
    store, done = MemoryStore(), list[BaseException | None]()
    writer = Writer(store, clock=Clock(), mode="inline")
    writer.submit(ONE, done.append)
    assert done == [None]
    assert store.get(Table.MAIL, b"a") == b"1"
    assert not writer.busy


def test_without_a_way_back_everything_is_inline() -> None:
    clock = Clock()
    store = SlowStore(clock)
    store.takes = 1.0
    writer = Writer(store, clock=clock)
    pass_through(writer, Loop(), 30)
    assert set(store.threads) == {threading.current_thread().name}
    assert writer.statistics().switches == 0


def test_a_thread_without_a_way_back_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="way back"):
        Writer(MemoryStore(), clock=Clock(), mode="thread")


@pytest.mark.parametrize("error", [StoreFull("full"), StoreFailed("broken"), KeyboardInterrupt()])
def test_an_error_is_told_and_not_raised(error: BaseException) -> None:
    clock = Clock()
    store, done = SlowStore(clock), list[BaseException | None]()
    store.errors.append(error)
    writer = Writer(store, clock=clock)
    writer.submit(ONE, done.append)
    assert done == [error]
    writer.submit(ONE, done.append)
    assert done == [error, None]
    assert writer.statistics().failures == writer.statistics().commits == 1


def test_done_may_submit_the_next_batch() -> None:
    store, done = MemoryStore(), list[BaseException | None]()
    writer = Writer(store, clock=Clock())

    def again(error: BaseException | None) -> None:
        done.append(error)
        if len(done) < 3:
            writer.submit(ONE, again)

    writer.submit(ONE, again)
    assert done == [None, None, None]


def test_nobody_is_told_before_a_held_store_is_synced() -> None:
    store, done = MemoryStore(), list[BaseException | None]()
    writer = Writer(store, clock=Clock())
    store.hold()
    writer.submit(ONE, done.append)
    assert store.get(Table.MAIL, b"a") == b"1"
    assert writer.busy
    assert done == []
    with pytest.raises(AssertionError, match="one batch at a time"):
        writer.submit(ONE, done.append)
    store.release()
    assert done == [None]
    assert not writer.busy


def test_a_store_that_crashes_while_it_is_held_tells_nobody() -> None:
    store, done = MemoryStore(), list[BaseException | None]()
    writer = Writer(store, clock=Clock())
    store.hold()
    writer.submit(ONE, done.append)
    store.crash()
    assert done == []
    assert store.reopen().get(Table.MAIL, b"a") is None


# In a thread.


def test_a_commit_in_the_thread_is_told_on_the_loop() -> None:
    clock, loop = Clock(), Loop()
    store, done = SlowStore(clock), list[BaseException | None]()
    store.errors.append(StoreFull("full"))
    writer = Writer(store, clock=clock, call_soon=loop.call_soon, mode="thread")
    writer.submit(ONE, done.append)
    assert loop.arrived.acquire(timeout=30)
    assert done == []
    assert writer.busy
    loop.waiting.popleft()()
    assert isinstance(done[0], StoreFull)
    pass_through(writer, loop, 2)
    assert set(store.threads) == {"callboard writer"}
    writer.close()


def test_no_thread_is_started_that_is_not_needed() -> None:
    before = threading.active_count()
    writer = Writer(MemoryStore(), clock=Clock(), call_soon=Loop().call_soon)
    writer.submit(ONE, lambda _error: None)
    assert threading.active_count() == before
    writer.close()


async def test_a_trio_loop_is_told_by_its_token() -> None:
    token = trio.lowlevel.current_trio_token()
    writer = Writer(MemoryStore(), clock=Clock(), call_soon=token.run_sync_soon, mode="thread")
    done: list[str] = []
    event = trio.Event()

    def tell(_error: BaseException | None) -> None:
        done.append(threading.current_thread().name)
        event.set()

    writer.submit(ONE, tell)
    await event.wait()
    assert done == [threading.current_thread().name]
    writer.close()


# Closing.


def test_closing_waits_for_the_batch_on_its_way_and_tells_once() -> None:
    clock, loop = Clock(), Loop()
    store, done = SlowStore(clock), list[BaseException | None]()
    writer = Writer(store, clock=clock, call_soon=loop.call_soon, mode="thread")
    writer.submit(ONE, done.append)
    writer.close()
    assert done == [None]
    loop.run_one()
    assert done == [None]
    writer.close()
    with pytest.raises(AssertionError, match="closed"):
        writer.submit(ONE, done.append)


def test_closing_after_the_loop_has_ended_still_tells() -> None:
    def gone(_function: Callable[[], None]) -> None:
        raise trio.RunFinishedError

    done: Done = []
    writer = Writer(MemoryStore(), clock=Clock(), call_soon=gone, mode="thread")
    writer.submit(ONE, done.append)
    writer.close()
    assert done == [None]


def test_closing_does_not_wait_for_ever_for_a_disk_that_hangs() -> None:
    answer = threading.Event()

    class Hanging:
        def commit(self, _writes: Writes, /) -> None:
            answer.wait()

    writer = Writer(Hanging(), clock=Clock(), call_soon=Loop().call_soon, mode="thread")
    writer.submit(ONE, lambda _error: None)
    with pytest.raises(StoreFailed, match=r"unknown: the disk hangs.*End this process"):
        writer.close(patience=0.01)
    answer.set()


# Measuring.


def adaptive(clock: Clock, loop: Loop) -> tuple[SlowStore, Writer]:
    store = SlowStore(clock)
    return store, Writer(store, clock=clock, call_soon=loop.call_soon, inline_up_to=0.001)


def test_a_fast_disk_stays_inline() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.0009
    pass_through(writer, loop, 100)
    assert set(store.threads) == {threading.current_thread().name}


def test_a_slow_disk_moves_to_the_thread_soon_and_back_when_it_is_fast_again() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.02
    pass_through(writer, loop, 5)
    assert writer.statistics().mode == "thread"
    pass_through(writer, loop, 100)
    assert store.threads.count("callboard writer") == 98  # one in fifty is tried inline
    assert writer.statistics().switches == 1
    store.takes = 0.0001
    for commits in itertools.count(1):
        pass_through(writer, loop)
        if writer.statistics().mode == "inline":
            break
        assert commits < 1000, "it never came back"
    store.threads.clear()
    pass_through(writer, loop, 10)
    assert set(store.threads) == {threading.current_thread().name}
    assert writer.statistics().switches == 2
    writer.close()


def test_between_half_and_all_of_the_limit_it_stays_where_it_is() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.02
    pass_through(writer, loop, 5)
    store.takes = 0.0008
    pass_through(writer, loop, 1000)
    assert writer.statistics().mode == "thread"
    writer.close()


def test_a_few_slow_commits_among_fast_ones_change_nothing() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    for number in range(100):
        store.takes = 0.5 if number % 3 == 2 else 0.0001
        pass_through(writer, loop)
    assert writer.statistics().switches == 0


def test_what_counts_is_the_wait_and_not_the_computing() -> None:
    clock, cpu, loop = Clock(), Clock(), Loop()

    class Large(SlowStore):
        def commit(self, writes: Writes, /) -> None:
            super().commit(writes)
            cpu.now += 0.05

    store = Large(clock)
    store.takes = 0.0505
    writer = Writer(store, clock=clock, call_soon=loop.call_soon, cpu_clock=cpu)
    pass_through(writer, loop, 100)
    assert writer.statistics().mode == "inline"


def test_a_moment_in_which_a_few_commits_are_slow_changes_nothing() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.003
    pass_through(writer, loop, 10)
    store.takes = 0.0003
    pass_through(writer, loop, 20)
    assert writer.statistics().switches == 0


def test_a_disk_that_is_a_little_slow_for_long_moves_to_the_thread() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.003
    pass_through(writer, loop, 21)
    assert writer.statistics().mode == "thread"
    writer.close()


def test_what_a_large_batch_waits_for_its_bytes_does_not_count() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.004
    for _ in range(50):
        writer.submit(ONE, lambda _error: None, 1 << 20)
    assert writer.statistics().mode == "inline"
    store.takes = 0.04
    for commits in itertools.count(1):
        writer.submit(ONE, lambda _error: None, 1 << 20)
        if writer.statistics().mode == "thread":
            break
        assert commits < 21, "no disk would be slow"


def test_a_batch_of_so_many_records_that_the_thread_would_take_longer_is_committed_inline() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 0.02
    pass_through(writer, loop, 5)
    assert writer.statistics().mode == "thread"
    store.threads.clear()
    for rows in (10, 190, 210, 1000):
        writer.submit(
            {Table.MAIL: {bytes([n % 256, n // 256]): b"" for n in range(rows)}}, lambda _error: None
        )
        if writer.busy:
            assert loop.arrived.acquire(timeout=30)
            loop.waiting.popleft()()
    here = threading.current_thread().name
    assert store.threads == ["callboard writer", "callboard writer", here, here]
    writer.close()


def test_failures_are_not_measured() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    store.takes = 5.0
    for _ in range(30):
        store.errors.append(StoreFull("full"))
        writer.submit(ONE, lambda _error: None)
    assert writer.statistics().mode == "inline"


def test_statistics_are_a_frozen_value() -> None:
    clock, loop = Clock(), Loop()
    store, writer = adaptive(clock, loop)
    assert writer.statistics() == WriterStatistics(
        commits=0, failures=0, median=0.0, longest=0.0, mode="inline", switches=0
    )
    for seconds in (0.25, 0.5, 0.75):
        store.takes = seconds
        pass_through(writer, loop)
    assert writer.statistics() == WriterStatistics(
        commits=3, failures=0, median=0.5, longest=0.75, mode="inline", switches=0
    )


def test_the_switch_interval_is_short_only_while_the_thread_commits() -> None:
    before = sys.getswitchinterval()
    seen: list[float] = []
    landed = threading.Event()
    calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    class Looking:
        def commit(self, _: Writes, /) -> None:
            seen.append(sys.getswitchinterval())

    writer = Writer(Looking(), clock=time.perf_counter, call_soon=calls.put, mode="thread")
    writer.submit({}, lambda _: landed.set())
    calls.get(timeout=10)()
    writer.close()
    assert landed.is_set()
    assert seen == [pytest.approx(HASTY_S, rel=0.1)]
    assert sys.getswitchinterval() == pytest.approx(before)
