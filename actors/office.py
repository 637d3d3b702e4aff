"""Office: dead letters are looked through, and replayed, redirected or dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack

import trio

from ..mailbox.errors import Undecodable
from ..mailbox.letter import open_letter
from ..mailbox.morgue import DeadGroup, Wanted, find_dead, group_dead
from ..mailbox.records import Dead, unpack
from ..mailbox.views import DeadView
from .actor import Actor
from .errands import Errand, Prepare, Walk
from .errors import NoSuchActor
from .mail import from_envelope
from .pausing import declared_name
from .reviving import readdressed, revived

if TYPE_CHECKING:
    from ..mailbox.envelope import Envelope
    from .actor import ActorType
    from .ref import ActorRef
    from .runtime import Runtime

MOST = 1000
"""Letters that one call does something with, unless it says otherwise."""

OfType: TypeAlias = type[Actor] | str
OfError: TypeAlias = type[BaseException] | str


class Which(TypedDict, total=False):
    """Which letters are meant; all that is given must hold. In a text `*` stands for any text."""

    numbers: Collection[int]
    """Numbers of letters, as they are listed."""
    box: str
    """Name of the mailbox."""
    type: OfType
    """The actor class the message was for, or its declared name."""
    error: OfError
    """The class of the exception, or its qualified name."""
    reason: str
    """failed, crashed, undecodable, misaddressed or unclaimed."""


class Office:
    """The dead letters of one node, as `node.dead`. What it shows is on disk, so no crash takes it back."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    # Looking.

    def letters(self, *, after: int = 0, limit: int = 100, **which: Unpack[Which]) -> list[DeadView]:
        """Dead letters in the order of death.

        Args:
            after: number of the last letter of the page before.
            limit: the most; one has up to 80 KiB.
            which: see `Which`; all if nothing is given.
        """
        self._runtime.intake.check_open()
        return find_dead(self._runtime.store, _wanted(which), after=after, limit=limit)

    def groups(self, **which: Unpack[Which]) -> list[DeadGroup]:
        """Dead letters by error and reason, with their number and ages; the largest group first."""
        self._runtime.intake.check_open()
        return group_dead(self._runtime.store, _wanted(which))

    # Verbs.

    async def replay(
        self, *, most: int | None = MOST, dry_run: bool = False, **which: Unpack[Which]
    ) -> Errand:
        """Put messages back into their mailboxes, behind the mail there; durable when this returns.

        A message keeps its number, its cause and its effect key, its attempts begin at zero, and the mark of
        its `id=` does not hold it back. One that dies again meanwhile is left for the next time.

        Args:
            most: letters at once, in the order of death; None for no limit.
            dry_run: change nothing, and return what would be done.
            which: see `Which`; all if nothing is given.

        Raises:
            InTurn: inside a turn.
            NodeClosed: the node was closed; what was done until then stays done.
        """
        return await self._go("replay", self._replay, most, which, dry_run=dry_run)

    async def redirect(
        self, to: ActorRef[Any], *, most: int | None = MOST, dry_run: bool = False, **which: Unpack[Which]
    ) -> Errand:
        """Put messages into another actor's mailbox instead of their own; else as `replay`.

        Args:
            to: an actor whose class has the handlers, by name and version; it may be of another type.
            most: see `replay`.
            dry_run: see `replay`.
            which: see `Which`; all if nothing is given.

        Raises:
            TypeError: it has no handler for one of the messages; nothing was redirected.
            NoSuchActor: no actor lives there.
            InTurn: inside a turn.
            NodeClosed: the node was closed; what was done until then stays done.
        """
        if self._runtime.away.is_away(to):
            raise NoSuchActor(f"{to} is on another node: redirect to an actor of this one that passes it on")
        prepare = partial(self._redirect, to, self._taker(to))
        tried = await self._go("redirect", prepare, most, which, dry_run=True)
        return tried if dry_run else await self._go("redirect", prepare, most, which, dry_run=False)

    async def drop(self, *, most: int | None = MOST, dry_run: bool = False, **which: Unpack[Which]) -> Errand:
        """Throw messages away for good; they count as discarded. Durable when this returns.

        Args:
            most: see `replay`.
            dry_run: see `replay`.
            which: see `Which`; `reason="*"` is all. A letter that cannot be read goes only by its number.

        Raises:
            TypeError: nothing says which.
            InTurn: inside a turn.
            NodeClosed: the node was closed; what was done until then stays done.
        """
        if not which:
            raise TypeError('drop() needs to know which: drop(box="ann"), or drop(reason="*") for all')
        prepare = partial(self._drop, by_number="numbers" in which)
        return await self._go("drop", prepare, most, which, dry_run=dry_run)

    @trio.lowlevel.enable_ki_protection
    async def _go(
        self, verb: str, prepare: Prepare, most: int | None, which: Which, *, dry_run: bool
    ) -> Errand:
        runtime, wanted = self._runtime, _wanted(which)
        runtime.post.refuse_in_turn(f"dead.{verb}", "do it from outside")
        runtime.intake.check_open()
        # What has died until now is looked for on disk, so it has to be there.
        runtime.workers.wake()
        await runtime.ledger.wait_durable(runtime.ledger.lsn - runtime.ledger.open.empty)
        return await Walk(runtime, wanted, most).run(verb, prepare, dry_run=dry_run)

    # What is done about one letter.

    def _replay(self, value: bytes) -> Callable[[], None]:
        letter = unpack(Dead, value)
        envelope = revived(letter.envelope)
        self._runtime.cells.find(letter.box)  # which raises if the mailbox itself is damaged
        return partial(self._deliver, letter.box, envelope)

    def _redirect(self, to: ActorRef[Any], kind: ActorType, value: bytes) -> Callable[[], None]:
        envelope = revived(unpack(Dead, value).envelope)
        body = self._runtime.ledger.bodies.read(envelope)
        return partial(self._deliver, to.name, readdressed(envelope, body, kind, to, self._runtime.post))

    def _taker(self, to: ActorRef[Any]) -> ActorType:
        runtime = self._runtime
        cell = runtime.cells.find(to.name)
        if cell is None or not cell.type:
            raise NoSuchActor(
                f"no actor lives at {to.name!r}, so nothing can be redirected to it: spawn it first"
            )
        if cell.kind is None:
            raise TypeError(f"nothing can be redirected to {to.name!r}: {runtime.types.why_not(cell.type)}")
        return cell.kind

    def _deliver(self, name: str, envelope: Envelope) -> None:
        runtime, mail = self._runtime, from_envelope(envelope)
        cell = runtime.cells.get(name)
        if runtime.probe is not None:
            runtime.probe.replayed(cell, mail)
        runtime.sending.deliver(name, mail)

    def _drop(self, value: bytes, *, by_number: bool) -> Callable[[], None]:
        number, raw = 0, b""
        try:
            raw = unpack(Dead, value).envelope
            number = open_letter(raw).number
        except Undecodable:
            if not by_number:
                raise
        return partial(self._discard, number, raw)

    def _discard(self, number: int, raw: bytes) -> None:
        runtime = self._runtime
        runtime.ledger.bodies.drop_of(raw)
        runtime.ledger.counters.discarded += 1
        if runtime.probe is not None:
            runtime.probe.discarded(number)


def _wanted(which: Which) -> Wanted:
    """What a caller asks for, as text.

    Raises:
        TypeError: letters are not told apart by that, or it is neither a text nor a class.
    """
    if unknown := which.keys() - Which.__annotations__.keys():
        raise TypeError(f"letters are not told apart by {', '.join(sorted(unknown))}=")
    numbers, error, kind = which.get("numbers"), which.get("error"), which.get("type")
    return Wanted(
        numbers=None if numbers is None else tuple(sorted(set(numbers))),
        box=which.get("box"),
        type=None if kind is None else declared_name(kind),
        error=error.__qualname__ if isinstance(error, type) else error,
        reason=which.get("reason"),
    )
