"""Mutants: bugs seeded into the runtime, one at a time, that the failure lab must find.

Each is a line or two of production code as somebody might have written them by mistake. The code of a
function is exchanged while a block lasts, for all who hold on to the function; no file is touched. A
mutant whose line is no longer there is an error, so that this list follows the code.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import textwrap
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from types import CodeType
from typing import Any

import attrs

from callboard.actors.asks import Asks
from callboard.actors.burying import bury
from callboard.actors.cells import Cells
from callboard.actors.endings import Endings
from callboard.actors.ledger import Ledger
from callboard.actors.marks import Marks
from callboard.actors.outside import Outside
from callboard.actors.requests import Requests
from callboard.actors.timers import Timers
from callboard.actors.turn import Turn
from callboard.actors.verdicts import Verdicts
from callboard.actors.visits import Visits
from callboard.actors.workers import Workers
from callboard.mailbox import meta
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.writer import Writer


@attrs.frozen
class Change:
    """What stands in a function instead of pieces of its source."""

    function: Callable[..., Any]
    pieces: tuple[tuple[str, str], ...]

    def code(self) -> CodeType:
        """The code of the changed function."""
        function = self.function
        source = textwrap.dedent(inspect.getsource(function))
        for before, after in self.pieces:
            assert source.count(before) == 1, f"{function.__qualname__} has no (one) {before!r}"
            source = source.replace(before, after)
        tree = ast.parse(source)
        definition: Any = tree.body[0]
        definition.decorator_list.clear()
        ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
        file, flags = function.__code__.co_filename, __future__.annotations.compiler_flag
        module = compile(tree, file, "exec", flags=flags, dont_inherit=True)
        return next(each for each in module.co_consts if isinstance(each, CodeType))

    @contextmanager
    def made(self) -> Generator[None]:
        """Have it so while the block lasts."""
        function, original = self.function, self.function.__code__
        function.__code__ = self.code()
        try:
            yield
        finally:
            function.__code__ = original


@attrs.frozen
class Mutant:
    """One bug."""

    name: str
    promise: str
    change: Change

    def at_work(self) -> AbstractContextManager[None]:
        """Have the bug while the block lasts."""
        return self.change.made()


def _mutant(name: str, promise: str, function: Callable[..., Any], *pieces: tuple[str, str]) -> Mutant:
    return Mutant(name, promise, Change(function, pieces))


SEAL = "from callboard.mailbox.records import seal; from callboard.mailbox.store import Table as T"
PUT = "    self._ledger.store._trees.put(T.STATES, cell.key(), seal(cell.state))\n"

MUTANTS = (
    _mutant("early acknowledgement", "G1", Outside._tell_now, ("return self._ledger.lsn", "return 0")),
    _mutant(
        "acknowledged before the sync",
        "G1",
        Writer._commit_inline,
        ("if self._after_sync is not None and", "if False and"),
    ),
    _mutant(
        "reply before commit",
        "G12",
        Asks.answer,
        ("self._ledger.release(partial(self._give, number, value, None))", "self._give(number, value, None)"),
    ),
    _mutant(
        "refusal before commit",
        "G12",
        Asks.fail,
        ("self._ledger.release(partial(self._give, number, None, error))", "self._give(number, None, error)"),
    ),
    _mutant(
        "repeated answer before commit",
        "G12",
        Outside.ask,
        ("await self._ledger.wait_durable(self._ledger.lsn - self._ledger.open.empty)", "pass"),
    ),
    _mutant("effect key leaks before commit", "G6", Turn.effect_key, ("await self.settled()", "pass")),
    _mutant(
        "gate of G6 missing", "G6", Workers._step_to_its_end, ("if need > self._ledger.durable:", "if False:")
    ),
    _mutant(
        "dedup missing",
        "G12",
        Marks.find,
        ("if mark is None or mark.expires_at <= self._ledger.now_ns():", "if True:"),
    ),
    _mutant(
        "outcome of an id not kept",
        "G12",
        Marks.settle,
        ("self._ledger.write_record(Table.MARKS, key, mark)", "pass"),
    ),
    _mutant(
        "attempt count lost",
        "G7",
        Endings._back_off,
        ("self._ledger.touch(cell)", "pass"),
        ("cell.attempts_lsn = self._ledger.open.lsn", "pass"),
    ),
    _mutant(
        "next attempt before the count is on disk",
        "G7",
        Endings._back_off,
        ("cell.attempts_lsn = self._ledger.open.lsn", "cell.attempts_lsn = 0"),
    ),
    _mutant(
        "overtaking on retry",
        "G5",
        Endings._back_off,
        ("cell.phase = Phase.BACKING_OFF", "cell.phase = Phase.BACKING_OFF; cell.mail.rotate(-1)"),
    ),
    _mutant(
        "dead letter lost",
        "G4",
        bury,
        ("ledger.write(Table.DEAD, key(number), pack(letter))", "pass"),
        ("ledger.counters.died += 1", "ledger.counters.handled += 1"),
    ),
    _mutant(
        "zombie task after a crash",
        "G15",
        Workers._step_to_its_end,
        (
            "if error is None and self._runtime.failure is not None:",
            "if self._runtime.failure is not None:\n            error = None\n        if False:",
        ),
    ),
    _mutant("timer fired twice", "G11", Timers.fire, ("ledger.write(Table.TIMERS, key, None)", "pass")),
    _mutant(
        "timer early",
        "G11",
        Timers.fire,
        ("min(ledger.now_ns() + 1,", "min(ledger.now_ns() + 2_000_000_000,"),
    ),
    _mutant(
        "cancelled timer runs",
        "G11",
        Timers.is_void,
        ("return self.is_void_key(self._key_of(cell, mail), mail.note(Extra.TIMER)[1])", "return False"),
    ),
    _mutant(
        "state outside the batch",
        "G2",
        Visits._end,
        (
            "cell.newer = values\n",
            f"cell.newer = values; {SEAL}\n{PUT}",
        ),
    ),
    _mutant(
        "sent before the turn's end",
        "G2",
        Turn.stage,
        ("self.effects.append(", "self._runtime.sending.apply(["),
        ("self._come_from()))", "self._come_from())])"),
    ),
    _mutant(
        "batch half applied", "G2", MemoryStore.crash, ("reversed(undo)", "reversed(undo[len(undo) // 2 :])")
    ),
    _mutant("failed turn leaves traces", "G7", Verdicts.failed, ("turn.cell.actor = None", "pass")),
    _mutant("refused turn leaves traces", "G10", Verdicts._undo, ("if not same:", "if False:")),
    _mutant(
        "cancelled turn commits",
        "G18",
        Verdicts.returned_late,
        ("if worker.was_cancelled() and not worker.check.leaked():", "if False:"),
    ),
    _mutant(
        "mail lost at passivation",
        "G9",
        Cells.passivate,
        ("cell.fresh", "False"),
        ("cell.touched > ledger.durable", "False"),
    ),
    _mutant(
        "number reused after a crash",
        "G3",
        meta.raised,
        ("incarnation = identity.incarnation + 1", "incarnation = max(identity.incarnation, 1)"),
    ),
    _mutant("answer of a request lost", "G12", Requests.reply, ("self._settle(", "(lambda *_: None)(")),
    _mutant(
        "full disk loses a batch",
        "G17",
        Ledger._arrived,
        (
            "if error is not None:",
            "if error is not None and not isinstance(error, StoreFull):",
        ),
    ),
    _mutant("failed sync acknowledged", "G17", Ledger._arrived, ("if error is not None:", "if False:")),
)


def mutant(name: str) -> Mutant:
    """The mutant of a name."""
    return next(each for each in MUTANTS if each.name == name)
