"""The writer: hands batches to the store, one at a time, and the only door to threads.

A commit waits for the disk. Where a sync takes less than a millisecond, committing on the loop's own
thread is cheapest: a hand-over to another thread costs more, and beside a busy loop that thread waits a
switch interval for the interpreter lock at every step. Where a sync takes longer, the loop must
not stand still for it. Which disk this is nobody knows beforehand, so the writer measures, and changes its
ways when the measure says so.

What counts is the time a commit *waits*, not the time it computes, since computing holds the loop up on
any thread; and what a small one would wait, since a large one has more to write on any disk. A commit
beside a busy loop cannot be measured (it waits for the loop, too), so from the thread a batch is tried inline
now and then, and only these trials can bring the writer back. Tried are also those of so many records
that their calls would take longer in the thread than the disk does: whoever waits has them sooner.

While the thread commits, the process's switch interval is 50 µs (`sys.setswitchinterval`); afterwards it is
what it was. The numbers behind all this are in docs/decisions/0003.

Each commit runs begin to end on one thread: LMDB's write transactions belong to a thread.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Collection
from queue import SimpleQueue
from typing import Final, Literal, Protocol

import msgspec

from .errors import StoreFailed
from .store import Writes

Mode = Literal["inline", "thread", "adaptive"]
Done = Callable[[BaseException | None], None]

_MEASURES: Final = 21
"""How many of the last waits the median is taken of."""
_ENOUGH: Final = 5
"""With fewer there is no decision, and before all are there only one that is clear."""
_CLEAR: Final = 4
"""So many times what it may take is clearly slow: a few commits may be held up by what else goes on."""
_TRIAL_EVERY: Final = 50
"""Every so many batches in the thread one is tried inline."""

FIXED: Final = 256 * 1024
"""Bytes that are written in the time that a commit without any takes: 0.3 to 0.5 ms on a quick disk."""
_CALL_S: Final = 0.0001
"""What each call into LMDB may take in the thread, beside a busy loop, seconds."""

HASTY_S: Final = 0.00005
"""The interpreter's switch interval while the thread commits, seconds."""


class Committing(Protocol):
    """What the writer needs of a store. A store that can be held has `after_sync` too (`memory`)."""

    def commit(self, writes: Writes, /) -> None:
        """See `Store.commit`."""
        ...


class WriterStatistics(msgspec.Struct, frozen=True):
    """What a writer did so far."""

    commits: int
    """Commits that succeeded."""
    failures: int
    """Commits that raised."""
    median: float
    """Seconds that one of the last commits took, in the middle."""
    longest: float
    """Seconds of the longest commit so far."""
    mode: Literal["inline", "thread"]
    """Where the next batch goes."""
    switches: int
    """How often that changed."""


