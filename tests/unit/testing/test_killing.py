"""What the kill loop says of programs and arguments that cannot be right."""

import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from callboard import NotAStore, StoreInUse
from callboard.mailbox.lock import take_lock
from callboard.testing import child
from callboard.testing.killing import KillLoop
from callboard.testing.kills import ProgramFailed
from callboard.testing.moments import Moment, Stage, draw_moment

SOON = Moment("never said")
FOREVER = "import time; print('here', flush=True); time.sleep(60)"


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def refusal(loop: KillLoop, moment: Moment = SOON) -> str:
    with pytest.raises(ProgramFailed) as refused, loop:
        loop.kill(moment)
    return str(refused.value)


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for program in ("no-such-program", "./no-such-program"):
        assert f"there is no program '{program}'" in refusal(KillLoop([program], store=tmp_path / "store"))


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    loop = KillLoop(python(""), store=tmp_path / "store", cwd=tmp_path / "nowhere")
    assert "nowhere: there is no such directory" in refusal(loop)


def test_a_program_that_fails_at_once_is_shown_with_its_code_and_stderr(tmp_path: Path) -> None:
    text = refusal(KillLoop(python("import sys; sys.exit('no configuration')"), store=tmp_path / "store"))
    assert text.startswith("run 1 ended with exit code 1 and had not opened the store ")
    assert text.endswith("the end of its stderr:\n  no configuration")


def test_a_program_that_ends_well_without_a_store_is_refused(tmp_path: Path) -> None:
    text = refusal(KillLoop(python(""), store=tmp_path / "store"))
    assert "ended with exit code 0 and had not opened the store" in text
    assert text.endswith("it said nothing on stderr")


def test_a_program_that_never_opens_its_store_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "START_WITHIN_S", 0.2)
    loop = KillLoop(python(FOREVER), store=tmp_path / "store")
    assert f"has not opened the store {tmp_path / 'store'}: does it open another?" in refusal(loop, Moment())
    assert "has not said 'there' 2 times: does it flush its stdout?" in refusal(loop, Moment("there", 2))


def test_a_program_that_does_not_end_is_killed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "END_WITHIN_S", 0.3)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER
    loop = KillLoop(python(deaf), store=tmp_path / "store")
    with pytest.raises(ProgramFailed, match=r"run 1 does not end after 0\.3 s"):
        loop.kill(Moment("here"), signal.SIGTERM)


def test_a_function_that_cannot_be_imported_is_shown_with_the_reason(tmp_path: Path) -> None:
    text = refusal(KillLoop("no_such_module:main", store=tmp_path / "store"))
    assert text.startswith("no_such_module:main cannot be run; the end of its stderr:")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in text


def test_a_plain_function_ends_like_a_script(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import sys\ndef main(): print('out'); sys.exit('why')\n")
    text = refusal(KillLoop("ends:main", store=tmp_path / "store", cwd=tmp_path))
    assert "ended with exit code 1" in text
    assert text.endswith("\n  why")
    assert (tmp_path / "store.runs/0001.out").read_text() == "out\n"


def test_a_store_in_use_is_left_alone(tmp_path: Path) -> None:
    lock = take_lock(tmp_path, time.time_ns())
    with pytest.raises(StoreInUse, match="in use by this very process"):
        KillLoop(python(FOREVER), store=tmp_path).run(kills=1)
    lock.release()


def test_a_directory_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(NotAStore):
        KillLoop(python(FOREVER), store=tmp_path).run(kills=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("kills", [0, -1])
def test_fewer_kills_than_one_prove_nothing(tmp_path: Path, kills: int) -> None:
    with pytest.raises(ValueError, match="a number from 1"):
        KillLoop(python(FOREVER), store=tmp_path / "store").run(kills=kills)


def outer() -> Any:
    async def inner(_: object) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("program", "options", "text"),
    [
        ([], {}, "a command is a list of words"),
        (5, {}, "a command is a list of words"),
        ("app.py", {}, "a function as 'module:function'; got 'app.py'"),
        (":main", {}, "a function as 'module:function'"),
        (outer(), {}, "cannot be imported by another process"),
        ("app:main", {"last": ["x"]}, "the program must be a command too"),
        (["x"], {"reach": 0}, "more than 0"),
    ],
)
def test_an_argument_that_cannot_be_one_is_refused_before_anything_is_started(
    tmp_path: Path, program: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        KillLoop(program, store=tmp_path / "store", **options)
    assert list(tmp_path.iterdir()) == []


@given(seed=st.integers(), reach=st.floats(0.001, 10))
def test_a_drawn_moment_lies_within_reach_and_comes_again_from_its_seed(seed: int, reach: float) -> None:
    moment = draw_moment(random.Random(seed), reach)
    assert moment == draw_moment(random.Random(seed), reach)
    assert max(moment.seconds, moment.within or 0) <= max(reach, 0.001)
    assert isinstance(moment.after, Stage) or moment.within is not None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (Moment(Stage.STARTED, seconds=0.0123), "12.3 ms after it was started"),
        (Moment(), "as soon as it began to open its store"),
        (Moment("ok", 3, within=1.5), "as soon as it said 'ok' 3 times, or 1.5 s after it opened its store"),
        (Moment("\n", 12), "as soon as it said 12 lines"),
        (Moment("ok", closing=0.02), "20 ms after a SIGINT that came as soon as it said 'ok'"),
    ],
)
def test_a_moment_says_itself_in_words(moment: Moment, text: str) -> None:
    assert str(moment) == text


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seconds": -1}, {"closing": -1}, {"within": -1}])
def test_a_moment_before_the_beginning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be >= "):
        Moment(**wrong)
