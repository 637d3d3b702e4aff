"""The control socket does what its commands say, and nobody who calls can harm the node."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import example, given, strategies as st

from callboard import CallboardError, Client, Node, NodeUnreachable, open_node
from callboard.cluster import control, conversing
from callboard.cluster.commands import (
    READ_ANSWER,
    READ_COMMAND,
    READ_HELLO,
    VERSION,
    Ask,
    BadFrame,
    Done,
    End,
    Failed,
    Hello,
    Letters,
    Part,
    Pause,
    Replied,
    Resume,
    Send,
    Stop,
    Typed,
    Went,
    Written,
    frame,
    read,
)
from callboard.mailbox.envelope import MAX_BODY

from .bank import Account, open_bank, running

Bank = Callable[[], Node]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A node over the store `s`, in a thread."""
    with open_bank(tmp_path / "s") as opened:
        yield opened


@pytest.fixture
def client(tmp_path: Path, bank: Bank) -> Iterator[Client]:
    """A client of that node."""
    with Client(tmp_path / "s") as made:
        yield made


def call(path: Path) -> socket.socket:
    """A caller who has said nothing yet."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(str(path / "control.sock"))
    return made


def heard(caller: socket.socket) -> bytes:
    """All that is said until the node hangs up."""
    found = b""
    try:
        while some := caller.recv(65536):
            found += some
    except ConnectionResetError:
        pass
    return found


def typed(handler: str, **words: str) -> dict[str, Any]:
    """The parts of a message that a person typed."""
    return {"name": "ann", "handler": handler, "parameters": Typed(words=words)}


def asked(client: Client, handler: str, **words: str) -> Any:
    """The reply to what a person typed; the error's name and text if there is none."""
    answer = client.do(Ask(**typed(handler, **words), timeout=10))
    if isinstance(answer, Failed):
        return answer.error, answer.text
    assert isinstance(answer, Replied)
    return msgspec.msgpack.decode(answer.body)


# The socket.


def test_only_its_user_reaches_the_socket_and_it_goes_with_the_node(tmp_path: Path, bank: Bank) -> None:
    found = (tmp_path / "s" / "control.sock").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_the_socket_is_gone_when_the_node_is_closed(tmp_path: Path) -> None:
    with open_bank(tmp_path / "s"):
        assert (tmp_path / "s" / "control.sock").exists()
    assert not (tmp_path / "s" / "control.sock").exists()


def test_somebody_else_s_process_is_left_at_once(
    tmp_path: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with call(tmp_path / "s") as caller:
        assert heard(caller) == b""
    assert "somebody else's process called" in caplog.text


@pytest.mark.slow
def test_what_a_killed_node_left_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path / "s", tmp_path / "teller.py"):
        pass
    assert (tmp_path / "s" / "control.sock").exists()
    with Client(tmp_path / "s", timeout=0) as client, pytest.raises(NodeUnreachable, match="has ended"):
        client.do(Resume(name="ann"))
    with open_bank(tmp_path / "s"), Client(tmp_path / "s") as client:
        assert asked(client, "deposit", amount="1") == 101


def test_a_store_may_lie_deeper_than_the_address_of_a_socket_is_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "s"
    with open_bank(deep), Client(deep) as client:
        assert asked(client, "deposit", amount="1") == 101
    assert not (deep / "control.sock").exists()


def test_where_no_socket_can_be_the_node_runs_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "s").mkdir(0o700)
    with open_bank(tmp_path / "s"):
        pass
    (tmp_path / "s" / "control.sock").mkdir()
    with open_bank(tmp_path / "s") as opened:
        assert opened().statistics().actors == 1
    assert "no commands are taken beside this node" in caplog.text


@pytest.mark.virtual
async def test_in_virtual_time_there_is_no_socket(tmp_path: Path) -> None:
    async with open_node(tmp_path / "s", types=[Account]):
        assert not (tmp_path / "s" / "control.sock").exists()


