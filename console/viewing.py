"""Opening a store to look at it: no lock, no change, beside its running node or without one."""

import difflib
import shlex
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ..mailbox.errors import StoreDamaged
from ..mailbox.identity import Identity
from ..mailbox.inhand import InHand
from ..mailbox.reading import list_mailboxes
from ..mailbox.store import Snapshot, Store, Usage, Writes
from .exits import NotFound
from .terminal import accept_any_text

F = TypeVar("F", bound=Callable[..., Any])

_LOOKS: Final = 6
_BETWEEN_LOOKS_S: Final = 0.01
_LOOKED_THROUGH: Final = 2000
"""Mailboxes whose names are compared with one that does not exist."""


def store_option(command: F) -> F:
    """`--store`, for commands that look."""
    return click.option(
        "--store",
        "path",
        envvar="CALLBOARD_STORE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        metavar="PATH",
        callback=_required,
        help="The store's directory.",
    )(command)


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")(command)


def _required(context: click.Context, _: click.Parameter, path: Path | None) -> Path:
    if path is not None:
        return path
    here = sorted(found.parent.name for found in Path().glob("*/data.mdb"))
    hint = f"--store {shlex.quote(here[0])}" if here else "--store shop.store"
    raise click.UsageError(
        f"which store? Name its directory, such as {hint}, or set CALLBOARD_STORE", context
    )


@contextmanager
def looking(path: Path) -> Generator[Store, None, None]:
    """The store in a directory, to be read.

    Raises:
        StoreError: one of its kinds.
    """
    accept_any_text()
    store = _view(path)
    try:
        yield store
    finally:
        store.close(clean=False)


def _view(path: Path) -> Store:
    """Open a store beside a node that may commit at this very moment.

    The file is examined before LMDB sees it, and who examines it during a commit can meet the parts of two
    commits, which look like damage. Damage stays; so only what is still there after some looks is told.
    """
    from ..mailbox.opening import view_disk  # LMDB is loaded only where a store is opened

    for _ in range(_LOOKS - 1):
        try:
            return view_disk(path)
        except StoreDamaged:
            time.sleep(_BETWEEN_LOOKS_S)
    return view_disk(path)


@contextmanager
def standing_still(store: Store) -> Generator[Store, None, None]:
    """One commit of a store, so that several views of it belong together. Keep it short."""
    with store.snapshot() as reads:
        yield _Still(store, reads)


class _Still:
    """A `Store` that shows one commit and takes none."""

    def __init__(self, store: Store, reads: Snapshot) -> None:
        self._store = store
        self.get = reads.get
        self.scan = reads.scan
        self.last = reads.last
        self.prefixes = reads.prefixes
        self._reads = reads
        self.is_scarce = store.is_scarce

    @property
    def identity(self) -> Identity:
        return self._store.identity

    @property
    def in_hand(self) -> InHand:
        return self._store.in_hand

    def snapshot(self) -> nullcontext[Snapshot]:
        return nullcontext(self._reads)

    def commit(self, writes: Writes) -> None:
        self._store.commit(writes)  # which says that it is only to be looked at

    def tend(self) -> None:
        self._store.tend()

    def usage(self) -> Usage:
        return self._store.usage()

    def close(self, *, clean: bool = True) -> None:
        """Nothing: who opened the store closes it."""


def nobody_called(store: Store, name: str) -> NotFound:
    """The error for a name without a mailbox, with names that are nearly the same."""
    known = [view.name for view in list_mailboxes(store, limit=_LOOKED_THROUGH)]
    near = difflib.get_close_matches(name, known, n=3)
    nearly = " or ".join(map(repr, near))
    advice = f"Did you mean {nearly}?" if near else "The names there are: callboard ls"
    return NotFound(f"there is no actor or mailbox {name!r} in this store. {advice}")


def is_utf8(name: str) -> bool:
    """Whether an argument can be a name at all; what the shell passed may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def now_ns() -> int:
    """The wall clock."""
    return time.time_ns()
