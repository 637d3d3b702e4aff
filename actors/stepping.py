"""Stepping: how a worker drives a handler's coroutine by hand.

Most handlers never suspend, and a task switch for each of them would cost more than all
the rest. So a worker sends into the coroutine itself. If it yields, what it yields is a
trap for trio, and the worker, from then on the handler's task in every way that trio can
see, yields that very trap on and passes what trio answers back in. Nurseries, cancel
scopes, threads and sniffio work so, since they ask for the current task and find the
worker, which leaves that turn only when the turn is over.

A coroutine that returns to whoever sent into it does so by raising StopIteration, which
costs three times as much as the step itself; to whoever awaits it, it hands the result
over at no cost. So a worker sends into a *stepper*, a generator that awaits one handler
after the other, and says when one has returned.

Workers are protected from KeyboardInterrupt; the stepper and `next_step`, which stand
between a worker and a handler on the stack, lift that protection for the handler.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Final, cast

import trio
import trio.lowlevel

from .current import take_in_hand

if TYPE_CHECKING:
    from .handler import HandlerSpec
    from .turn import Turn

    Begun = tuple[Turn, HandlerSpec, Coroutine[Any, Any, Any]]
    """A turn, its handler, and what that is about to do."""

RETURNED: Final = object()
"""Instead of a trap: the handler is through."""
LEAKED: Final = object()
"""The same, and `LeakCheck` has something to say."""


class Stepper:
    """Steps handlers that have not suspended, one after the other."""

    __slots__ = ("_check", "result", "step")

    def __init__(self, check: LeakCheck) -> None:
        self._check = check
        self.let_go()
        self.renew()

    def renew(self) -> None:
        """Forget the handler that raised, which took the generator with it."""
        generator: Any = step_all(self, self._check)
        self.step: Callable[[Begun], Any] = generator.send
        """Run a handler up to its first trap, in the turn's own context, or RETURNED, or LEAKED."""
        next(generator)

    def let_go(self) -> None:
        """Hold on to no turn, while there is none."""
        self.result: Any = None
        """What the last one returned."""

    def retire(self) -> None:
        """Let go of the generator, too, which holds on to this: no work for the garbage collector."""
        self.let_go()
        self.step = cast(Any, None)


@trio.lowlevel.disable_ki_protection
@types.coroutine
def step_all(stepper: Stepper, check: LeakCheck) -> Generator[Any, Any, None]:
    """The generator of a stepper; a call of `check.leaked` would be a hundredth of a turn."""
    task, status = check.task, check.status
    end = RETURNED
    while True:
        turn, _, coroutine = yield end
        take_in_hand(turn)
        stepper.result = yield from coroutine
        turn = coroutine = None  # nothing is held on to
        leaked = task._cancel_status is not status or task._child_nurseries  # noqa: SLF001
        end = LEAKED if leaked else RETURNED


@trio.lowlevel.disable_ki_protection
def next_step(coroutine: Coroutine[Any, Any, Any], answer: Any, error: BaseException | None) -> Any:
    """Run a handler from one trap to the next; in the turn's own context."""
    if error is not None:
        return coroutine.throw(error)
    return coroutine.send(answer)


@types.coroutine
def pass_on(trap: Any) -> Generator[Any, Any, tuple[Any, BaseException | None]]:
    """Yield a handler's trap to trio; return what trio answers."""
    try:
        answer = yield trap
    except BaseException as error:
        return None, error
    return answer, None


class LeakCheck:
    """Whether a handler left a cancel scope or a nursery open on its worker's task.

    trio has no public way to ask; the two attributes below are what its own checks use.
    A task with a leaked scope must never run another turn: its cancellation, or its
    deadline, would hit an innocent actor.
    """

    __slots__ = ("status", "task")

    def __init__(self) -> None:
        self.task: Any = trio.lowlevel.current_task()
        self.status = self.task._cancel_status  # noqa: SLF001

    def leaked(self) -> bool:
        """Whether something is open that was not when this was made."""
        task = self.task
        return task._cancel_status is not self.status or bool(task._child_nurseries)  # noqa: SLF001

    async def repair(self) -> None:
        """Cancel and empty the nurseries that were left open; scopes go with the worker's own."""
        nurseries: list[trio.Nursery] = list(self.task._child_nurseries)  # noqa: SLF001
        for nursery in reversed(nurseries):
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                # Nobody tells when a child of a nursery that is not waited for has ended.
                while nursery.child_tasks:  # noqa: ASYNC110
                    await trio.sleep(0.01)
        del self.task._child_nurseries[:]  # noqa: SLF001
