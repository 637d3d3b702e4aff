"""Clerk: does on a node what a command says, and answers.

It is the same clerk behind the control socket of a running node and on a store at rest.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ..actors.actor import Actor
from ..actors.declared import ActorType
from ..actors.errors import NoSuchActor
from ..actors.office import Which
from ..mailbox.names import check_name
from .commands import (
    Accept,
    Answer,
    Ask,
    Command,
    Done,
    End,
    Letters,
    Linked,
    Links,
    Pause,
    Redirect,
    Replied,
    Resume,
    Room,
    Send,
    Space,
    Stop,
    Went,
)
from .composing import compose, find_handler
from .failures import told

if TYPE_CHECKING:
    from ..actors.errands import Errand
    from ..actors.message import Message
    from ..actors.ref import ActorRef
    from ..actors.runtime import Runtime
    from .node import Node

log = logging.getLogger("callboard.node")
A = TypeVar("A", bound=Actor)


class Clerk:
    """Takes commands for one node."""

    def __init__(self, runtime: Runtime, node: Node) -> None:
        self._runtime = runtime
        self._node = node

    @property
    def name(self) -> str:
        """The node's."""
        return self._node.name

    async def do(self, command: Command) -> Answer:
        """Do what a command says; whatever goes wrong is an answer too."""
        try:
            return await self._do(command)
        except Exception as error:
            return told(error)

    def end(self) -> None:
        """Have the node leave its user's block, and close in good order."""
        log.info("the node ends, as it was told by a command")
        self._runtime.block.cancel()

    async def _do(self, command: Command) -> Answer:
        if isinstance(command, Ask):
            return await self._ask(command)
        if isinstance(command, Letters):
            return await self._letters(command)
        if isinstance(command, Links):
            links = self._node.links
            return Linked(tuple(attrs.asdict(status) for status in links.status()) if links else ())
        if isinstance(command, Room):
            return Space(self._runtime.room.why())
        if isinstance(command, Accept):
            await self._accept(command.node)
        elif isinstance(command, Redirect):
            await self._redirect(command)
        elif isinstance(command, Send):
            ref, message = self._message(command)
            await ref.tell(message, delay=command.delay, key=command.key, id=command.id)
        elif isinstance(command, Stop):
            await self._node.stop(self._ref(command.name))
            log.info("%s stops, as it was told by a command", command.name)
        elif not isinstance(command, End):
            await self._hold(command)
        return Done()

    async def _ask(self, command: Ask) -> Replied:
        ref, message = self._message(command)
        reply = message.spec.reply
        value: Any = await ref.ask(message, timeout=command.timeout, id=command.id)
        return Replied(reply.encode(reply.check(value)))

    async def _accept(self, node: str) -> None:
        from .pardon import accept  # seldom needed

        if not await accept(self._runtime, node):
            raise NoSuchActor(f"no link from a node {node!r} was stopped here; see callboard nodes")
        log.warning("the store of node %s was accepted as it is, by a command", node)

    async def _redirect(self, command: Redirect) -> None:
        links = self._node.links
        if links is None:
            raise NoSuchActor(f"this node has no links, so nothing can be sent to {command.to!r}")
        moved = await links.redirect(command.gone, to=command.to)
        log.info("%d messages for %s go to %s, by a command", moved, command.gone, command.to)

    async def _hold(self, command: Pause | Resume) -> None:
        """Pause or resume a type, or a mailbox."""
        node, name, of_type = self._node, command.name, command.of_type
        if bool(name) == bool(of_type):
            raise ValueError("give the name of an actor, or a type: one of them")
        if isinstance(command, Pause):
            await (
                node.pause_type(of_type, command.reason)
                if of_type
                else node.pause(self._ref(name), command.reason)
            )
        else:
            await (node.resume_type(of_type) if of_type else node.resume(self._ref(name)))
        log.info("%s of %s by a command", type(command).__name__.lower(), of_type or name)

    async def _letters(self, command: Letters) -> Went:
        dead, most, dry_run = self._node.dead, command.most, command.dry_run
        which = _which(command)
        if command.verb == "replay":
            errand = await dead.replay(most=most, dry_run=dry_run, **which)
        elif command.verb == "drop":
            errand = await dead.drop(most=most, dry_run=dry_run, **which)
        else:
            errand = await dead.redirect(self._ref(command.to), most=most, dry_run=dry_run, **which)
        return _went(errand)

    # Messages.

    def _ref(self, name: str) -> ActorRef[Actor]:
        return self._node.ref(Actor, name)

    def _message(self, command: Send | Ask) -> tuple[ActorRef[Actor], Message[Actor, Any]]:
        ref = self._ref(command.name)
        kind = self._kind(ref, command.type, command.handler)
        message = compose(find_handler(kind, command.handler), command.parameters, self._runtime.post)
        return ref, message

    def _kind(self, ref: ActorRef[Actor], wanted: str, handler: str) -> ActorType:
        """The type of the actor that lives at a ref, or will.

        Raises:
            NoSuchActor: nobody lives there, and no type was named.
            TypeError: it is of another type, or there is no class of it here.
        """
        types = self._runtime.types
        cell = None if ref.node else self._runtime.cells.find(check_name(ref.name))
        found = cell.type if cell is not None else ""
        if not found and not wanted:
            raise NoSuchActor(
                f"no actor lives at {ref.name!r}, so nobody knows what {handler} takes: spawn it first, "
                "or say of which type it will be"
            )
        kind = types.find(found or wanted)
        if kind is None:
            raise TypeError(f"{handler} of {ref.name!r} cannot be read: {types.why_not(found or wanted)}")
        if wanted and wanted not in _names(kind):
            raise TypeError(
                f"{handler} is a message for {wanted}, and {ref.name!r} is a {kind.name}: "
                f"make it with a handler of {kind.name}"
            )
        return kind


def _names(kind: ActorType) -> set[str]:
    """Declared names of a type and of those it is derived from."""
    found = (vars(base).get("__callboard__") for base in kind.cls.__mro__)
    return {each.name for each in found if isinstance(each, ActorType)}


def _which(command: Letters) -> Which:
    which: Which = {}
    if command.numbers is not None:
        which["numbers"] = command.numbers
    if command.box is not None:
        which["box"] = command.box
    if command.of_type is not None:
        which["type"] = command.of_type
    if command.error is not None:
        which["error"] = command.error
    if command.reason is not None:
        which["reason"] = command.reason
    return which


def _went(errand: Errand) -> Went:
    return Went(errand.done, tuple((each.number, each.why) for each in errand.kept), errand.more)
