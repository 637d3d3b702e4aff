"""A store in memory that can crash: the store of simulations and of tests.

It keeps the contract of `Store`, and what a disk does to us can be done with it at will: a commit can
be visible and not yet synced (`hold`, `release`), can fail (`fail_next`), and everything
that was not synced can be forgotten (`crash`, `reopen`).
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import deepcopy

from msgspec.structs import replace

from . import meta
from .ballast import growth
from .errors import StoreError, StoreFailed, StoreFull
from .faults import batch_size
from .identity import Identity
from .inhand import InHand
from .store import MAX_KEY, Snapshot, Table, Usage, Writes, after_prefix

Undo = list[tuple[Table, bytes, bytes | None]]
"""What a commit overwrote, in order."""


class MemoryStore:
    """A `Store` in memory."""

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes] = bytes,
        now_ns: Callable[[], int] = lambda: 0,
        node: str = "",
        limit: int = 64 << 30,
    ) -> None:
        """Make an empty store and open it.

        Args:
            entropy: random bytes for the uuid; by default zeros, so that every run is the same. Where
                stores meet, give each the `randbytes` of a seeded generator.
            now_ns: the wall clock.
            node: the node's name, fixed at first use.
            limit: bytes of keys and values it takes.
        """
        self._now_ns = now_ns
        self._limit = limit
        self._trees = _Trees()
        self._trees.write({Table.META: {**meta.birth(entropy(16), now_ns())}})
        self.in_hand = InHand()
        self._start(node, created=True)

    def _start(self, node: str, *, created: bool) -> None:
        self._held = False
        self._left = b""
        """What was in hand at the end of this life."""
        self._undo: list[Undo] = []
        self._waiting: list[Callable[[], None]] = []
        self._faults: list[tuple[StoreError, bool]] = []
        self._full = False
        self._refusal: StoreError | None = None
        self._gone: StoreError | None = None
        found = meta.read_identity(lambda key: self._trees.get(Table.META, key), "in memory")
        self._identity, changes = meta.raised(
            replace(found, created=created), node=node, now_ns=self._now_ns(), where="in memory"
        )
        self._trees.write({Table.META: changes})

    @property
    def identity(self) -> Identity:
        """Who this store is."""
        return self._identity

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Store.get`."""
        return self._reads().get(table, key)

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """See `Store.scan`."""
        return self._reads().scan(table, start, stop, limit)

    def last(self, table: Table) -> bytes | None:
        """See `Store.last`."""
        return self._reads().last(table)

    def prefixes(self, table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
        """See `Store.prefixes`."""
        return self._reads().prefixes(table, width, start, limit)

    @contextmanager
    def snapshot(self) -> Generator[Snapshot]:
        """See `Store.snapshot`. Nothing may be committed while it lasts: there is only one version."""
        yield self._reads()

    def _reads(self) -> "_Trees":
        if self._gone is not None:
            raise type(self._gone)(*self._gone.args)
        return self._trees

    def commit(self, writes: Writes) -> None:
        """See `Store.commit`. While the store is held, the batch is visible but not durable."""
        self._check(writes)
        if self._faults:
            self._fail(writes, *self._faults.pop(0))
        if self._is_full_for(writes):
            raise StoreFull(f"the store in memory may have {self._limit} bytes: raise limit=, or drain it")
        undo = self._trees.write(writes)
        if self._held:
            self._undo.append(undo)

    def _is_full_for(self, writes: Writes) -> bool:
        near = self._trees.size + batch_size(writes) > self._limit
        more = growth(writes, self._trees.get) if self._full or near else 0
        return more > 0 and (self._full or self._trees.size + more > self._limit)

    def _check(self, writes: Writes) -> None:
        refusal = self._gone or self._refusal
        if refusal is not None:
            raise type(refusal)(*refusal.args)
        for changes in writes.values():
            for key in changes:
                if not 1 <= len(key) <= MAX_KEY:
                    raise ValueError(f"a key of the batch is empty or longer than {MAX_KEY} bytes")

    def _fail(self, writes: Writes, error: StoreError, applied: bool) -> None:  # noqa: FBT001
        if isinstance(error, StoreFailed):
            self._refusal = error
        if applied:
            self._trees.write(writes)
        raise error

    def fail_next(self, error: StoreError, *, applied: bool = False) -> None:
        """Let the next commit that has no fault yet raise this.

        After `StoreFailed` the store refuses every commit until it is reopened; `applied` says
        whether that one reached the disk, which its caller cannot know.
        """
        assert isinstance(error, StoreFailed) or not applied
        self._faults.append((error, applied))

    def fail_none(self) -> None:
        """Let no commit fail that has not failed yet."""
        self._faults.clear()

    def fill(self, *, full: bool = True) -> None:
        """Let the disk be full, so that only what frees room is taken; or let there be room again."""
        self._full = full

    def damage(self, table: Table, key: bytes, at: int = -1) -> None:
        """Flip every bit of one byte of a value, as a broken disk does; no commit, and nobody is told."""
        value = bytearray(self._trees.get(table, key) or b"")
        if value:
            value[at] ^= 0xFF
            self._trees.put(table, key, bytes(value))

    def hold(self) -> None:
        """From now on commits become visible and are not synced, until `release`."""
        self._held = True

    def release(self, *, hold: bool = False) -> None:
        """Sync everything, and tell those who wait for it, in order; what they commit is held if `hold`."""
        self._held = hold
        self._undo.clear()
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()

    def after_sync(self, tell: Callable[[], None]) -> None:
        """Call back when every commit so far is durable: at once, or in `release`; after a crash never.

        The writer acknowledges a commit from here, so that a held store makes it wait.
        """
        if self._undo:
            self._waiting.append(tell)
        else:
            tell()

    def crash(self) -> None:
        """Forget what was not synced, and everybody who waits; this handle is of no use any more.

        As after `kill -9`, the slot of what is in hand stays as it is at this moment (G8).
        """
        for undo in reversed(self._undo):
            for table, key, value in reversed(undo):
                self._trees.put(table, key, value)
        self._undo.clear()
        self._waiting.clear()
        if self._gone is None:
            self._left = self.in_hand.image()
        self._gone = StoreError("this store crashed: go on with what reopen() returns")

    def reopen(self, *, node: str = "") -> "MemoryStore":
        """The store as the next node finds it: what was synced, under a raised incarnation.

        Raises:
            StoreError: this handle is still open; one store has one node.
        """
        if self._gone is None:
            raise StoreError("this store is still open: crash() or close() it before you reopen it")
        store = object.__new__(MemoryStore)
        store._now_ns, store._limit, store._trees = self._now_ns, self._limit, self._trees
        store._start(node, created=False)
        store.in_hand = InHand(left=self._left)
        return store

    def copy(self) -> "MemoryStore":
        """What is synced now, as a store that was closed: a backup. `reopen` makes a store of it."""
        assert not self._undo, "a copy is taken while nothing is held"
        store = object.__new__(MemoryStore)
        store._now_ns, store._limit, store._trees = self._now_ns, self._limit, deepcopy(self._trees)
        store._left = b""
        store._gone = StoreError("this is a copy: go on with what reopen() returns")
        return store

    def tend(self) -> None:
        """See `Store.tend`; nothing is due in memory."""
        self._reads()

    def is_scarce(self) -> bool:
        """See `Store.is_scarce`."""
        return self._full

    def usage(self) -> Usage:
        """See `Store.usage`; counted in bytes of keys and values."""
        size = self._reads().size
        return Usage(used=size, file=size, limit=self._limit)

    def close(self, *, clean: bool = True) -> None:
        """See `Store.close`. What is held is synced."""
        if self._gone is not None:
            return
        self.release()
        if clean and self._refusal is None:
            self._trees.write({Table.META: meta.closing()})
        self._left = self.in_hand.image()
        self._gone = StoreError("this store is closed: go on with what reopen() returns")


class _Trees:
    """Every table as a dictionary beside its keys in order."""

    def __init__(self) -> None:
        self._values: list[dict[bytes, bytes]] = [{} for _ in Table]
        self._keys: list[list[bytes]] = [[] for _ in Table]
        self.size = 0

    def write(self, writes: Writes) -> Undo:
        """Apply a batch; returns what takes it back."""
        undo: Undo = []
        for table, changes in writes.items():
            for key, value in changes.items():
                undo.append((table, key, self.put(table, key, value)))
        return undo

    def put(self, table: Table, key: bytes, value: bytes | None) -> bytes | None:
        """Set or delete one key; returns the value it had."""
        values, keys = self._values[table], self._keys[table]
        before = values.get(key)
        if value is not None:
            values[key] = value
            self.size += len(value)
            if before is None:
                insort(keys, key)
                self.size += len(key)
        elif before is not None:
            del values[key], keys[bisect_left(keys, key)]
            self.size -= len(key)
        self.size -= len(before or b"")
        return before

    def get(self, table: Table, key: bytes) -> bytes | None:
        return self._values[table].get(key)

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        values, keys = self._values[table], self._keys[table]
        first = bisect_left(keys, start)
        end = len(keys) if stop is None else bisect_left(keys, stop)
        return [(key, values[key]) for key in keys[first : min(end, first + limit)]]

    def last(self, table: Table) -> bytes | None:
        keys = self._keys[table]
        return keys[-1] if keys else None

    def prefixes(self, table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
        keys, found = self._keys[table], list[bytes]()
        at: bytes | None = start
        while at is not None and len(found) < limit and (place := bisect_left(keys, at)) < len(keys):
            found.append(keys[place][:width])
            at = after_prefix(found[-1], width)
        return found
