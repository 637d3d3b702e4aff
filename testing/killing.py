"""The kill loop: a real program on a real store is killed, started again, killed again, and so on.

After every kill the store is looked through for what does not belong together. At the end one run
is let live until all mail is handled, and what the actors then know can be compared with what clients
noted in a `Journal`. The program is an ordinary one and need not know about any of this.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ..mailbox.preflight import Place, look_at
from .child import POLL_S, Child, wait_free
from .errors import InvariantBroken
from .kills import Kill, ProgramFailed, codes_after, in_words, last_lines, report, runs_of
from .moments import REACH_S, Draw, Moment, draw_moment
from .programs import Given, Program, Run, Words, program_of
from .remains import Remains, look_into

Check = Callable[[Remains], Iterable[str]]
"""Looks at what the last run left, and complains in sentences."""
_LOOK_S = 20 * POLL_S
_TRIES = 20


class KillLoop:
    """Kills a program at drawn moments, again and again, over one store.

    ```python
    def test_my_app_survives_kills(tmp_path: Path) -> None:
        loop = KillLoop([sys.executable, "app.py", str(tmp_path)], store=tmp_path / "store", seed=1)
        loop.run(kills=20)
        loop.check()
    ```

    What the runs print goes to files in a directory beside the store, `<store>.runs`. A loop whose `kill` and
    `drain` are called one by one is a context manager.

    Attributes:
        store: the store's directory.
        seed: of the moments.
        history: every kill as it happened.
        violations: everything that was found wrong, a sentence each.
    """

    def __init__(
        self,
        program: Given | Program,
        *,
        store: str | Path,
        seed: int = 0,
        last: Words | None = None,
        cwd: str | Path | None = None,
        checks: Sequence[Check] = (),
        draw: Draw = draw_moment,
        reach: float = REACH_S,
        drain_within: float = 60.0,
        quiet: float = 1.0,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            program: a command as a list of words; or a function, as itself or as `"module:function"`:
                an async one that takes a node, which is run as `run(main, store=store)`, or a plain one
                without parameters. A function is imported once and then forked, which saves half a
                second a kill.
            store: the directory of the store that the program opens; it may be there already.
            seed: of the moments; what they hit is still up to the machine.
            last: the command for the last run, if the program would otherwise send for ever.
            cwd: the directory the program runs in; and where a function is looked for, too.
            checks: what to ask of the store when the last run has handled all mail.
            draw: draws a moment from the generator and the reach.
            reach: seconds after the opening within which the program is killed.
            drain_within: seconds that the last run may take to handle all mail.
            quiet: seconds without any change in the store, with no mail to handle and no timer due, after
                which the last run is ended with SIGTERM; one that ends by itself is not waited for.

        Raises:
            TypeError, ValueError: an argument cannot be one; the text says which.
        """
        if min(reach, drain_within, quiet) <= 0:
            raise ValueError("reach=, drain_within= and quiet= are seconds, more than 0")
        self.store = Path(store)
        self.seed = seed
        self.history: list[Kill] = []
        self.violations: list[str] = []
        where = None if cwd is None else Path(cwd)
        self._program = program_of(program, store=self.store, last=last, cwd=where)
        self._checks = checks
        self._draw = draw
        self._reach = reach
        self._drain_within = drain_within
        self._quiet = quiet
        self._rng = random.Random(seed)
        self._runs = 0

    def __enter__(self) -> KillLoop:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no process behind."""
        self.close()

    @property
    def kills(self) -> int:
        """How often the program was killed so far."""
        return len(self.history)

    def run(self, kills: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the program so often, then drain; what is wrong is in `violations`.

        It stops at the first kill that leaves a store that is not sound.

        Args:
            kills: how often, at least once.
            number: by which signal: SIGKILL, SIGINT or SIGTERM.

        Raises:
            ProgramFailed: the program is not there, fails by itself, does not open the store, does not
                end, or always ends before it can be killed.
            StoreInUse: another process has the store.
            NotAStore: the store's directory holds something else.
            ValueError: `kills` is less than 1.
        """
        if kills < 1:
            raise ValueError(f"kills= is a number from 1; got {kills}")
        try:
            for _ in range(kills):
                self._kill_surely(number)
                if self.violations:
                    return
            self.drain()
        finally:
            self.close()

    def kill(self, moment: Moment | None = None, number: signal.Signals = signal.SIGKILL) -> Kill | None:
        """Start the program, send it a signal at a moment, and look through the store.

        Args:
            moment: when; drawn if it is not given.
            number: by which signal.

        Returns:
            what happened; None if the program had ended by itself before, with exit code 0.

        Raises:
            ProgramFailed, StoreInUse, NotAStore: see `run`.
        """
        moment = moment or self._draw(self._rng, self._reach)
        with self._child(last=False) as child:
            child.live_until(moment)
            early = child.look() is not None
            sent = {number}
            if not early and moment.closing is not None:
                sent.add(signal.SIGINT)
                child.send(signal.SIGINT)
                child.pause(moment.closing)
            if not early:
                child.send(number)
            code = child.wait_end()
        done = None
        if early or (code == 0 and sent == {signal.SIGKILL}):
            self._ended_by_itself(child)
        elif code not in codes_after(sent):
            raise ProgramFailed(
                f"run {child.run.number} was sent {number.name} {moment} and {child.end_in_words()}"
            )
        else:
            stderr = last_lines(child.run.err)
            done = Kill(self.kills + 1, child.run.number, moment, number, code, child.said, stderr)
            self.history.append(done)
        self._look_through(f"after {done or f'run {child.run.number}, which ended by itself'}")
        return done

    def drain(self) -> None:
        """Let a last, healthy run handle all mail, look through the store, and ask the checks.

        Raises:
            ProgramFailed, StoreInUse, NotAStore: see `run`.
        """
        with self._child(last=True) as child:
            child.live_until(Moment())
            self._wait_quiet(child)
            if child.look() is None:
                child.send(signal.SIGTERM)
                child.wait_end()
        if child.code not in codes_after({signal.SIGTERM}) or not child.has_opened():
            raise ProgramFailed(
                f"run {child.run.number}, which was to handle all mail, {child.end_in_words()}"
            )
        self._look_through("after the last run")
        with look_into(self.store) as remains:
            waiting = remains.unhandled()
            if waiting:
                self.violations.append(f"after the last run: {in_words(waiting)}")
            for check in self._checks:
                self.violations += [f"after the last run: {complaint}" for complaint in check(remains)]

    def check(self) -> None:
        """Complain if anything was found wrong.

        Raises:
            InvariantBroken: with what was broken, after which kill, and what the program said last.
        """
        if self.violations:
            raise InvariantBroken("kill loop", self.report())

    def report(self) -> str:
        """What was found wrong, the last kills, and the end of the program's stderr, to be read by people."""
        return report(self.violations, self.history, seed=self.seed, store=self.store)

    def close(self) -> None:
        """Leave no process behind; `run` does so itself."""
        self._program.close()

    def _kill_surely(self, number: signal.Signals) -> None:
        """Kill once; a run that ends by itself does not count."""
        for _ in range(_TRIES):
            if self.kill(number=number) or self.violations:
                return
        raise ProgramFailed(
            f"the program ended by itself {_TRIES} times in a row before it could be killed: "
            "give it more to do"
        )

    @contextmanager
    def _child(self, *, last: bool) -> Generator[Child]:
        before = wait_free(self.store)
        self._runs += 1
        place = runs_of(self.store)
        place.mkdir(parents=True, exist_ok=True)
        out, err = (place / f"{self._runs:04}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.unlink(missing_ok=True)
        run = Run(self._runs, last, out, err)
        child = Child(self._program.start(run), run, self.store, before)
        try:
            yield child
        finally:
            child.end()

    def _ended_by_itself(self, child: Child) -> None:
        """Refuse a run that failed; let the next be killed earlier than this one has lived."""
        if child.code or child.opened_at is None or child.ended_at is None:
            last = f", the one after {self.history[-1]}," if self.history else ""
            raise ProgramFailed(f"run {child.run.number}{last} {child.end_in_words()}")
        self._reach = min(self._reach, max(POLL_S, child.ended_at - child.opened_at))

    def _wait_quiet(self, child: Child) -> None:
        """Wait until the last run has ended, or has nothing more to do."""
        until = time.monotonic() + self._drain_within
        before, since = None, time.monotonic()
        while child.look() is None and time.monotonic() < until:
            child.pause(_LOOK_S)
            if look_at(self.store) is not Place.STORE:
                continue
            with look_into(self.store) as remains:
                counters = remains.counters()
                if counters != before:
                    before, since = counters, time.monotonic()
                elif time.monotonic() > since + self._quiet and remains.is_at_rest():
                    return

    def _look_through(self, when: str) -> None:
        if look_at(self.store) is Place.STORE:
            with look_into(self.store) as remains:
                self.violations += [f"{when}: {damage}" for damage in remains.damage()]