async def test_a_socket_costs_an_opening_less_than_a_millisecond(tmp_path: Path) -> None:
    took: list[float] = []
    async with open_node(tmp_path / "s", types=[Account]) as node:
        for number in range(20):
            directory = tmp_path / str(number)
            directory.mkdir()
            start = time.perf_counter()
            control.attend(node._runtime, node, directory)
            took.append(time.perf_counter() - start)
        await trio.testing.wait_all_tasks_blocked()
    assert min(took) < 0.001
    assert sockets_below(tmp_path) == []


def sockets_below(path: Path) -> list[Path]:
    """What the nodes left."""
    return list(path.glob("*/control.sock"))


# Commands.


def test_what_a_person_typed_is_read_by_the_handler_s_annotations(client: Client) -> None:
    assert asked(client, "deposit", amount="30") == 130
    assert asked(client, "muse", seconds="0") == "done"
    assert asked(client, "swell", size="2") == b"\0\0"
    assert asked(client, "deposit", amount="x") == (
        "TypeError",
        "amount=x is no int: Expected `int`, got `str`. It takes deposit(amount: int)",
    )
    assert asked(client, "deposit", amount="1.5")[0] == "TypeError"
    assert asked(client, "deposit", amount=str(1 << 70))[0] == "TypeError"
    assert asked(client, "deposit")[1] == "amount must be given. It takes deposit(amount: int)"
    assert asked(client, "deposit", amount="1", more="2")[1].startswith("deposit has no parameter more")
    error, text = asked(client, "borrow")
    assert error == "TypeError"
    assert text.startswith("bank.Account has no handler 'borrow'; it has deposit(amount: int); withdraw(")


def test_a_json_object_says_it_too(client: Client) -> None:
    answer = client.do(Ask("ann", "deposit", Typed('{"amount": 5}')))
    assert answer == Replied(msgspec.msgpack.encode(105))
    failed = client.do(Ask("ann", "deposit", Typed("[5]")))
    assert isinstance(failed, Failed)
    assert "no JSON object" in failed.text


def test_an_actor_that_is_not_there_yet_needs_a_type(client: Client) -> None:
    parameters = Typed(words={"amount": "5"})
    failed = client.do(Send("bob", "deposit", parameters))
    assert isinstance(failed, Failed)
    assert (failed.error, "of which type it will be" in failed.text) == ("NoSuchActor", True)
    assert client.do(Send("bob", "deposit", parameters, type="bank.Account")) == Done()
    absent = client.do(Send("bob", "deposit", parameters, type="Nobody"))
    assert isinstance(absent, Failed)
    assert "no imported class is declared as 'Nobody'" in absent.text


def test_bytes_of_another_version_of_the_parameters_are_refused(client: Client) -> None:
    written = Written(msgspec.msgpack.encode({"amount": 5}), version=2)
    failed = client.do(Send("ann", "deposit", written))
    assert isinstance(failed, Failed)
    assert "the sender runs other code than the node" in failed.text
    rubbish = client.do(Send("ann", "deposit", Written(b"\xc1", version=1)))
    assert isinstance(rubbish, Failed)
    assert rubbish.error == "Undecodable"


def test_an_actor_and_a_type_are_paused_and_resumed(client: Client) -> None:
    for pause, resume in [
        (Pause("look", name="ann"), Resume(name="ann")),
        (Pause("look", of_type="bank.Account"), Resume(of_type="bank.Account")),
    ]:
        assert client.do(pause) == Done()
        late = client.do(Ask(**typed("deposit", amount="0"), timeout=0.05))
        assert isinstance(late, Failed)
        assert (late.error, "paused" in late.text) == ("AskTimeout", True)
        assert client.do(resume) == Done()
        assert asked(client, "deposit", amount="0") == 100
    nobody = client.do(Pause("look", name="nobody"))
    assert isinstance(nobody, Failed)
    assert nobody.error == "NoSuchActor"
    assert isinstance(client.do(Resume()), Failed)


