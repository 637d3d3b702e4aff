"""The pytest plugin runs the async tests that ask for it, those alone, and costs nothing until then.

Each claim is tried on a small suite of its own, in a process of its own.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ACTOR = """
import time
import pytest, trio
from callboard import Actor, Node, handler

class Counter(Actor):
    count: int = 0

    @handler
    async def add(self, numbers: list[int]) -> int:
        self.count += sum(numbers)
        return self.count
"""


def run(folder: Path, text: str, *options: str, conftest: str = "") -> str:
    """What pytest prints about a file of tests."""
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    command = [sys.executable, "-P", "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-Werror"]
    done = subprocess.run(
        [*command, "--strict-markers", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def python(program: str) -> str:
    """What a program prints."""
    command = [sys.executable, "-P", "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_loading_the_plugin_loads_nothing_else() -> None:
    program = """
import sys, pytest
before = set(sys.modules)
import callboard_pytest
print(*set(sys.modules) - before)
"""
    assert python(program).split() == ["callboard_pytest"]


def test_a_run_that_does_not_ask_pays_nothing(tmp_path: Path) -> None:
    conftest = """
import sys
def pytest_sessionfinish():
    known = {"callboard", "trio", "hypothesis", "lmdb", "msgspec", "attr"}
    print("loaded:", sorted(known & set(sys.modules)))
"""
    printed = run(tmp_path, "def test_plain(): pass", "-s", conftest=conftest)
    assert "1 passed" in printed
    assert "loaded: []" in printed


def test_an_async_test_that_takes_a_node_gets_a_fresh_one_on_a_virtual_clock(tmp_path: Path) -> None:
    text = (
        ACTOR
        + """
from hypothesis import given, settings, strategies as st

seen = []

@pytest.mark.parametrize("times", [1, 2])
async def test_a_week_in_a_blink(node: Node, times: int, tmp_path) -> None:
    before = time.monotonic()
    counter = await node.spawn(Counter(), name="counter")
    await counter.tell(Counter.add([times]), delay=7 * 86400)
    await trio.sleep(8 * 86400)
    assert await counter.ask(Counter.add([0])) == times
    assert time.monotonic() - before < 60
    seen.append(node)

class TestInAClass:
    @settings(max_examples=10)
    @given(number=st.integers(0, 9))
    async def test_every_example_has_its_own(self, node: Node, number: int) -> None:
        counter = await node.spawn(Counter(), name="counter")
        assert await counter.ask(Counter.add([number])) == number
        seen.append(node)

def test_every_node_was_closed() -> None:
    assert len(seen) == len(set(map(id, seen))) > 3
    for node in seen:
        with pytest.raises(Exception, match="closed"):
            node.statistics()
"""
    )
    assert "4 passed" in run(tmp_path, text)


def test_a_marked_async_test_runs_on_trio_without_a_node_too(tmp_path: Path) -> None:
    text = (
        ACTOR
        + """
from hypothesis import given, strategies as st

pytestmark = pytest.mark.callboard

async def test_marked() -> None:
    await trio.sleep(3600)

@given(st.integers())
async def test_given(number: int) -> None:
    assert trio.lowlevel.in_trio_task()

@pytest.mark.callboard(name="here", types=[Counter])
async def test_options_are_those_of_open_node(node: Node) -> None:
    assert node.name == "here"

def test_plain() -> None:
    pass

@pytest.mark.usefixtures("node")
async def test_unused() -> None:
    assert trio.lowlevel.in_trio_task()
"""
    )
    assert "5 passed" in run(tmp_path, text)


def test_a_failure_is_shown_bare(tmp_path: Path) -> None:
    text = (
        ACTOR
        + """
async def test_wrong(node: Node) -> None:
    async with trio.open_nursery():
        pass
    assert node.name == "elsewhere"
"""
    )
    printed = run(tmp_path, text)
    assert "1 failed" in printed
    assert "assert '' == 'elsewhere'" in printed
    assert "ExceptionGroup" not in printed
    assert "plugin.py" not in printed


OTHERS = """
import inspect, pytest, trio

