"""Launching: real processes as the nodes of one cluster, by the command line and from Python."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import trio
from trio.testing import memory_stream_pair

from callboard.cluster import launch
from callboard.cluster.errors import LaunchFailed
from callboard.cluster.launched import words_for
from callboard.cluster.orders import VARIABLE
from callboard.cluster.prefixing import LONGEST, Prefixed
from callboard.mailbox.lock import take_lock
from callboard.mailbox.opening import view_disk

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-P", "-m", "callboard", "run"]

PROGRAM = """
import sys, trio
from callboard import Actor, Node, handler, run

class Counter(Actor):
    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count

    @handler
    async def sleep(self, seconds: float) -> None:
        print("asleep", flush=True)
        await trio.sleep(seconds)
        self.count += 100

async def main(node: Node) -> None:
    await node.spawn(Counter(), name="counter")
    other = "b" if node.name == "a" else "a"
    print("other", await node.ref(Counter, f"counter@{other}").ask(Counter.add(), timeout=9), end="")
    print("talk " * 2000, file=sys.stderr)

async def serve(node: Node) -> None:
    await main(node)
    print("\\nserving")
    await trio.sleep_forever()

async def doze(node: Node) -> None:
    counter = await node.spawn(Counter(), name="counter")
    await counter.tell(Counter.sleep(0.6))
    await trio.sleep_forever()

async def sleep(node: Node) -> None:
    counter = await node.spawn(Counter(), name="counter")
    await counter.tell(Counter.sleep(60))
    await trio.sleep_forever()

async def fail(node: Node) -> None:
    if node.name == "b":
        raise LookupError("not on this node")

async def exit(node: Node) -> None:
    await trio.sleep(0.5)
    raise SystemExit(70 if node.name == "b" else 0)

