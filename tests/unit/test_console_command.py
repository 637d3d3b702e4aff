"""The command line as a whole: exit codes, help, interruptions, and readers who leave."""

import errno
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from callboard.actors.errors import NoSuchActor, Refusal
from callboard.console.command import Console, main
from callboard.console.exits import Exit, NotFound, ProblemsFound, exit_code
from callboard.mailbox import errors

from .test_console_store import LOOKS, call, envelope, shelf

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "callboard"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CallboardError("x"), 1),
        (ProblemsFound("x"), 1),
        (NotFound("x"), 3),
        (NoSuchActor("x"), 3),
        (errors.NotAStore("x"), 4),
        (errors.StoreInUse("x"), 4),
        (errors.StoreUnavailable("x"), 4),
        (errors.StoreFull("x"), 4),
        (errors.StoreFailed("x"), 4),
        (errors.StoreDamaged("x"), 5),
        (errors.StoreTooNew("x"), 5),
        (errors.Undecodable("x"), 5),
        (errors.WrongNode("x"), 6),
        (Refusal("x"), 6),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_no_kind_of_store_error_is_just_a_failure_but_that_of_a_fork() -> None:
    kinds = errors.StoreError.__subclasses__()
    assert [kind for kind in kinds if exit_code(kind("x")) is Exit.FAILED] == [errors.StoreForked]


def ended_by(act: Callable[[], None]) -> tuple[int, str]:
    """How a command that does this ends, and what it says on stderr."""

    @click.group(cls=Console)
    def group() -> None: ...

    @group.command()
    def go() -> None:
        act()

    result = CliRunner().invoke(group, ["go"])
    return result.exit_code, result.stderr


def fail_with(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_an_error_is_one_sentence_on_stderr() -> None:
    assert ended_by(fail_with(errors.StoreInUse("it is in use"))) == (4, "Error: it is in use\n")


def test_control_c_is_130_and_says_nothing() -> None:
    assert ended_by(fail_with(KeyboardInterrupt())) == (130, "")


def test_output_that_cannot_be_written_is_a_failure_with_a_reason() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert ended_by(fail_with(error)) == (
        1,
        "Error: the output cannot be written (No space left on device)\n",
    )


def test_an_exit_of_a_program_s_own_passes_through() -> None:
    assert ended_by(fail_with(SystemExit(143))) == (143, "")


@pytest.mark.parametrize(
    "arguments", [["-h"], ["run", "-h"], *([*look, "-h"] for look in LOOKS)], ids=" ".join
)
def test_every_command_has_help_that_fits_a_terminal(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 0
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_the_help_lists_the_commands_in_the_order_people_meet_them() -> None:
    assert list(main.commands) == [
        *("run", "ls", "show", "peek", "dead", "tree", "why"),
        *("send", "ask", "pause", "resume", "stop", "nodes", "store", "doctor", "cert", "demo"),
    ]
    assert "130 SIGINT" in call("-h").stdout.replace("\n  ", " ")


@pytest.mark.parametrize("arguments", [["nothing"], ["ls", "--nothing"], ["show"], ["ls", "--sort", "x"]])
def test_a_mistake_of_usage_is_2_and_prints_no_data(arguments: list[str]) -> None:
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


def test_the_version_is_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert call("--version").stdout == f"callboard {project['version']}\n"
    assert version("callboard") == project["version"]


# Real processes: what a runner in this process cannot show.


@pytest.fixture
def long_store(tmp_path: Path) -> Path:
    """A store whose listing is larger than a pipe."""
    with shelf(tmp_path / "s") as made:
        for number in range(3000):
            made.box(f"order/{number}", envelope(), type="Order")
    return tmp_path / "s"


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", " --json", " --sort name"])
def test_a_reader_who_leaves_ends_the_command_quietly(long_store: Path, options: str) -> None:
    script = f'set -o pipefail; {" ".join(COMMAND)} ls --store "{long_store}"{options} | head -n 2'
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.slow
def test_a_full_disk_under_stdout_is_a_failure(long_store: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*COMMAND, "ls", "--store", long_store],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == "Error: the output cannot be written (No space left on device)\n"


@pytest.mark.slow
def test_names_beyond_the_terminal_s_encoding_are_escaped(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.box("注文")
    result = subprocess.run(
        [*COMMAND, "ls", "--store", tmp_path / "s"],
        env={"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert r"\u6ce8\u6587" in result.stdout


@pytest.mark.slow
def test_importing_the_command_line_loads_little_more_than_the_library(tmp_path: Path) -> None:
    program = (
        "import sys, callboard; before = set(sys.modules); import callboard.console.command; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert {"hypothesis", "pytest", "cloudpickle", "asyncio", "unittest"} & set(
        loaded.stdout.split()
    ) == set()
