"""What `send` and `ask` do on a stopped store, on one that is held, and beside its running node."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from callboard import Actor, Refusal, handler, open_node
from callboard.console import reaching
from callboard.console.command import main
from callboard.mailbox.lock import take_lock

APP = f"{__name__}:Till"


class Sold(Refusal):
    """There is none left."""


class Till(Actor, type_name="sending.Till"):
    """What the tests send to."""

    takings: int = 0
    notes: str = ""

    @handler
    async def pay(self, amount: int, note: str = "") -> int:
        self.takings += amount
        self.notes += note
        return self.takings

    @handler
    async def sell(self, what: str) -> dict[str, bytes]:
        raise Sold(f"no {what} left")

    @handler
    async def wait(self) -> None:
        await trio.sleep_forever()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A stopped store with one actor."""

    async def fill() -> None:
        async with open_node(tmp_path / "s", types=[Till]) as node:
            await node.spawn(Till(), name="till")

    trio.run(fill)
    return tmp_path / "s"


def call(store: Path, *arguments: str) -> Result:
    """What a command says, and its exit code."""
    return CliRunner().invoke(main, [*arguments, "--store", str(store)])


async def beside(store: Path, *arguments: str) -> Result:
    """The same beside a node that runs in this process: one process opens a store's file once."""
    return await trio.to_thread.run_sync(call, store, *arguments)


def unseen(_: Path) -> nullcontext[None]:
    """Stands for a look at the store."""
    return nullcontext()


@pytest.fixture
def unlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the look at the store before a command."""
    monkeypatch.setattr(reaching, "looking", unseen)


def taken(store: Path) -> tuple[int, str]:
    """What the till has when the node has run once more."""
    found: list[Till] = []

    async def run() -> None:
        async with open_node(store, types=[Till]) as node:
            await node.wait_idle()
            found.append(Till(await node.ref(Till, "till").ask(Till.pay(0))))

    trio.run(run)
    shown = json.loads(call(store, "show", "till", "--json").stdout)
    return found[0].takings, shown["state"]["notes"]


# On a stopped store.


def test_what_is_sent_to_a_stopped_store_waits_and_is_handled_at_the_next_run(store: Path) -> None:
    result = call(store, "send", "till", "pay", "amount=30", "note=7", "--app", APP)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("sent pay to 'till', where it waits for the next run; id ")
    (line,) = call(store, "ls", "--json").stdout.splitlines()
    assert (json.loads(line)["mail"], json.loads(line)["handled"]) == (1, 0)
    assert taken(store) == (30, "7")


def test_no_turn_begins_and_no_timer_fires_while_a_stopped_store_is_written_to(store: Path) -> None:
    for _ in range(3):
        assert call(store, "send", "till", "pay", "amount=1", "--app", APP, "--delay", "0.001").exit_code == 0
    view = json.loads(call(store, "ls", "--json").stdout)
    assert (view["mail"], view["handled"]) == (0, 0)
    assert "3 timers" in call(store, "ls").stderr
    assert taken(store) == (3, "")


def test_the_same_id_sends_once(store: Path) -> None:
    for _ in range(2):
        assert call(store, "send", "till", "pay", "amount=5", "--id", "a", "--app", APP).exit_code == 0
    reused = call(store, "send", "till", "pay", "amount=6", "--id", "a", "--app", APP)
    assert (reused.exit_code, "was used at 'till' with another message" in reused.stderr) == (2, True)
    assert taken(store) == (5, "")


def test_without_its_code_nothing_is_sent_to_a_stopped_store(store: Path) -> None:
    result = call(store, "send", "till", "pay", "amount=30")
    assert result.exit_code == 6
    assert "add --app shop.py, or --app module:Class. Nothing was sent" in result.stderr
    assert json.loads(call(store, "ls", "--json").stdout)["mail"] == 0


@pytest.mark.parametrize(
    ("app", "text"),
    [
        ("none.py", "'none.py' does not exist"),
        ("no_such_module", "No module named 'no_such_module'"),
        (f"{__name__}:Bank", "has no 'Bank'"),
    ],
)
def test_code_that_is_not_there_is_a_mistake_of_usage(store: Path, app: str, text: str) -> None:
    result = call(store, "send", "till", "pay", "amount=30", "--app", app)
    assert (result.exit_code, text in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["amount=x"], "amount=x is no int"),
        (["amount"], "'amount' is no parameter: write KEY=VALUE"),
        (["amount=1", "amount=2"], "amount is given twice"),
        ([], "amount must be given. It takes pay(amount: int, note: str = '')"),
        (["amount=1", "tip=2"], "pay has no parameter tip"),
        (["--json", '{"amount": "1"}'], 'amount="1" is no int'),
        (["--json", "amount"], "no JSON object"),
    ],
)
def test_parameters_that_do_not_fit_are_named(store: Path, words: list[str], text: str) -> None:
    result = call(store, "send", "till", "pay", *words, "--app", APP)
    assert (result.exit_code, text in result.stderr) == (2, True)
    assert json.loads(call(store, "ls", "--json").stdout)["mail"] == 0


def test_nobody_answers_on_a_stopped_store(store: Path) -> None:
    result = call(store, "ask", "till", "pay", "amount=30")
    assert result.exit_code == 4
    assert "there is no control socket. Nobody would answer: callboard send leaves a message" in result.stderr


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for verb in ("send", "ask"):
        assert call(tmp_path / "s", verb, "till", "pay", "amount=30").exit_code == 4
    assert not (tmp_path / "s").exists()


def test_a_store_that_is_held_and_takes_no_commands_says_who_holds_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "PATIENCE_S", 0.1)
    lock = take_lock(store, 0)
    try:
        result = call(store, "send", "till", "pay", "amount=30", "--app", APP)
    finally:
        lock.release()
    assert result.exit_code == 4
    assert "in use by this very process" in result.stderr
    assert "It takes no commands either: no node answers over the store" in result.stderr


# Beside a running node.


@pytest.mark.usefixtures("unlooked")
async def test_beside_a_node_messages_are_handled_and_replies_printed_as_json(store: Path) -> None:
    async with open_node(store, types=[Till]) as node:
        sent = await beside(store, "send", "till", "pay", "amount=30")
        assert (sent.exit_code, "sent pay to 'till'; id " in sent.stderr) == (0, True)
        asked = await beside(store, "ask", "till", "pay", '--json={"amount": 5, "note": "x"}')
        assert (asked.exit_code, asked.stdout) == (0, "35\n")
        refused = await beside(store, "ask", "till", "sell", "what=tea")
        assert (refused.exit_code, refused.stdout, refused.stderr) == (6, "", "Error: no tea left\n")
        late = await beside(store, "ask", "till", "wait", "--timeout", "0.05")
        assert (late.exit_code, "'till' did not answer wait() within" in late.stderr) == (1, True)
        nobody = await beside(store, "ask", "nobody", "pay", "amount=1")
        assert nobody.exit_code == 3
        typed = await beside(store, "send", "new", "pay", "amount=1", "--type", "sending.Till")
        assert typed.exit_code == 0
        assert node.statistics().queued == 2