def test_dead_letters_are_replayed_redirected_and_dropped_after_a_dry_run(client: Client) -> None:
    for _ in range(3):
        assert asked(client, "break_")[0] == "AskFailed"
    assert client.do(Letters("replay", box="ann")) == Went((1, 2, 3), (), more=False)
    assert client.do(Letters("replay", numbers=(1, 9), dry_run=False)) == Went(
        (1,), ((9, "there is no dead letter of this number"),), more=False
    )
    client.do(Ask(**typed("deposit", amount="0")))  # behind which the replayed one has died again
    assert client.do(Letters("drop", error="ValueError", most=2, dry_run=False)) == Went(
        (2, 3), (), more=True
    )
    nobody = client.do(Letters("redirect", to="bob", dry_run=False))
    assert isinstance(nobody, Failed)
    assert nobody.error == "NoSuchActor"
    everything = client.do(Letters("drop"))
    assert isinstance(everything, Failed)
    assert "which" in everything.text


def test_stop_ends_a_life_behind_its_mail(client: Client, bank: Bank) -> None:
    client.do(Send(**typed("deposit", amount="1")))
    assert client.do(Stop("ann")) == Done()
    deadline = time.monotonic() + 10
    while bank().statistics().actors:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_end_returns_when_the_node_has_ended(tmp_path: Path) -> None:
    with open_bank(tmp_path / "s"), Client(tmp_path / "s") as client:
        client.do(Send(**typed("deposit", amount="1")))
        assert client.do(End()) == Done()
    with open_bank(tmp_path / "s"), Client(tmp_path / "s") as client:
        assert asked(client, "deposit", amount="0") == 101


def test_an_answer_too_large_for_a_frame_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "callboard.cluster.commands.MOST", 10_000
    )  # of no reply, since a handler's are smaller
    error, text = asked(client, "swell", size="10000")
    assert error == "ValueError"
    assert "too many for one frame" in text
    assert asked(client, "deposit", amount="0") == 100


def test_the_largest_messages_and_replies_go_through(client: Client) -> None:
    most = MAX_BODY - 100
    assert len(asked(client, "swell", size=str(most))) == most
    assert asked(client, "weigh", data="x" * most) == most
    error, text = asked(client, "weigh", data="x" * (most + 100))
    assert error == "MessageTooLarge"
    assert f"{MAX_BODY} is the most" in text
    assert asked(client, "deposit", amount="0") == 100


# Callers who do harm.


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    ).map(msgspec.msgpack.encode)
)
@example(b"\x91" * 100_000)
@example(msgspec.msgpack.encode({"part": "send", "name": "ann", "handler": "x", "parameters": {"type": 1}}))
def test_any_bytes_are_a_command_or_a_bad_frame(body: bytes) -> None:
    for decoder in (READ_HELLO, READ_COMMAND, READ_ANSWER):
        with contextlib.suppress(BadFrame):
            assert isinstance(read(body, decoder), Part)


def talked(path: Path, *frames: bytes) -> bytes:
    """What a caller hears who says this."""
    with call(path) as caller:
        for each in frames:
            try:
                caller.sendall(each)
            except BrokenPipeError:
                break
        return heard(caller)


HELLO = frame(Hello(VERSION))


@pytest.mark.parametrize(
    "frames",
    [
        (b"GET / HTTP/1.1\r\n\r\n",),
        (b"\xff\xff\xff\xff" + b"x" * 100,),
        (b"\0\0\0\0",),
        (b"\0\0\0\x03xyz",),
        (b"\0\0\0\x01\xc0",),
        (frame(Done()),),
        (b"\0\0\x04\x01" + b"\x93" * 1025,),
        (HELLO, b"\x01\0\0\x01"),
        (HELLO, b"\0\0\0\x01\xc1"),
        (HELLO, b"\0\x00\xff\xff" + b"\x91" * 65535),
        (HELLO, HELLO),
        (HELLO, frame(Failed("x", "y"))),
        (HELLO, b"\0\0\0\x0b" + msgspec.msgpack.encode({"part": "no"})),
    ],
    ids=repr,
)
def test_garbage_closes_its_own_connection_and_nothing_else(
    tmp_path: Path, client: Client, frames: tuple[bytes, ...]
) -> None:
    said = talked(tmp_path / "s", *frames)
    assert said == (frame(Hello(VERSION)) if frames[0] == HELLO else b"")
    assert asked(client, "deposit", amount="0") == 100


