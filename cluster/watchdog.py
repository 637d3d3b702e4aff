"""Watchdog: names the handler that holds up the node.

All of a node runs on one thread, so a handler that computes for long, or calls what blocks, makes every
other actor wait. The words that say whose code is running (`inhand.py`) are written anyway; a thread reads
them some times a second and says so when the same message is still in the same step. A handler that waits in
an `await`, or for a thread, has nothing in hand and is not named.

The thread sleeps as long as the node has nothing to do, and is not even started before it has. Work costs
nothing for it but two attributes that are looked at when a parked leader wakes or a handler goes on.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Final

import msgspec

from ..actors.stepping import next_step, step_all
from ..mailbox.inhand import BOX, NUMBER

if TYPE_CHECKING:
    from ..actors.runtime import Runtime

log = logging.getLogger("callboard.slow")

LIMIT_S: Final = 0.1
"""A step may take so long before it is told, unless `slow=` says otherwise, seconds."""
AGAIN_S: Final = 60.0
"""How soon the same handler is told again, seconds."""
LINGER: Final = 3
"""Looks that find nothing before the thread sleeps."""

_STEPS: Final = {step_all.__code__, next_step.__code__}
_OURS: Final = {"callboard", "trio"}


class Look(msgspec.Struct, frozen=True):
    """What was in hand at one moment."""

    number: int
    """Of the message; 0 if none was."""
    step: int
    """Steps of handlers that had suspended, so far: the same message in another step is no block."""
    at: float
    computed: float
    """Seconds that the whole process has computed."""


class Judge:
    """Tells from looks, one after the other, which step takes too long; knows no thread and no clock."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last = self._first = Look(0, 0, 0.0, 0.0)
        self.blocked = False
        """The step in hand has taken longer than the limit."""

    def see(self, now: Look) -> float | None:
        """Take a look in; if it shows that a blocking step is over, the seconds that it took."""
        last, self._last = self._last, now
        # Who holds the interpreter's lock keeps us from looking, too. But a process that was
        # stopped, or had no processor, has not computed meanwhile, and nobody is to blame.
        late = now.at - last.at > self._limit_s
        computed = now.computed - last.computed > (now.at - last.at) / 2
        took: float | None = None
        if (now.number, now.step) != (self._first.number, self._first.step):
            took = now.at - self._first.at if self.blocked else None
            self.blocked = False
            self._first = msgspec.structs.replace(now, at=last.at) if late and computed and last.at else now
        elif late and not computed and not self.blocked:
            self._first = now
        self.blocked = self.blocked or (now.number != 0 and self.lasts(now.at) >= self._limit_s)
        return took

    def lasts(self, at: float) -> float:
        """For how long the step in hand has been seen, seconds."""
        return at - self._first.at


class Quiet:
    """Keeps a handler that always blocks from filling the log."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def ends(self, code: str, at: float) -> int | None:
        """How often a handler was not told of since the last time; None if it is not told of now."""
        if at < self._until.get(code, 0.0):
            self._untold[code] += 1
            return None
        self._until[code] = at + AGAIN_S
        return self._untold.pop(code, 0)


class Suspect(msgspec.Struct, frozen=True):
    """Whose step it is."""

    actor: str
    code: str
    """Type and handler."""


class Watchdog:
    """Watches the workers of one node, from the first work on."""

    def __init__(self, runtime: Runtime, limit_s: float) -> None:
        self._runtime = runtime
        self._workers = runtime.workers
        self._words = runtime.blame.words
        self._pause_s = limit_s / 2
        self._loop = threading.get_ident()
        self._stir = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._judge = Judge(limit_s)
        self._suspect: Suspect | None = None
        """Who was told of, and still goes on."""
        self._judged = False
        """The block in hand is told, or is not to be."""
        self._quiet = Quiet()
        self._workers.on_work = self._rouse

    # On the loop's thread.

    def _rouse(self) -> None:
        """There is work: look at it."""
        self._workers.on_work = None
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="callboard watchdog", daemon=True)
            self._thread.start()
        else:
            self._stir.set()

    def close(self) -> None:
        """End the thread."""
        self._workers.on_work = None
        self._closed = True
        self._stir.set()
        if self._thread is not None:
            self._thread.join()

    # On its own.

    def _watch(self) -> None:
        idle = 0
        while not self._closed:
            look = Look(self._words[NUMBER], self._workers.steps, time.monotonic(), time.process_time())
            self._tell(look)
            idle = 0 if look.number or self._workers.at_work else idle + 1
            if idle < LINGER:
                self._stir.wait(self._pause_s)
            else:
                self._sleep()
                idle = 0
            self._stir.clear()

    def _sleep(self) -> None:
        """Return when there is work; what begins before it can see that we sleep is seen here."""
        self._workers.on_work = self._rouse
        if not self._workers.at_work:
            self._stir.wait()

    def _tell(self, look: Look) -> None:
        took = self._judge.see(look)
        if took is not None:
            if self._suspect is not None:
                log.warning("%s goes on: %s took %.1f s", self._suspect.actor, self._suspect.code, took)
                self._suspect = None
            self._judged = False
        if self._judge.blocked and not self._judged:
            self._judged = True
            who = self._find(look.number)
            times = None if who is None else self._quiet.ends(who.code, look.at)
            if who is not None and times is not None:
                self._suspect = who
                self._warn(who, self._judge.lasts(look.at), times)

    def _warn(self, who: Suspect, lasts: float, times: int) -> None:
        where = where_is(self._loop)
        log.warning(
            "%s holds up all actors of this node: %s has run for %.1f s without a pause%s. "
            "Wait with await, or have a thread do it (trio.to_thread.run_sync)%s",
            *(who.actor, who.code, lasts),
            f", now {where}" if where else "",
            f". It did so {times} times more since this was last told" if times else "",
        )

    def _find(self, number: int) -> Suspect | None:
        """The actor and the handler of the message in hand; None if the step is over by now."""
        box = self._words[BOX]
        for cell in list(self._runtime.cells.by_name.values()):
            if cell.box == box and cell.kind is not None:
                mail = next(iter(list(cell.mail)), None)
                if mail is not None and mail.number == number:
                    return Suspect(cell.name, f"{cell.kind.name}.{mail.handler}")
        return None


def where_is(thread: int) -> str:
    """The innermost line of a user's that a thread is at; empty if it is in none."""
    # The documented way to see another thread's stack.
    frame = sys._current_frames().get(thread)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code not in _STEPS:
        if _is_users(frame):
            return f"at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def _is_users(frame: FrameType) -> bool:
    ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] in _OURS
    return not ours and not frame.f_code.co_filename.startswith(("<", *_libraries()))


@cache
def _libraries() -> tuple[str, ...]:
    """Where code lies that is nobody's own; sysconfig takes long to import."""
    import sysconfig

    return tuple({sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
