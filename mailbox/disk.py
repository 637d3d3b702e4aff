"""The store on disk, and the only door to LMDB.

LMDB keeps one file as a tree of pages, never overwrites a page that the last commit needs, and makes a commit
visible by writing one small meta page after an fsync: a crash leaves the store as after some commit, and
readers never wait for the writer. The price is traps; each odd line below answers one (docs/format.md, "What
LMDB does"). It syncs at every commit, by default: else half of all power losses destroy the file.
"""

import errno
import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import lmdb
from msgspec.structs import replace

from . import anatomy, faults, fork, meta, preflight
from .ballast import Ballast
from .errors import StoreDamaged, StoreError, StoreFailed, StoreFull
from .identity import Identity
from .inhand import InHand
from .laggards import Laggards
from .lock import StoreLock, refused_opening
from .snapshot import DiskSnapshot, SingleReads
from .store import Snapshot, Table, Usage, Writes

MAP_SIZE: Final = 64 << 30
"""Address space reserved for the file at first; it costs no disk, and grows when it is used up."""
_ATTEMPTS: Final = 100
"""How often a read is tried that a growing map or a crowd of readers ended."""
_VERSION: Final[dict[str, Any]] = {"lib_version": 0} if int(lmdb.__version__.partition(".")[0]) >= 3 else {}
"""LMDB 0.9 always: else an environment variable chooses, and neither version reads the other's files."""

_log: Final = logging.getLogger("callboard.store")
_Tables = tuple["lmdb._Database | None", ...]  # noqa: SLF001 - the binding's name for a table
T = TypeVar("T")

_orphans: Final[list[lmdb.Environment]] = []
"""Environments of the parent, kept in a forked child so that nothing closes them there."""


def examine_pages(file: Path) -> list[str]:
    """What is wrong with the pages of a data file, which LMDB does not get to see."""
    return cast("list[str]", import_module("lmdb.verify").verify(str(file), subdir=False))


def make_data_file(directory: Path, records: dict[bytes, bytes]) -> None:
    """Make the data file of a new store, with these records in META."""
    try:
        env = _environment(directory, 1 << 20, read_only=False)
        try:
            tables = _open_tables(env, read_only=False)
            with env.begin(tables[Table.META], write=True) as txn:
                txn.cursor().putmulti(list(records.items()))
        finally:
            env.close()
    except (OSError, lmdb.Error) as error:
        raise refused_opening(error, directory) from error


def _environment(path: Path, map_size: int, *, read_only: bool) -> lmdb.Environment:
    return lmdb.open(
        str(path),
        map_size=map_size,
        readonly=read_only,
        create=not read_only,
        mode=0o600,
        max_readers=1024,
        max_dbs=32,
        max_spare_txns=2,  # a read costs half when it finds a used transaction
        **_VERSION,
    )


def _open_tables(env: lmdb.Environment, *, read_only: bool) -> _Tables:
    names = [table.name.lower().encode() for table in Table]
    if read_only:
        return tuple(_find_table(env, name) for name in names)
    with env.begin(write=True) as txn:  # a handle opened in a read transaction dies with it
        return tuple(env.open_db(name, txn=txn) for name in names)


def _find_table(env: lmdb.Environment, name: bytes) -> "lmdb._Database | None":
    with suppress(lmdb.NotFoundError):  # then the store is older than the table, which reads as empty
        return env.open_db(name, create=False)
    return None


def _read_identity(env: lmdb.Environment, path: Path) -> Identity:
    table = _find_table(env, b"meta")
    if table is None:
        return meta.read_identity(lambda _key: None, str(path))
    with env.begin(table) as txn:
        return meta.read_identity(txn.get, str(path))


