"""Errands: going through the dead letters in the order of death, a page at a time, and acting on each.

What is done with a page is one batch, in which the letters go and their messages come, so a crash leaves
each message in one place. The next page is read when the one before is on disk, so thousands of letters
take no more memory than a hundred.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import trio

from ..mailbox.errors import Undecodable
from ..mailbox.morgue import PAGE, Wanted, newest_number, read_page
from ..mailbox.reading import dead_view
from ..mailbox.records import key
from ..mailbox.store import Table

if TYPE_CHECKING:
    from .runtime import Runtime

log = logging.getLogger("callboard.node")

Prepare = Callable[[bytes], Callable[[], None]]
"""Looks at a letter's record, and returns what to do about it with the open batch.

It raises Undecodable, with the reason, if the letter has to stay where it is.
"""


class Kept(msgspec.Struct, frozen=True):
    """A letter that stays where it is."""

    number: int
    why: str


class Errand(msgspec.Struct, frozen=True):
    """What a verb of the office did, or with `dry_run` would do."""

    verb: str
    """replay, redirect or drop."""
    done: tuple[int, ...]
    """Numbers of the letters it was done with, in the order of death; they are gone."""
    kept: tuple[Kept, ...]
    """Letters that were meant and stay, each with the reason."""
    more: bool
    """Whether `most` letters were done, and others were not looked at."""
    dry_run: bool


class Walk:
    """One way through the dead letters there are."""

    def __init__(self, runtime: Runtime, wanted: Wanted, most: int | None) -> None:
        self._runtime = runtime
        self._wanted = wanted
        self._most = float("inf") if most is None else most
        self._end = newest_number(runtime.store)
        self._after = 0
        self._left = list(wanted.numbers or ())
        self._over = False
        self._more = False
        self._done: list[int] = []
        self._kept: list[Kept] = []

    async def run(self, verb: str, prepare: Prepare, *, dry_run: bool) -> Errand:
        """Go through them all, and return when what was done is on disk.

        Raises:
            NodeClosed: the node was closed meanwhile; pages before that stay done.
        """
        runtime = self._runtime
        while not self._over:
            runtime.intake.check_open()
            if self._do_page(prepare, dry_run=dry_run):
                runtime.workers.wake()
                await runtime.ledger.wait_durable(runtime.ledger.lsn)
            else:
                await trio.lowlevel.checkpoint()
        if not dry_run:
            log.info("%s of dead letters: %d done, %d kept", verb, len(self._done), len(self._kept))
        return Errand(verb, tuple(self._done), tuple(self._kept), self._more, dry_run)

    def _do_page(self, prepare: Prepare, *, dry_run: bool) -> bool:
        """Act on the next letters, with the open batch; whether it was changed."""
        before = len(self._done)
        for number, value in self._page():
            if len(self._done) >= self._most:
                self._over = self._more = True
                break
            if value is not None and self._wanted.fits(dead_view(number, value)):
                self._do(number, value, prepare, dry_run=dry_run)
        return not dry_run and len(self._done) > before

    def _do(self, number: int, value: bytes, prepare: Prepare, *, dry_run: bool) -> None:
        try:
            act = prepare(value)
        except Undecodable as error:
            self._kept.append(Kept(number, str(error)))
            return
        self._done.append(number)
        if not dry_run:
            act()
            self._runtime.ledger.write(Table.DEAD, key(number), None)
            self._runtime.ledger.counters.died -= 1

    def _page(self) -> list[tuple[int, bytes | None]]:
        """The next records; None for one that is on its way out. The way ends when none are beyond them."""
        ledger = self._runtime.ledger
        if self._wanted.numbers is not None:
            numbers, self._left = self._left[:PAGE], self._left[PAGE:]
            self._over = not self._left
            found = [(number, ledger.read(Table.DEAD, key(number))) for number in numbers]
            absent = "there is no dead letter of this number"
            self._kept += [Kept(number, absent) for number, value in found if value is None]
            return found
        rows = read_page(self._runtime.store, self._after, self._end)
        self._over = len(rows) < PAGE
        self._after = rows[-1][0] if rows else self._end
        return [
            (number, None if ledger.is_deleted(Table.DEAD, key(number)) else value) for number, value in rows
        ]
