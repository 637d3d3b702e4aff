"""A client tells and asks the actors of a running node from plain threads, and takes effect once."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from callboard import (
    Actor,
    AskFailed,
    AskTimeout,
    BadName,
    Client,
    IdReused,
    NodeClosed,
    NodeUnreachable,
    NoSuchActor,
    NotBound,
    handler,
)
from callboard.mailbox.opening import view_disk
from callboard.mailbox.reading import find_mailbox

from .bank import Account, Broke, open_bank, running

pytestmark = pytest.mark.slow
PATIENCE_S = 20


class Stranger(Actor, type_name="bank.Stranger"):
    """Whom the bank does not know."""

    @handler
    async def greet(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """The store of a bank that runs in a thread."""
    with open_bank(tmp_path / "s"):
        yield tmp_path / "s"


def test_an_ask_returns_the_reply_with_its_type_and_a_tell_is_on_disk_when_it_returns(store: Path) -> None:
    with Client(store) as client:
        ann = client.ref(Account, "ann")
        client.tell(ann, Account.deposit(30))
        balance: int = client.ask(ann, Account.withdraw(50), timeout=5)
        assert balance == 80
        assert client.ask(ann, Account.swell(3)) == b"\0\0\0"
        client.tell(client.ref(Account, "nobody"), Account.deposit(1))
    assert seen_by_another_process(store) == ("nobody", 1)


def seen_by_another_process(store: Path) -> tuple[str, int]:
    """A mailbox and its mail: LMDB opens a file once in each process."""
    command = [sys.executable, "-P", "-m", "callboard", "show", "nobody", "--json", "--store", str(store)]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return shown["name"], shown["mail"]


def test_errors_arrive_as_what_they_were(store: Path) -> None:
    with Client(store) as client:
        ann = client.ref(Account, "ann")
        with pytest.raises(Broke, match="there are 100"):
            client.ask(ann, Account.withdraw(500))
        with pytest.raises(AskFailed, match="broken on purpose") as failed:
            client.ask(ann, Account.break_())
        assert (failed.value.failure.error, failed.value.failure.attempts) == ("ValueError", 1)
        with pytest.raises(AskTimeout, match="'ann' did not answer"):
            client.ask(ann, Account.muse(30.0), timeout=0.05)
        with pytest.raises(NoSuchActor):
            client.ask(client.ref(Account, "nobody"), Account.deposit(1))
        with pytest.raises(TypeError, match=r"greet is a message for bank\.Stranger, and 'ann' is a bank"):
            client.tell(client.ref(Stranger, "ann"), Stranger.greet())
        with pytest.raises(BadName):
            client.ref(Account, "$x")
        with pytest.raises(ValueError, match="an id is a str"):
            client.tell(ann, Account.deposit(1), id="")


def test_an_id_makes_the_second_of_two_processes_harmless(store: Path) -> None:
    for _ in range(2):
        with Client(store) as client:
            ann = client.ref(Account, "ann")
            client.tell(ann, Account.deposit(5), id="pay")
            assert client.ask(ann, Account.deposit(7), id="bonus") == 112
            with pytest.raises(IdReused):
                client.ask(ann, Account.deposit(8), id="bonus")


def test_a_delay_and_a_key_are_kept(store: Path) -> None:
    with Client(store) as client:
        ann = client.ref(Account, "ann")
        client.tell(ann, Account.deposit(30), delay=3600, key="later")
        client.tell(ann, Account.deposit(60), delay=0.02)
        deadline = time.monotonic() + 10
        while client.ask(ann, Account.deposit(0)) != 160:
            assert time.monotonic() < deadline


def test_threads_share_a_client_and_do_not_wait_for_each_other(store: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    slow: list[str] = []
    with Client(store) as client:
        ann = client.ref(Account, "ann")
        other = client.ref(Account, "nobody")
        asking = threading.Thread(target=lambda: slow.append(client.ask(ann, Account.hold(str(gate)))))
        telling = [threading.Thread(target=lambda: client.tell(other, Account.deposit(1))) for _ in range(20)]
        asking.start()
        try:
            wait_for(gate)
            for each in telling:
                each.start()
            for each in telling:
                each.join(PATIENCE_S)
                assert not each.is_alive(), "it waits for the ask"
            assert slow == []
        finally:
            gate.unlink(missing_ok=True)
            for each in asking, *telling:
                if each.is_alive():
                    each.join(PATIENCE_S)
        assert slow == ["done"]
        assert client.ask(ann, Account.deposit(0)) == 100


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_ref_of_a_client_sends_only_through_it(store: Path) -> None:
    with Client(store) as client, pytest.raises(NotBound):
        trio.run(client.ref(Account, "ann").tell, Account.deposit(1))


def test_a_closed_client_says_so(store: Path) -> None:
    client = Client(store)
    ann = client.ref(Account, "ann")
    client.tell(ann, Account.deposit(1))
    client.close()
    with pytest.raises(NodeClosed, match="this client was closed"):
        client.tell(ann, Account.deposit(1))


def test_without_a_node_a_call_ends_when_patience_does(tmp_path: Path) -> None:
    started = time.monotonic()
    with Client(tmp_path / "none", timeout=0.2) as client:
        ann = client.ref(Account, "ann")
        with pytest.raises(NodeUnreachable, match=r"there is no control socket$"):
            client.tell(ann, Account.deposit(1))
        with pytest.raises(AskTimeout, match="ask again with id="):
            client.ask(ann, Account.deposit(1), timeout=0.1)
    assert 0.3 <= time.monotonic() - started < 5


def test_the_socket_itself_names_the_store_too(store: Path) -> None:
    with Client(store / "control.sock") as client:
        assert client.ask(client.ref(Account, "ann"), Account.deposit(0)) == 100


def test_calls_go_on_when_the_node_is_killed_and_started_again_and_take_effect_once(tmp_path: Path) -> None:
    store, program = tmp_path / "s", tmp_path / "teller.py"
    calls, replies = 60, list[int]()

    def pay(client: Client) -> None:
        ann = client.ref(Account, "ann")
        for _ in range(calls):
            replies.append(client.ask(ann, Account.deposit(1)))
            client.tell(ann, Account.deposit(1))

    with Client(store, timeout=30) as client:
        thread = threading.Thread(target=pay, args=[client])
        started = False
        for _ in range(3):
            with running(store, program) as process:
                if not started:
                    thread.start()
                    started = True
                seen = len(replies)
                while len(replies) < min(seen + 8, calls) and thread.is_alive():
                    time.sleep(0.005)
                process.send_signal(signal.SIGKILL)
        with running(store, program):
            thread.join(60)
            assert not thread.is_alive()
            assert client.ask(client.ref(Account, "ann"), Account.deposit(0)) == 100 + 2 * calls
    assert replies == list(range(101, 101 + 2 * calls, 2))


def test_an_ask_goes_on_after_a_clean_restart_of_its_node(tmp_path: Path) -> None:
    with open_bank(tmp_path / "s"):
        client = Client(tmp_path / "s", timeout=20)
        replies: list[int] = []
        ann = client.ref(Account, "ann")
        assert client.ask(ann, Account.deposit(1)) == 101
        client.tell(ann, Account.muse(0.3))
        thread = threading.Thread(target=lambda: replies.append(client.ask(ann, Account.deposit(1))))
        thread.start()
        time.sleep(0.05)
    with open_bank(tmp_path / "s"), client:
        thread.join(20)
        assert replies == [102]
    store = view_disk(tmp_path / "s")
    try:
        view = find_mailbox(store, "ann")
        assert view is not None
        assert (view.mail, view.handled) == (0, 3)
    finally:
        store.close(clean=False)