class Writer:
    """Commits batches one at a time; see the top of the file for where."""

    def __init__(
        self,
        store: Committing,
        *,
        clock: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object] | None = None,
        cpu_clock: Callable[[], float] = lambda: 0.0,
        mode: Mode = "adaptive",
        inline_up_to: float = 0.001,
    ) -> None:
        """Get ready; a thread starts only when one is needed.

        Args:
            store: what is written to.
            clock: monotonic seconds.
            call_soon: runs a function on the loop's thread, from any thread
                (`trio.lowlevel.TrioToken.run_sync_soon`). Without it every commit is inline.
            cpu_clock: seconds that the calling thread has computed (`time.thread_time`), to tell a wait
                for the disk from a large batch.
            mode: where to commit; by default as measured.
            inline_up_to: seconds that a commit may keep the loop waiting, in the median.
        """
        assert call_soon is not None or mode != "thread", "a thread needs a way back to the loop"
        self._commit = store.commit
        self._after_sync: Callable[[Callable[[], None]], None] | None = getattr(store, "after_sync", None)
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._call_soon = call_soon
        self._adaptive = mode == "adaptive" and call_soon is not None
        self._threaded = mode == "thread"
        self._inline_up_to = inline_up_to
        self._waits: deque[float] = deque(maxlen=_MEASURES)
        self._wait = 0.0
        """The median that led to the thread."""
        self._seconds: deque[float] = deque(maxlen=_MEASURES)
        self._flight: _Flight | None = None
        self._thread: _CommitThread | None = None
        self._since_trial = self._commits = self._failures = self._switches = 0
        self._longest = 0.0
        self._interval = 0.0
        """The process's switch interval, to be put back when the flight lands; 0 if it was not changed."""
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a batch is on its way; the next one must wait for its `done`."""
        return self._flight is not None

    def submit(self, writes: Writes, done: Done, size: int = 0) -> None:
        """Commit a batch and call `done` on this thread: with None when it is durable, else with the error.

        An inline commit is over, and `done` was called, when this returns (unless the store is held).
        `done` may submit the next batch. After any error but `StoreFull` the outcome is unknown.

        Args:
            writes: the batch.
            done: hears of its end.
            size: bytes of its messages and states, about.
        """
        assert self._flight is None, "one batch at a time"
        assert not self._closed, "the writer is closed"
        self._flight = flight = _Flight(writes, done, size)
        if self._goes_inline(writes):
            self._commit_inline(flight)
        else:
            self._commit_in_thread(flight)

    def _goes_inline(self, writes: Writes) -> bool:
        if not self._threaded:
            return True
        if not self._adaptive:
            return False
        self._since_trial += 1
        # Those who wait for a batch of many records get it sooner inline, and nobody gets anything before.
        calls = sum(map(len, writes.values()))
        return calls * _CALL_S > self._wait or self._since_trial % _TRIAL_EVERY == 0

    def _commit_inline(self, flight: "_Flight") -> None:
        computed = self._cpu_clock()
        self._run(flight)
        waited = flight.seconds - (self._cpu_clock() - computed)
        if self._adaptive and flight.error is None:
            self._waits.append(waited * FIXED / (FIXED + flight.size))
            self._decide()
        if self._after_sync is not None and flight.error is None:
            self._after_sync(lambda: self._land(flight))
        else:
            self._land(flight)

    def _commit_in_thread(self, flight: "_Flight") -> None:
        if self._thread is None:
            self._thread = _CommitThread(self._run, self._return)
        # The thread needs the interpreter lock back after each call into LMDB, and a busy loop gives it
        # up only when asked, a switch interval later: by default 5 ms, for each of dozens of calls.
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(min(self._interval, HASTY_S))
        self._thread.give(flight)

    def _run(self, flight: "_Flight") -> None:
        """Commit, on whichever thread this is."""
        began = self._clock()
        try:
            self._commit(flight.writes)
        except BaseException as error:
            flight.error = error
        flight.seconds = self._clock() - began

    def _return(self, flight: "_Flight") -> None:
        """Bring a flight back from the thread; if the loop is gone, `close` lands it."""
        assert self._call_soon is not None
        self._call_soon(lambda: self._land(flight))

    def _land(self, flight: "_Flight") -> None:
        """Count, and tell; on the loop's thread, once."""
        if self._flight is not flight:
            return
        self._flight = None
        if self._interval:
            sys.setswitchinterval(self._interval)
            self._interval = 0.0
        self._seconds.append(flight.seconds)
        self._longest = max(self._longest, flight.seconds)
        if flight.error is None:
            self._commits += 1
        else:
            self._failures += 1
        flight.done(flight.error)

    def _decide(self) -> None:
        if len(self._waits) < _ENOUGH:
            return
        wait = _median(self._waits)
        limit = self._inline_up_to * (1 if len(self._waits) == _MEASURES else _CLEAR)
        if wait < self._inline_up_to / 2 if self._threaded else wait > limit:
            self._threaded = not self._threaded
            self._wait = wait
            self._switches += 1
            self._waits.clear()

    def statistics(self) -> WriterStatistics:
        """What it did so far."""
        return WriterStatistics(
            commits=self._commits,
            failures=self._failures,
            median=_median(self._seconds) if self._seconds else 0.0,
            longest=self._longest,
            mode="thread" if self._threaded else "inline",
            switches=self._switches,
        )

    def close(self, *, patience: float = 30.0) -> None:
        """Wait for the batch on its way, tell its `done`, and end the thread. Idempotent.

        Raises:
            StoreFailed: the disk did not answer within `patience` seconds. The store must not be
                closed then, for that would wait for ever: end the process.
        """
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is not None and not thread.end(patience):
            raise StoreFailed(
                f"a commit has not returned for {patience:g} seconds, and whether it was written is unknown: "
                "the disk hangs. End this process (os._exit): closing the store would wait for the disk too"
            )
        if thread is not None and self._flight is not None:
            self._land(self._flight)


class _Flight:
    """A batch on its way."""

    __slots__ = ("done", "error", "seconds", "size", "writes")

    def __init__(self, writes: Writes, done: Done, size: int) -> None:
        self.writes = writes
        self.done = done
        self.size = size
        self.error: BaseException | None = None
        self.seconds = 0.0


class _CommitThread:
    """A daemon thread that runs one flight after the other."""

    def __init__(self, run: Callable[[_Flight], None], give_back: Callable[[_Flight], None]) -> None:
        self._run = run
        self._give_back = give_back
        self._given: SimpleQueue[_Flight | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="callboard writer", daemon=True)
        self._thread.start()

    def give(self, flight: _Flight) -> None:
        """Have a flight run."""
        self._given.put(flight)

    def end(self, patience: float) -> bool:
        """Wait until all given is done and the thread has ended; False if that takes too long."""
        self._given.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (flight := self._given.get()) is not None:
            self._run(flight)
            try:
                self._give_back(flight)
            except (RuntimeError, OSError):  # the loop has ended; `Writer.close` lands the flight
                continue


def _median(values: Collection[float]) -> float:
    """The upper one of two; the standard library's costs a fifth of our import."""
    return sorted(values)[len(values) // 2]
