"""Running: a supervision tree at work, as its user holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
import trio

from ..actors.errors import NodeClosed
from ..actors.exits import Exit, GaveUp, describe
from .actions import Denied, Reply
from .errors import ChildRefused, TreeGaveUp
from .events import Begin, DeleteChild, RestartChild, ShutDown, StartChild, TerminateChild
from .overseer import Overseer
from .register import Register
from .specs import AnyChild, Child, Dynamic, Supervisor
from .views import ChildView, Counts, count_children, explain, which_children

if TYPE_CHECKING:
    from ..actors.runtime import Runtime


@attrs.define(eq=False)
class _Wish:
    """Somebody who waits for an answer."""

    answered: trio.Event = attrs.field(factory=trio.Event)
    denied: Denied | None = None


class RunningTree:
    """A tree that was started with `node.start`."""

    def __init__(self, runtime: Runtime, spec: Supervisor, on_end: Callable[[str], None]) -> None:
        """Get ready.

        Args:
            runtime: of the node.
            spec: the topmost supervisor.
            on_end: hears what led to it, when the topmost supervisor ends by itself.
        """
        self.runtime = runtime
        self.spec = spec
        self.register = Register(runtime, spec)
        self.closing = False
        self.lost = False
        """The node is gone: nothing is answered any more."""
        self._on_end = on_end
        self._ready = trio.Event()
        self._ended = trio.Event()
        self._exit: Exit | None = None
        self._wishes: set[_Wish] = set()
        self.top: Overseer

    @property
    def orphans(self) -> list[str]:
        """Actors that a supervisor had, and none has now; they go on as if spawned."""
        return self.register.orphans

    # Its life.

    async def start(self) -> None:
        """Start all children in order; returns when they run. If it is cancelled, they are stopped again.

        Raises:
            TreeGaveUp: one could not be started.
            NodeClosed: the node is gone.
        """
        self.runtime.guarding.on_close = self._lose
        self.register.reconcile()
        self.top = Overseer(self, self.spec, None)
        self.top.tell(Begin())
        try:
            await self._ready.wait()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self.shut_down()
            raise
        if self._exit is not None:
            raise TreeGaveUp(self.report())
        self._check_there()
        self.register.flush()
        self.runtime.declared.clear()
        await self.register.wait_durable()

    async def shut_down(self) -> None:
        """Stop all children in reverse order, each with its patience."""
        self.closing = True
        self.register.flush()
        if not self.top.is_over:
            self.top.tell(ShutDown("the end of the node"))
            await self._ended.wait()
            self.register.flush()

    def is_ready(self) -> None:
        """All children have started."""
        self._ready.set()

    def has_ended(self, exit: Exit) -> None:
        """The topmost supervisor is no more."""
        was_ready = self._ready.is_set()
        self._exit = exit
        self._ready.set()
        self._ended.set()
        if was_ready and not self.closing:
            self._on_end(self.report())

    def _lose(self) -> None:
        """The node is gone; whoever waits hears that."""
        self.lost = True
        for event in (self._ready, self._ended, *(wish.answered for wish in self._wishes)):
            event.set()

    def _check_there(self) -> None:
        if self.lost:
            raise NodeClosed("the node was closed before its supervisor answered")

    def report(self) -> str:
        """What led to the end, or what has failed so far, from the first failure to the last."""
        told = explain(self.spec, self.top.state)
        if self._exit is None or isinstance(self._exit, GaveUp):
            return told
        return f"supervisor {self.spec.name!r} {describe(self._exit)}\n{told}"

    # Asking.

    async def start_child(self, supervisor: str, name: str | Child, /, *args: Any, **kwargs: Any) -> None:
        """Add a child and start it; returns when it runs.

        Args:
            supervisor: the name of the supervisor that gets it.
            name: for a `Dynamic` the child's name, for others a whole `Child`.
            args: for a `Dynamic`, handed to its template.
            kwargs: the same.

        Raises:
            ChildRefused: the name is taken, or it did not start.
            TypeError: the arguments do not fit the template.
            LookupError: no supervisor of this name runs.
        """
        self.runtime.intake.check_open()
        overseer = self._overseer(supervisor)
        child: AnyChild
        if isinstance(overseer.spec, Dynamic):
            if not isinstance(name, str):
                raise TypeError(
                    f"{supervisor!r} makes its children itself: give a name, and what its template takes"
                )
            child = overseer.spec.child(name, *args, **kwargs)
        elif isinstance(name, Child):
            child = name
        else:
            raise TypeError(f"{supervisor!r} has no template: give a Child(...)")
        if self.register.is_supervisor(child.name):
            text = f"{child.name!r} is the name of a supervisor of this tree; give the child another"
            raise ChildRefused(Denied("invalid", f"supervisor {supervisor!r}: {text}"))
        await self._ask(overseer, lambda wish: StartChild(wish, child))

    async def terminate_child(self, name: str) -> None:
        """Stop a child; its spec and its state stay, unless it is temporary or of a `Dynamic`.

        Raises:
            ChildRefused: there is none of this name.
        """
        await self._ask(self._above(name), lambda wish: TerminateChild(wish, name))

    async def restart_child(self, name: str) -> None:
        """Start a child that is down; returns when it runs.

        Raises:
            ChildRefused: it runs, or there is none of this name, or it did not start.
        """
        await self._ask(self._above(name), lambda wish: RestartChild(wish, name))

    async def delete_child(self, name: str) -> None:
        """Forget a child that is down. An actor's life ends with that: its state goes, its mail waits `park`.

        Raises:
            ChildRefused: it runs, or there is none of this name.
        """
        await self._ask(self._above(name), lambda wish: DeleteChild(wish, name))

    def which_children(self, supervisor: str) -> tuple[ChildView, ...]:
        """The children of a supervisor, in start order."""
        return which_children(self._overseer(supervisor).state)

    def count_children(self, supervisor: str) -> Counts:
        """How many children a supervisor has, and of which kind."""
        overseer = self._overseer(supervisor)
        return count_children(overseer.spec, overseer.state)

    async def _ask(self, overseer: Overseer, event: Callable[[_Wish], Any]) -> None:
        self.runtime.intake.check_open()
        wish = _Wish()
        self._wishes.add(wish)
        overseer.tell(event(wish))
        await wish.answered.wait()
        if wish in self._wishes:
            self._wishes.discard(wish)
            self._check_there()
        await self.register.written()
        if wish.denied is not None:
            raise ChildRefused(wish.denied)

    def replied(self, reply: Reply) -> None:
        """A supervisor has answered."""
        if isinstance(reply.token, _Wish):
            self._wishes.discard(reply.token)
            reply.token.denied = reply.denied
            reply.token.answered.set()
            self.runtime.workers.wake()

    def overseers(self) -> Iterator[Overseer]:
        """Every supervisor at work, from the top."""
        yield from self.top.walk()

    def _overseer(self, name: str) -> Overseer:
        for overseer in self.overseers():
            if overseer.name == name:
                return overseer
        raise LookupError(
            f"no supervisor {name!r} runs; there are {', '.join(o.name for o in self.overseers())}"
        )

    def _above(self, child: str) -> Overseer:
        for overseer in self.overseers():
            if child in overseer.state.children:
                return overseer
        raise ChildRefused(Denied("not_found", f"no supervisor that runs has a child {child!r}"))
