"""What reaches for the real world under simulation gets an error with the remedy, wherever it stands."""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable

import pytest
import trio

from callboard import Actor, handler
from callboard.testing import OutsideWorld, Simulation, run_simulation


class Reacher(Actor, type_name="guard.Reacher"):
    @handler
    async def reach(self, which: int) -> None:
        CALLS[which]()

    @handler
    async def log(self) -> None:
        self.turn.log.warning("logging looks at the clock, and may")


CALLS: list[Callable[[], object]] = [
    lambda: time.time(),  # noqa: PLW0108 - looked up when called, as a user's code does
    lambda: time.time_ns(),  # noqa: PLW0108
    lambda: time.monotonic(),  # noqa: PLW0108
    lambda: time.sleep(0.001),
    lambda: uuid.uuid4(),  # noqa: PLW0108
    lambda: uuid.uuid1(),  # noqa: PLW0108
    lambda: os.urandom(4),
    lambda: secrets.token_hex(4),
    lambda: random.SystemRandom().random(),
    lambda: socket.socket(),  # noqa: PLW0108
    lambda: threading.Thread(target=int).start(),
]


@pytest.mark.parametrize("which", range(len(CALLS)))
def test_a_handler_that_reaches_for_the_real_world_fails_the_test_and_is_not_retried(which: int) -> None:
    async def test(sim: Simulation) -> None:
        reacher = await sim.spawn(Reacher(), name="reacher")
        await reacher.tell(Reacher.reach(which))
        await sim.drain()

    with pytest.raises(
        OutsideWorld, match=r"under simulation, in .*test_guard, line \d+.*Instead, "
    ) as caught:
        run_simulation(test)
    assert "attempt 2" not in "".join(caught.value.__notes__)


async def in_a_thread(_: Simulation) -> None:
    await trio.to_thread.run_sync(int)


async def by_the_clock(_: Simulation) -> None:
    time.time()


@pytest.mark.parametrize("test", [in_a_thread, by_the_clock])
def test_a_test_that_does_so_fails_too(test: Callable[[Simulation], object]) -> None:
    with pytest.raises(OutsideWorld):
        run_simulation(test)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_remedy_names_the_simulated_clock() -> None:
    with pytest.raises(OutsideWorld, match=r"self\.turn\.now\(\) .* trio\.current_time\(\)"):
        run_simulation(by_the_clock)


def test_logging_may_look_at_the_clock() -> None:
    async def test(sim: Simulation) -> None:
        reacher = await sim.spawn(Reacher(), name="reacher")
        logging.getLogger("callboard").setLevel(logging.DEBUG)
        try:
            await reacher.ask(Reacher.log())
        finally:
            logging.getLogger("callboard").setLevel(logging.NOTSET)

    run_simulation(test)


def test_other_threads_keep_the_real_world() -> None:
    seen: list[float] = []
    go, done = threading.Event(), threading.Event()

    def look() -> None:
        go.wait()
        seen.append(time.time())
        done.set()

    thread = threading.Thread(target=look)
    thread.start()

    async def test(_: Simulation) -> None:
        go.set()
        done.wait(5)

    run_simulation(test)
    thread.join()
    assert seen


def test_afterwards_the_real_world_is_back() -> None:
    before = time.time, uuid.uuid4, os.urandom, threading.Thread.start, socket.socket.__init__

    async def test(_: Simulation) -> None:
        assert time.time is not before[0]

    run_simulation(test)
    assert (time.time, uuid.uuid4, os.urandom, threading.Thread.start, socket.socket.__init__) == before
    assert time.time() > 0