def pytest_configure(config):
    for mark in ("trio", "anyio", "asyncio"):
        config.addinivalue_line("markers", mark)

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if any(pyfuncitem.get_closest_marker(mark) for mark in ("trio", "anyio", "asyncio")):
        names = pyfuncitem._fixtureinfo.argnames
        trio.run(lambda: pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

class Theirs(pytest.Function):
    def runtest(self):
        trio.run(self.obj)

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    if name == "test_of_a_class_of_theirs":
        return Theirs.from_parent(collector, name=name)
"""
"""Stands in for pytest-trio, anyio and pytest-asyncio: it runs what carries their marks."""


def test_nobody_else_is_taken_over(tmp_path: Path) -> None:
    text = (
        ACTOR
        + """
from trio.testing import MockClock

def real() -> bool:
    return not isinstance(trio.lowlevel.current_clock(), MockClock)

marks = [getattr(pytest.mark, name) for name in ("trio", "anyio", "asyncio")]

@pytest.mark.callboard
@pytest.mark.parametrize("x", [pytest.param(1, marks=mark) for mark in marks])
async def test_marked_for_another(x) -> None:
    assert real()

@pytest.mark.callboard
async def test_of_a_class_of_theirs() -> None:
    assert real()

@pytest.fixture
def anyio_backend() -> str:
    return "trio"

@pytest.mark.callboard
async def test_in_the_mode_of_anyio(anyio_backend) -> None: ...

@pytest.mark.trio
async def test_of_another_with_our_node(node: Node) -> None:
    with pytest.raises(AttributeError, match="node is open only while callboard runs"):
        await node.spawn(Counter())

def test_not_async(node: Node) -> None:
    assert "not open yet" in repr(node)
    assert not hasattr(node, "__iter__")
    with pytest.raises(AttributeError, match="in a plain `def`"):
        node.statistics()

class TestWithANodeOfItsOwn:
    @pytest.fixture
    def node(self) -> str:
        return "mine"

    async def test_its_own(self, node: str) -> None: ...

async def test_unasked() -> None: ...
"""
    )
    printed = run(tmp_path, text, conftest=OTHERS)
    assert "3 failed, 6 passed" in printed
    assert printed.count("async def functions are not natively supported") >= 3
    for name in ("TestWithANodeOfItsOwn::test_its_own", "test_unasked", "test_in_the_mode_of_anyio"):
        assert f"FAILED test_it.py::{name}" in printed


def test_the_plugin_can_be_turned_off(tmp_path: Path) -> None:
    assert "fixture 'node' not found" in run(tmp_path, "def test_it(node): pass", "-p", "no:callboard")


def test_our_profiles_are_known_to_who_names_one(tmp_path: Path) -> None:
    text = """
from hypothesis import settings
def test_it():
    assert (settings().max_examples, settings().derandomize) == (200, True)
"""
    assert "1 passed" in run(tmp_path, text, "--hypothesis-profile=callboard-ci")


def test_our_profiles_have_names_of_their_own() -> None:
    program = """
from hypothesis import settings
from callboard.testing import profiles
before = settings.get_profile("ci").max_examples
for name in (profiles.DEV, profiles.CI, profiles.HUNT):
    settings.load_profile(name)
    print(name, settings().max_examples, settings().deadline)
"""
    assert python(program).splitlines() == [
        "callboard-dev 50 None",
        "callboard-ci 200 None",
        "callboard-hunt 5000 None",
    ]


def test_the_lab_needs_no_pytest() -> None:
    program = """
import sys
sys.modules["pytest"] = sys.modules["_pytest"] = None
import callboard.testing
from callboard.testing import plugin, profiles, rehearsal, strategies
async def test(node): print("ran on", node)
unopened = object()
plugin.runner(test, unopened, {"name": "n"})(node=unopened)
"""
    assert python(program) == "ran on <node n>\n"
