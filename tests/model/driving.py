"""Driving: a plan is carried out, and what the outside could know of it is written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import trio

from callboard import AskFailed, AskTimeout, NoSuchActor
from callboard.mailbox.memory import MemoryStore

from .lives import Life, settle
from .pawns import NAMES, WITNESS, Archive, No, Pawn, Program, Step, act, forget_habits
from .reading import Ended, read

LONG = 300.0
"""Seconds after which every timer, retry and request of a plan is over."""

MANY = 20
"""Lives it may take: a pawn that stops leaves its mail to the next."""


@attrs.define
class Root:
    """A message from outside."""

    token: str
    to: str
    program: Program
    how: str
    acked: bool = False
    """Its sender heard that it is stored, or handled."""
    outcome: str = ""
    """What an ask heard."""


@attrs.define
class Story:
    """What was sent, in the order of the calls, and what came of it."""

    roots: list[Root]
    ended: Ended


class Driver:
    """Carries out a plan over one store, life after life."""

    def __init__(self, nursery: trio.Nursery, **options: Any) -> None:
        self._nursery = nursery
        self._options = options
        self._life = Life(MemoryStore(), **options)
        self.roots: list[Root] = []

    async def story(self, plan: list[Step]) -> Story:
        """Carry out a plan to the end, when nothing waits any more."""
        await self._nursery.start(self._life.run)
        await self._node.spawn(Archive(), name="archive")
        for name in NAMES[:-1]:
            await self._node.spawn(Pawn(), name=name)
        for step in plan:
            await self._do(*step)
            await settle()
        await self._finish()
        return Story(self.roots, read(self._life.store.reopen()))

    @property
    def _node(self) -> Any:
        return self._life.node

    async def _finish(self) -> None:
        self._life.store.release()
        await settle()
        for root in self.roots:
            if root.how == "marked" and not root.acked:
                await self._tell(root)
        for _ in range(MANY):
            for name in NAMES:
                ref = await self._node.spawn(Pawn(), name=name)
                await self._node.resume(ref)
            await trio.sleep(LONG)
            await self._node.wait_idle()
            counters = self._node.statistics()
            if counters.accepted == counters.handled + counters.died + counters.discarded:
                break
        for name in NAMES:
            await self._node.spawn(Pawn(), name=name)
        await self._life.close()

    async def _do(self, verb: str, *args: Any) -> None:
        match verb, args:
            case "tell" | "delayed" | "ask", (to, program, *_):
                self._send(self._root(to, program, verb), *args[2:])
            case "tell_all", (sends,):
                roots = [self._root(to, program, verb) for to, program in sends]
                self._go(self._tell_all, roots)
            case "marked", (to, program, twice):
                root = self._root(to, program, verb)
                self._send(root)
                if twice:
                    await settle()
                    self._send(root)
            case "spawn" | "pause" | "resume", (name,):
                self._go(self._administer, verb, name)
            case "sleep", (seconds,):
                await trio.sleep(seconds)
            case "hold" | "release", ():
                getattr(self._life.store, verb)()
            case "crash", ():
                await self._life.kill()
                await self._reopen()
            case "doomed", (steps, seconds):
                self._life.store.hold()
                for step in steps:
                    await self._do(*step)
                    await settle()
                await trio.sleep(seconds)
                await self._life.kill()
                await self._reopen()
            case "restart", ():
                await self._life.close()
                await self._reopen()
            case _:
                raise AssertionError(verb)

    async def _reopen(self) -> None:
        await settle()
        forget_habits()
        self._life = Life(self._life.store.reopen(), **self._options)
        await self._nursery.start(self._life.run)

    def _root(self, to: str, program: Program, how: str) -> Root:
        root = Root(f"{len(self.roots)}", to, program, how)
        self.roots.append(root)
        return root

    def _go(self, call: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Do something in the background: it may never return from a node that is killed."""
        node = self._node

        async def quietly() -> None:
            try:
                await call(*args)
            except (NoSuchActor, AskTimeout):
                pass
            except Exception:
                if self._life.node is node and not self._life.over:
                    raise

        self._nursery.start_soon(quietly)

    def _send(self, root: Root, delay: float = 0.0) -> None:
        self._go(self._ask if root.how == "ask" else partial(self._tell, delay=delay), root)

    async def _tell(self, root: Root, delay: float = 0.0) -> None:
        due = wall_clock() + delay if delay else 0.0
        message = act(root.token, root.program, due)
        mark = root.token if root.how == "marked" else None
        await self._node.ref(Pawn, root.to).tell(message, delay=delay, id=mark)
        root.acked = True

    async def _tell_all(self, roots: list[Root]) -> None:
        node = self._node
        await node.tell_all([(node.ref(Pawn, root.to), act(root.token, root.program)) for root in roots])
        for root in roots:
            root.acked = True

    async def _ask(self, root: Root) -> None:
        message = act(root.token, root.program)
        try:
            reply = await self._node.ref(Pawn, root.to).ask(message, timeout=LONG / 2)
            assert reply == root.token
            root.outcome = "done"
        except No:
            root.outcome = "refused"
        except AskFailed:
            root.outcome = "dead"
        root.acked = True

    async def _administer(self, verb: str, name: str) -> None:
        if verb == "spawn":
            await self._node.spawn(Pawn(), name=name)
        else:
            await getattr(self._node, verb)(self._node.ref(Pawn, name))


def wall_clock() -> float:
    """The virtual wall clock, in seconds."""
    from callboard.cluster.opening import VIRTUAL_EPOCH_NS

    return VIRTUAL_EPOCH_NS / 1e9 + trio.current_time()


async def carry_out(plan: list[Step], **options: Any) -> Story:
    """Carry out a plan over a fresh store."""
    WITNESS.clear()
    forget_habits()
    async with trio.open_nursery() as nursery:
        story = await Driver(nursery, park=None, seed=0, **options).story(plan)
        nursery.cancel_scope.cancel()
    return story