@pytest.mark.parametrize("begun", [b"", HELLO[:3], HELLO[:9], HELLO + b"\0", HELLO + b"\0\0\0\x09abc"])
def test_who_is_slow_is_left(
    tmp_path: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(conversing, "PATIENCE_S", 0.1)
    started = time.monotonic()
    talked(tmp_path / "s", begun)
    assert time.monotonic() - started < 5


def test_who_has_said_hello_may_be_silent(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversing, "PATIENCE_S", 0.05)
    assert asked(client, "deposit", amount="0") == 100
    (line,) = client._kept
    time.sleep(0.2)
    assert asked(client, "deposit", amount="0") == 100
    assert list(client._kept) == [line]


def test_another_version_is_told_ours_and_left(tmp_path: Path, bank: Bank) -> None:
    assert talked(tmp_path / "s", frame(Hello(99)), frame(End())) == frame(Hello(VERSION))
    assert bank().statistics().actors == 1


def test_a_client_of_another_version_says_what_to_do(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversing, "VERSION", 2)
    with pytest.raises(CallboardError, match="version 2, and this process speaks version 1: use the same"):
        client.do(Resume(name="ann"))


@pytest.mark.slow
def test_of_a_hundred_callers_the_last_are_told_that_it_is_enough(tmp_path: Path, bank: Bank) -> None:
    callers = [call(tmp_path / "s") for _ in range(64)]
    for caller in callers:
        caller.sendall(HELLO)
        assert caller.recv(1000) == HELLO
    crowd = [call(tmp_path / "s") for _ in range(36)]
    with Client(tmp_path / "s", timeout=0.1) as client:
        with pytest.raises(NodeUnreachable, match="64 connections to this node are open already"):
            client.do(Resume(name="ann"))
        for caller in [*callers, *crowd]:
            caller.close()
        deadline = time.monotonic() + 10
        while True:
            try:
                assert client.do(Resume(name="ann")) == Done()
                return
            except NodeUnreachable:
                assert time.monotonic() < deadline


def test_nobody_waits_for_the_answer_of_a_caller_who_has_left(tmp_path: Path, bank: Bank) -> None:
    with call(tmp_path / "s") as caller:
        caller.sendall(HELLO)
        caller.sendall(frame(Ask(**typed("muse", seconds="3600"))))
        assert caller.recv(1000) == HELLO
        deadline = time.monotonic() + 10
        while not bank().statistics().suspended:
            assert time.monotonic() < deadline
    with Client(tmp_path / "s") as client:
        started = time.monotonic()
        client.do(End())
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_a_client_killed_in_the_middle_of_its_commands_leaves_whole_ones(
    tmp_path: Path, client: Client
) -> None:
    program = (
        "import sys; from callboard import Client; from bank import Account\n"
        "client = Client(sys.argv[1]); ann = client.ref(Account, 'ann')\n"
        "while True: client.tell(ann, Account.deposit(1)); print(flush=True)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "s")],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        for _ in range(20):
            child.stdout.readline()
        child.kill()
        told = 20 + len(child.stdout.readlines())
    balance = asked(client, "deposit", amount="0")
    assert balance - 100 in (told, told + 1)


def test_whatever_a_command_does_the_node_goes_on(
    client: Client, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise LookupError("a mistake of ours")

    monkeypatch.setattr(bank(), "stop", fail)
    assert client.do(Stop("ann")) == Failed("LookupError", "a mistake of ours")
    assert asked(client, "deposit", amount="0") == 100