class DiskStore(SingleReads):
    """A `Store` in one directory; made by `opening.open_disk` and `opening.view_disk`."""

    def __init__(self, path: Path, *, lock: StoreLock | None, map_size: int) -> None:
        """Open a data file that passed its preflight; without a lock it can only be read."""
        self.path, self.in_hand = path, InHand(path)
        self._lock, self._data_file = lock, path / preflight.DATA
        try:
            self._env = env = _environment(path, map_size, read_only=lock is None)
        except (OSError, lmdb.Error) as error:
            raise refused_opening(error, path) from error
        try:
            # META speaks first: opening the tables of a stranger's database would make them there.
            self._identity = _read_identity(env, path)
            self._tables = _open_tables(env, read_only=lock is None)
            self.dead_readers = env.reader_check()
        except BaseException as error:
            env.close()
            if isinstance(error, lmdb.Error):
                raise refused_opening(error, path) from error
            raise
        self._begin: Callable[..., lmdb.Transaction[bytes]] = env.begin
        """Begins every read; replaced by a refusal at the end, so that no read need ask."""
        self._refusal: StoreError | None = None if lock else faults.only_to_look(path)
        """Why nothing may be committed any more."""
        self._closed = self._growing = False
        self._opened, self._laggards = preflight.lmdb_files(path), Laggards(path)
        self._ballast = Ballast(path, self.usage, keep=lock is not None)
        self.is_scarce = self._ballast.is_scarce
        fork.guard(self)

    @property
    def identity(self) -> Identity:
        """Who this store is."""
        return self._identity

    def begin_incarnation(self, node: str, now_ns: int, *, created: bool) -> None:
        """Raise the incarnation durably; part of `open_disk`."""
        found = replace(self._identity, created=created)
        identity, changes = meta.raised(found, node=node, now_ns=now_ns, where=str(self.path))
        self.commit({Table.META: changes})
        self._identity = identity

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Store.get`."""
        db = self._tables[table]
        try:
            with self._begin(db) as txn:
                return txn.get(key) if db is not None else None
        except lmdb.Error:
            return self._read(lambda view: view.get(table, key))

    @contextmanager
    def snapshot(self) -> Generator[Snapshot]:
        """See `Store.snapshot`."""
        try:
            with self._persist(self._begin) as txn:
                yield DiskSnapshot(txn, self._tables)
        except lmdb.Error as error:
            raise faults.read_error(error, self.path) from error

    def _read(self, read: Callable[[Snapshot], T]) -> T:
        def once() -> T:
            with self._begin() as txn:
                return read(DiskSnapshot(txn, self._tables))

        return self._persist(once)

    def _persist(self, act: Callable[[], T]) -> T:
        """Do it again if the map grew under it, in this process or another, or too many read at once."""
        for _ in range(_ATTEMPTS):
            try:
                return act()
            except lmdb.Error as error:
                self._mend(error)
        return act()

    def _mend(self, error: lmdb.Error) -> None:
        code = faults.code_of(error)
        if code == faults.MAP_RESIZED:  # another process grew the map: adopt its size
            self._env.set_mapsize(0)
        elif code == faults.READERS_FULL:
            self._env.reader_check()
        elif code not in {0, errno.EINVAL}:  # these two come while the writer's thread moves the map
            raise faults.read_error(error, self.path) from error
        while self._growing:
            os.sched_yield()

    def commit(self, writes: Writes) -> None:
        """See `Store.commit`."""
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)
        self._ballast.keep_for_draining(writes, self)
        try:
            self._apply(writes)
        except lmdb.Error as error:
            self._apply_again(error, writes)

    def _apply(self, writes: Writes) -> None:
        with self._env.begin(write=True) as txn:
            for table, changes in writes.items():
                puts: dict[bytes, Any] = changes
                if None in changes.values():
                    puts = {key: value for key, value in changes.items() if value is not None}
                    delete, db = txn.delete, self._tables[table]
                    for key in sorted(changes.keys() - puts.keys()):
                        delete(key, b"", db)
                if puts:
                    txn.cursor(self._tables[table]).putmulti(sorted(puts.items()))

    def _apply_again(self, error: lmdb.Error, writes: Writes) -> None:
        """Make room as often as it takes; the batch is as it was, and nothing of it was applied."""
        while True:
            if faults.code_of(error) == faults.MAP_FULL:
                self._grow(faults.batch_size(writes))
            else:
                found = self._commit_failure(error, writes)
                if not isinstance(found, StoreFull) or not self._ballast.throw_for(writes, self):
                    raise found from error
            try:
                return self._apply(writes)
            except lmdb.Error as another:
                error = another

    def _grow(self, needed: int) -> None:
        limit = self._env.info()["map_size"]
        grown = max(2 * limit, limit + 4 * needed)
        self._growing = True
        try:
            self._env.set_mapsize(grown + -grown % (1 << 20))
        except (lmdb.Error, OverflowError) as error:
            raise faults.cannot_grow(self.path, limit, str(error)) from error
        finally:
            self._growing = False
        _log.info("the map of %s grew from %d to %d bytes", self.path, limit, grown)

    def _commit_failure(self, error: lmdb.Error, writes: Writes) -> Exception:
        found = faults.commit_error(error, self.path, writes)
        if isinstance(found, StoreFull):
            try:
                self._env.begin(write=True).abort()
            except lmdb.Error as panic:  # a meta page could not be written: there is no way on
                found = faults.failed(self.path, str(panic))
        if isinstance(found, StoreFailed | StoreDamaged):
            self._refusal = found  # after it nothing may be acknowledged, whatever the disk says next
        return found

    def tend(self) -> None:
        """See `Store.tend`."""
        self._begin().abort()  # refuses if the store is closed
        if self._lock is None:
            return
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)
        self._env.reader_check()
        self._laggards.look(self.ask(anatomy.dissect))
        if not (self._lock.still_held() and all(map(preflight.is_still, *self._opened))):
            self._refusal = faults.replaced(self.path)
            raise self._refusal

    def usage(self) -> Usage:
        """See `Store.usage`."""
        used, limit = self.ask(anatomy.used_and_limit)
        return Usage(used=used, file=self._data_file.stat().st_size, limit=limit)

    def ask(self, question: Callable[[Any, Any, _Tables], T]) -> T:
        """What LMDB says of its environment, a read transaction that lasts so long, and its tables."""
        try:
            with self._persist(self._begin) as txn:
                return question(self._env, txn, self._tables)
        except lmdb.Error as error:
            raise faults.read_error(error, self.path) from error

    def close(self, *, clean: bool = True) -> None:
        """See `Store.close`."""
        if self._closed:
            return
        if clean and self._refusal is None:
            with suppress(StoreError):  # then the next opening says that it was not clean
                self.commit({Table.META: meta.closing()})
        self._refuse(StoreError(f"the store {self.path} is closed: open it again"))
        self._env.close()
        self.in_hand.close()
        if self._lock is not None:
            self._lock.release()

    def disown(self) -> None:
        """Refuse all work in a forked child, and leave the parent its lock."""
        if not self._closed:
            _orphans.append(self._env)  # never closed here: its end would free what the parent uses
            self._refuse(faults.forked(self.path))
            if self._lock is not None:
                self._lock.release()

    def _refuse(self, why: StoreError) -> None:
        def begin(*_args: object) -> NoReturn:
            raise type(why)(*why.args)

        self._closed, self._refusal, self._begin = True, why, begin
        fork.unguard(self)