if __name__ == "__main__":
    run(main, store="./unused", name="overruled", quota=10_000_000)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A program."""
    path = tmp_path / "app.py"
    path.write_text(PROGRAM)
    return path


@contextmanager
def launched(app: Path, function: str) -> Generator[subprocess.Popen[str]]:
    """`callboard run --nodes a,b`, both streams as one."""
    with subprocess.Popen(
        [*COMMAND, f"{app}:{function}", "--nodes", "a,b"],
        cwd=app.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], text: str, times: int = 2) -> None:
    """Read what a process says until it has said something so often."""
    assert process.stdout is not None
    for line in process.stdout:
        times -= text in line
        if not times:
            return
    raise AssertionError(f"it ended and did not say {text}")


def is_clean(store: Path) -> bool:
    view = view_disk(store)
    try:
        return view.identity.clean
    finally:
        view.close()


def wait_free(store: Path) -> None:
    """Wait until no process has a store."""
    until = time.monotonic() + 10
    while True:
        try:
            take_lock(store, 0).release()
        except Exception:
            assert time.monotonic() < until, f"{store} is still in use"
            time.sleep(0.02)
        else:
            return


def test_nodes_run_to_their_end_and_each_line_begins_with_a_name(app: Path) -> None:
    done = subprocess.run([*COMMAND, app, "--nodes", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["a | other 1", "b | other 1"]
    lines = done.stderr.splitlines()
    assert all(re.match(r"[ab] \| ", line) for line in lines), lines
    assert sum(line[4:] == "talk " * 2000 for line in lines) == 2
    stores = app.with_suffix(".nodes")
    assert {path.name for path in stores.glob("*.store")} == {"a.store", "b.store"}
    assert all(is_clean(stores / f"{name}.store") for name in "ab")
    assert not (app.parent / "unused").exists()


@pytest.mark.parametrize("listen", ["unix", "tcp"])
async def test_from_python_all_are_linked_when_the_block_begins(
    app: Path, tmp_path: Path, listen: Literal["unix", "tcp"], capsys: pytest.CaptureFixture[str]
) -> None:
    async with launch(f"{app}:serve", ["a", "b"], folder=tmp_path / "n", listen=listen) as cluster:
        assert [node.name for node in cluster] == ["a", "b"]
        assert all(node.linked and node.pid for node in cluster)
        assert all(node.address.startswith("unix:") == (listen == "unix") for node in cluster)
        assert len({node.pid for node in cluster} | {os.getpid()}) == 3
        pid = cluster["a"].pid
        assert pid is not None
        assert os.getsid(pid) == pid  # a Ctrl-C at the terminal is not for it
        with trio.fail_after(10):
            while "serving" not in capsys.readouterr().out:  # noqa: ASYNC110
                await trio.sleep(0.02)
            assert await cluster["b"].stop() == 143
    assert [node.code for node in cluster] == [143, 143]
    assert [is_clean(node.store) for node in cluster] == [True, True]


async def test_a_script_with_a_run_of_its_own_is_overruled(app: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-P", str(app)]
    async with launch(words, 2, folder=tmp_path / "n") as cluster:
        await cluster.wait_done()
    assert [node.code for node in cluster] == [0, 0]
    assert {node.store.name for node in cluster if node.store.is_dir()} == {"a.store", "b.store"}


async def test_an_imported_function_can_be_launched(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(app.parent)
    async with launch("app:main", ["a", "b"], folder=tmp_path / "n") as cluster:
        await cluster.wait_done()
    assert [node.code for node in cluster] == [0, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_ctrl_c_lets_all_turns_finish(app: Path, number: signal.Signals) -> None:
    with launched(app, "doze") as process:
        wait_for(process, "asleep")
        time.sleep(0.2)  # for both to be linked, so that the block has begun or not: either is well
        process.send_signal(number)
        wait_for(process, "stopped cleanly")
        assert process.wait(10) == 128 + number
    for name in "ab":
        assert is_clean(app.with_suffix(".nodes") / f"{name}.store")


def test_a_second_ctrl_c_kills_all(app: Path) -> None:
    with launched(app, "sleep") as process:
        wait_for(process, "asleep")
        process.send_signal(signal.SIGINT)
        wait_for(process, "finishing the turns in hand")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - began < 2
    for name in "ab":
        wait_free(app.with_suffix(".nodes") / f"{name}.store")


def test_when_the_launcher_is_killed_the_nodes_stop_by_themselves(app: Path) -> None:
    with launched(app, "doze") as process:
        wait_for(process, "asleep")
        process.kill()
        process.wait(10)
        for name in "ab":
            store = app.with_suffix(".nodes") / f"{name}.store"
            wait_free(store)
            assert is_clean(store)


async def test_a_crashed_node_is_started_again_if_asked(
    app: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with launch(f"{app}:serve", ["a", "b"], folder=tmp_path / "n", restart=True) as cluster:
        for times in (1, 2):
            before = cluster["b"].pid
            cluster["b"].kill()
            with trio.fail_after(10):
                while cluster["b"].pid in {before, None}:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                await cluster.wait_linked()
            assert cluster["b"].restarts == times
        assert await cluster["b"].stop() == 143  # and it stays down
    assert (cluster["a"].restarts, cluster["b"].restarts) == (0, 2)
    assert "node 'b' was killed by SIGKILL; it is started again in 0.1 s" in caplog.text


async def test_a_crashed_node_stays_down_unless_asked_and_the_others_go_on(app: Path, tmp_path: Path) -> None:
    async with launch(f"{app}:serve", ["a", "b"], folder=tmp_path / "n") as cluster:
        cluster["b"].kill()
        assert await cluster["b"].wait() == -signal.SIGKILL
        assert cluster["b"].pid is None
        assert cluster["a"].code is None
    assert cluster["a"].code == 143


async def test_a_node_that_ended_or_gave_up_is_not_started_again(app: Path, tmp_path: Path) -> None:
    async with launch(f"{app}:exit", ["a", "b"], folder=tmp_path / "n", restart=True) as cluster:
        assert [await node.wait() for node in cluster] == [0, 70]
    assert [node.restarts for node in cluster] == [0, 0]


async def test_a_frozen_node_is_drained_too(app: Path, tmp_path: Path) -> None:
    async with launch(f"{app}:serve", ["a", "b"], folder=tmp_path / "n") as cluster:
        cluster["a"].send(signal.SIGSTOP)
    assert [node.code for node in cluster] == [143, 143]


async def test_a_node_that_fails_at_the_start_is_told_with_its_last_words(app: Path, tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed, match=r"(?s)node 'b' ended with exit code 1 .*LookupError: not on"):
        async with launch(f"{app}:fail", ["a", "b"], folder=tmp_path / "n", restart=True):
            pytest.fail("it came up")


async def test_a_program_that_opens_no_node_is_told(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(LaunchFailed, match=r"not up after 0\.5 s: 'a' has not opened its node: does"):
        async with launch(words, 1, folder=tmp_path / "n", up_within=0.5):
            pytest.fail("it came up")


async def test_who_cannot_reach_whom_is_told(app: Path, tmp_path: Path) -> None:
    def route(near: str, far: str, address: str) -> str:
        return f"unix:{tmp_path}/nobody" if (near, far) == ("b", "a") else address

    with pytest.raises(LaunchFailed, match=r"not up .*: 'b' has no link to 'a' \(unix:.*/nobody can"):
        async with launch(f"{app}:serve", 2, folder=tmp_path / "n", up_within=3, route=route):
            pytest.fail("it came up")


async def test_what_goes_wrong_in_the_block_comes_out_bare(app: Path, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with launch(f"{app}:serve", 2, folder=tmp_path / "n"):
            raise LookupError("mine")
    assert all(is_clean(store) for store in (tmp_path / "n").glob("*.store"))
    with trio.move_on_after(0.05) as scope:
        async with launch(f"{app}:serve", 2, folder=tmp_path / "n"):
            await trio.sleep_forever()
    assert scope.cancelled_caught


def test_an_order_that_was_handed_on_is_refused(app: Path) -> None:
    order = '{"node": "a", "store": "x", "peers": {"a": "unix:x"}, "leash": 0, "report": 0}'
    done = subprocess.run(
        [sys.executable, "-P", app],
        env=os.environ | {VARIABLE: order},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the order to be node 'a', and the launcher did not start it" in done.stderr


@pytest.mark.parametrize("program", ["nowhere.py", "nowhere.py:main", "shop", "shop:", "a b:main"])
def test_what_is_no_program_is_refused(program: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no program"):
        words_for(program, tmp_path)


@pytest.mark.parametrize("nodes", [0, 27, [], ["a", "a"], ["a/b"], [".."], ["@b"], [""], "a,b"])
async def test_what_cannot_be_nodes_is_refused(nodes: int | list[str], app: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="node"):
        async with launch(app, nodes, folder=tmp_path):
            pytest.fail("it came up")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nodes", "0"], "nodes= is a number from 1 to 26"),
        (["--nodes", "2", "--store", "x"], "say --folder instead of --store"),
        (["--restart"], "add --nodes 3"),
    ],
)
def test_mistakes_on_the_command_line_are_told(words: list[str], text: str, app: Path) -> None:
    done = subprocess.run([*COMMAND, app, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert text in done.stderr


async def test_lines_are_never_mixed_and_a_last_one_is_ended() -> None:
    onto = io.StringIO()
    pairs = [(Prefixed(f"{name} | ", onto, keep=2), *memory_stream_pair()) for name in "ab"]
    async with trio.open_nursery() as nursery:
        for prefixed, near, far in pairs:
            nursery.start_soon(prefixed.show, far)
            await near.send_all(b"one\r\ntw")
        await trio.testing.wait_all_tasks_blocked()
        for _, near, _ in pairs:
            await near.send_all(b"o\nthree\xff")
            await near.aclose()
    assert sorted(onto.getvalue().splitlines()) == [
        *("a | one", "a | three\\xff", "a | two"),
        *("b | one", "b | three\\xff", "b | two"),
    ]
    assert list(pairs[0][0].last) == ["two", "three\\xff"]


async def test_a_line_without_an_end_does_not_fill_our_memory() -> None:
    onto = io.StringIO()
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Prefixed("a | ", onto, colour=36).show, far)
        await near.send_all(b"x" * (LONGEST + 10))
        await near.aclose()
    assert [len(line) for line in onto.getvalue().splitlines()] == [LONGEST + 13, 23]
    assert onto.getvalue().startswith("\x1b[36ma | \x1b[0mx")
