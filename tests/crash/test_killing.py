"""The kill loop: a real program on a real store is killed again and again, and keeps every promise."""

import random
import re
from pathlib import Path

import pytest

from callboard.testing.moments import Moment

from .bugs import BUGS
from .killing import acked, kill_loop

pytestmark = pytest.mark.slow
SPECULATION = pytest.mark.parametrize("speculation", [True, False], ids=["speculation", "no-speculation"])


@SPECULATION
def test_nothing_is_lost_doubled_or_reordered_by_ten_kills(tmp_path: Path, speculation: bool) -> None:
    loop = kill_loop(tmp_path, seed=1, speculation=speculation)
    loop.run(10)
    loop.check()
    assert acked(loop) > 50


@pytest.mark.hunt
@SPECULATION
def test_nothing_is_lost_doubled_or_reordered_by_two_hundred_kills(tmp_path: Path, speculation: bool) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    loop = kill_loop(tmp_path, seed=seed, speculation=speculation)
    loop.run(200)
    loop.check()
    assert acked(loop) > 1000


FOUND_BY = {
    "early-ack": "acknowledged and never handled",
    "early-removal": "never handled|waits for ever",
    "state-outside": "handled twice|ended twice",
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_runtime_with_a_seeded_bug_is_caught_within_ten_kills(tmp_path: Path, bug: str) -> None:
    def caught() -> bool:
        return any(re.search(FOUND_BY[bug], violation) for violation in loop.violations)

    with kill_loop(tmp_path, seed=1, bug=bug) as loop:
        while loop.kills < 10 and not caught():
            loop.kill(Moment("p"))
            loop.drain()
    assert caught(), loop.violations
