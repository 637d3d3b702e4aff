"""`run`: finding a program's function, and what becomes of the program."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from callboard.console.loading import find_main, load, split_target
from callboard.console.running import default_store

from .test_console_store import call

COMMAND = [sys.executable, "-P", "-m", "callboard"]

PROGRAM = """
from callboard import Actor, Node, handler
import trio
import friend

class Account(Actor):
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

async def main(node: Node) -> None:
    ann = await node.spawn(Account(), name="ann")
    print(await ann.ask(Account.deposit(30), timeout=20), friend.twin() is Account, flush=True)

async def wait(node: Node) -> None:
    print("waiting", flush=True)
    await trio.sleep_forever()

async def fail(node: Node) -> None:
    raise LookupError("not here")
"""

WITHOUT_ACTORS = """
async def main(node): ...
async def wait(node): ...
def plain(node): ...
async def alone(): ...
thing = 3

if __name__ == "__main__":
    raise AssertionError("a script's own start is not run")
"""
"""What is loaded in this process leaves no actor class behind for other tests."""

FRIEND = """
def twin():
    from shop import Account
    return Account
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A program of two files."""
    (tmp_path / "friend.py").write_text(FRIEND)
    (tmp_path / "shop.py").write_text(PROGRAM)
    return tmp_path / "shop.py"


@pytest.fixture
def imports() -> Iterator[None]:
    """Forget afterwards what a test loaded."""
    modules, path, argv = set(sys.modules), list(sys.path), list(sys.argv)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:], sys.argv[:] = path, argv


def test_a_target_is_a_file_and_a_function(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    (tmp_path / "b:c.py").touch()
    assert split_target(f"{tmp_path}/a.py") == (tmp_path / "a.py", "main")
    assert split_target(f"{tmp_path}/a.py:serve") == (tmp_path / "a.py", "serve")
    assert split_target(f"{tmp_path}/b:c.py") == (tmp_path / "b:c.py", "main")
    assert split_target(f"{tmp_path}/b:c.py:x") == (tmp_path / "b:c.py", "x")


def test_the_store_stands_beside_the_program_by_default() -> None:
    assert default_store(Path("apps/shop.py")) == Path("apps/shop.store")
    assert default_store(Path("shop.v2.py")) == Path("shop.v2.store")


@pytest.mark.usefixtures("imports")
def test_a_program_is_a_module_of_its_own_name_that_others_can_import(tmp_path: Path) -> None:
    (tmp_path / "atelier.py").write_text("import colours\nclass Room: ...\nsame = colours.room() is Room\n")
    (tmp_path / "colours.py").write_text("def room():\n    from atelier import Room\n    return Room\n")
    module = load(tmp_path / "atelier.py")
    assert (module.__name__, module.Room.__module__) == ("atelier", "atelier")
    module = load(tmp_path / "colours.py")  # a name that is taken by now
    assert module.room().__name__ == "Room"


@pytest.mark.usefixtures("imports")
@pytest.mark.parametrize("name", ["trio.py", "queue.py", "my-app.v2.py"])
def test_a_program_may_have_the_name_of_another_module_or_none(tmp_path: Path, name: str) -> None:
    import queue

    import trio

    (tmp_path / name).write_text("async def main(node): return 7\n")
    module = load(tmp_path / name)
    assert find_main(module, "main").__name__ == "main"
    assert (sys.modules["trio"], sys.modules["queue"]) == (trio, queue)
    assert sys.modules[module.__name__] is module


@pytest.mark.usefixtures("imports")
def test_a_program_that_fails_while_it_loads_leaves_no_half_module(tmp_path: Path) -> None:
    (tmp_path / "broken_app.py").write_text("x = 1\nraise LookupError\n")
    with pytest.raises(LookupError):
        load(tmp_path / "broken_app.py")
    assert "broken_app" not in sys.modules


@pytest.mark.usefixtures("imports")
def test_a_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(click.UsageError, match=r"must end in \.py"):
        load(tmp_path / "notes.txt")


@pytest.mark.usefixtures("imports")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "nothing",
            "bare.py has no function 'nothing': say callboard run bare.py:main or callboard run bare.py:wait",
        ),
        ("plain", "plain in bare.py is not an async function: write  async def plain(node)"),
        ("thing", "thing in bare.py is not an async function"),
        ("alone", "alone in bare.py is called with the node and nothing else, and cannot be"),
    ],
)
def test_a_function_that_cannot_be_run_is_a_mistake_of_usage(tmp_path: Path, name: str, text: str) -> None:
    bare = tmp_path / "bare.py"
    bare.write_text(WITHOUT_ACTORS)
    result = call("run", f"{bare}:{name}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr
    assert not bare.with_suffix(".store").exists()


def test_a_file_that_is_not_there_is_a_mistake_of_usage(tmp_path: Path) -> None:
    assert "does not exist" in call("run", tmp_path / "none.py").stderr
    assert "is a directory" in call("run", tmp_path).stderr
    assert call("run", tmp_path / "none.py:main").exit_code == 2


@pytest.mark.usefixtures("imports")
def test_a_file_without_functions_is_told_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "empty_app.py").touch()
    assert (
        "has no function 'main': write  async def main(node)" in call("run", tmp_path / "empty_app.py").stderr
    )


# Real processes.


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def running(*arguments: object) -> Generator[subprocess.Popen[str], None, None]:
    """The command line in a process of its own, killed at the end if need be."""
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_program_goes_on_from_run_to_run_and_its_classes_have_no_twins(shop: Path) -> None:
    first, second = run("run", shop), run("run", shop)
    assert (first.returncode, first.stdout) == (0, "30 True\n")
    assert (second.returncode, second.stdout) == (0, "60 True\n")
    assert "made a new store" in first.stderr
    assert "resumed" in second.stderr
    shown = run("show", "ann", "--json", "--store", shop.with_suffix(".store"))
    assert json.loads(shown.stdout)["state"] == {"balance": 60}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_program_cleanly(shop: Path, number: signal.Signals, code: int) -> None:
    with running("run", f"{shop}:wait", "--store", shop.parent / "elsewhere") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        _, talk = process.communicate(timeout=30)
    assert process.returncode == code
    assert "stopped cleanly" in talk
    assert "Traceback" not in talk
    assert (shop.parent / "elsewhere/data.mdb").exists()


@pytest.mark.slow
def test_control_c_while_a_file_is_loaded_is_130_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "slow_app.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    with running("run", tmp_path / "slow_app.py") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=30)
    assert (process.returncode, talk) == (130, "")


@pytest.mark.slow
def test_a_program_s_own_error_shows_its_own_frames_and_is_a_failure(shop: Path) -> None:
    failed = run("run", f"{shop}:fail")
    assert failed.returncode == 1
    assert 'shop.py", line 23, in fail' in failed.stderr
    assert "LookupError: not here" in failed.stderr
    assert "callboard/console" not in failed.stderr
    assert "running.py" not in failed.stderr
    (shop.parent / "typo.py").write_text("async def main(node): pass\n1 +\n")
    assert "SyntaxError" in run("run", shop.parent / "typo.py").stderr


@pytest.mark.slow
def test_a_second_run_over_one_store_is_told_who_holds_it(shop: Path) -> None:
    with running("run", f"{shop}:wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        second = run("run", shop)
        assert (second.returncode, second.stdout) == (4, "")
        assert second.stderr.startswith("Error: the store ")
        assert f"is in use by process {process.pid} " in second.stderr
        assert "callboard ls --store" in second.stderr
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = time.monotonic()
    assert run("run", shop).returncode == 0
    assert time.monotonic() - before < 30
