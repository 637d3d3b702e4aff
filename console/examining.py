"""Examining a store from the head of its file to its last record, for `store check`, `doctor`, copies."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..mailbox import preflight
from ..mailbox.anatomy import Anatomy, dissect
from ..mailbox.checking import Finding, check_pages, check_pinned, check_records, check_whole
from ..mailbox.datafile import BadHead
from ..mailbox.disk import DiskStore
from ..mailbox.errors import StoreDamaged
from .progress import Progress
from .viewing import looking

SHUT = "no node starts on this store, and nothing can be read of it: restore a backup"


@contextmanager
def looking_closely(path: Path) -> Generator[DiskStore]:
    """The store in a directory, to be read, with what only a store on disk can tell.

    Raises:
        StoreError: one of its kinds.
    """
    with looking(path) as store:
        assert isinstance(store, DiskStore)
        yield store


def anatomy_of(store: DiskStore) -> Anatomy:
    """How the data file is made up."""
    return store.ask(dissect)


def examine(path: Path, progress: Progress) -> Iterator[Finding]:
    """Everything that is not as it should be, in the order in which it is met.

    Where the pages themselves are damaged, LMDB is not let near them, and the records are not read.

    Raises:
        StoreError: there is no store, it is of a newer release, or the system refuses.
    """
    progress.step(f"{path}: reading all pages")
    try:
        found = _pages(path)
        yield from found or ()
        if not found:
            with looking_closely(path) as store:
                yield from _records(store, progress, seen=found is not None)
    except StoreDamaged as error:
        yield Finding("head", str(error), SHUT)
    finally:
        progress.end()


def _pages(path: Path) -> list[Finding] | None:
    if preflight.look_at(path) is preflight.Place.STORE:
        try:
            return check_pages(path)
        except BadHead:
            pass  # a node may be writing that head; if it is damaged, the opening says so
    return None


def _records(store: DiskStore, progress: Progress, *, seen: bool) -> Iterator[Finding]:
    if not seen and (pages := check_pinned(store)):
        yield from pages
        return
    progress.step(f"{store.path}: reading all records", anatomy_of(store).records)
    yield from check_records(store, progress.count)
    progress.step(f"{store.path}: comparing all records")
    yield from check_whole(store)
