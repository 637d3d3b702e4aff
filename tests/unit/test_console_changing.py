"""What `pause`, `resume`, `stop` and the verbs of `dead` do on a stopped store and beside its node."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from callboard import Actor, Retry, handler, open_node
from callboard.console import changing, errands, reaching
from callboard.console.command import main
from callboard.mailbox.lock import take_lock

APP = f"{__name__}:Cook"


class Cook(Actor, type_name="changing.Cook"):
    """Fails at most of what it is told."""

    cooked: int = 0

    @handler
    async def cook(self) -> int:
        self.cooked += 1
        return self.cooked

    @handler(retry=Retry(attempts=1))
    async def burn(self, what: str) -> None:
        raise ValueError(f"burnt {what}")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A stopped store with two actors and three dead letters."""

    async def fill() -> None:
        async with open_node(tmp_path / "s", types=[Cook]) as node:
            cook = await node.spawn(Cook(), name="cook")
            await node.spawn(Cook(), name="other")
            for what in ("soup", "fish", "cake"):
                await cook.tell(Cook.burn(what))
            await node.wait_idle()

    trio.run(fill)
    return tmp_path / "s"


def call(store: Path, *arguments: str) -> Result:
    """What a command says, and its exit code."""
    return CliRunner().invoke(main, [*arguments, "--store", str(store)])


def listed(store: Path, *arguments: str) -> list[dict[str, Any]]:
    """The objects that a command prints."""
    return [json.loads(line) for line in call(store, *arguments, "--json").stdout.splitlines()]


def mail(store: Path) -> dict[str, int]:
    return {view["name"]: view["mail"] for view in listed(store, "ls")}


def dead(store: Path) -> list[int]:
    return [letter["number"] for letter in listed(store, "dead", "ls")]


# Actors.


def test_an_actor_of_a_stopped_store_is_paused_until_it_is_resumed(store: Path) -> None:
    paused = call(store, "pause", "cook", "--reason", "too hot")
    assert (paused.exit_code, paused.stderr) == (0, "paused 'cook', as the next run will see\n")
    assert "too hot" in call(store, "why", "cook").stdout

    async def run() -> None:
        async with open_node(store, types=[Cook]) as node:
            await node.ref(Cook, "cook").tell(Cook.cook())
            await node.wait_idle()

    trio.run(run)
    assert mail(store) == {"cook": 1, "other": 0}
    assert call(store, "resume", "cook").exit_code == 0
    trio.run(run)
    assert mail(store) == {"cook": 0, "other": 0}


def test_all_actors_of_a_type_are_paused_and_resumed(store: Path) -> None:
    assert "all actors of type changing.Cook" in call(store, "pause", "--type", "changing.Cook").stderr
    assert [view["condition"] for view in listed(store, "ls")] == ["paused", "paused"]
    assert call(store, "resume", "--type", "changing.Cook").exit_code == 0
    assert [view["condition"] for view in listed(store, "ls")] == ["running", "running"]


def test_a_life_ends_at_the_next_run_and_only_with_yes(store: Path) -> None:
    asked = call(store, "stop", "cook")
    assert asked.exit_code == 0
    assert "would end the life of 'cook' (changing.Cook), and its state would go for good" in asked.stderr
    assert mail(store)["cook"] == 0
    done = call(store, "stop", "cook", "--yes")
    assert (done.exit_code, done.stderr) == (0, "'cook' stops behind its mail, as the next run will see\n")

    async def run() -> None:
        async with open_node(store, types=[Cook]) as node:
            await node.wait_idle()
            assert node.statistics().actors == 1

    trio.run(run)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["pause"], 2, "the name of an actor, or --type TYPE"),
        (["resume", "cook", "--type", "changing.Cook"], 2, "one of them"),
        (["pause", "cook", "--reason", " "], 2, "takes a text that says why"),
        (["pause", "coook"], 3, "there is no mailbox 'coook'"),
        (["stop"], 2, "the name of an actor, or --node"),
        (["stop", "coook"], 3, "Did you mean 'cook'?"),
        (["stop", "coook", "--yes"], 3, "there is no mailbox 'coook'"),
        (["stop", "--node"], 4, "there is no control socket"),
    ],
    ids=repr,
)
def test_what_cannot_be_done_says_why(store: Path, arguments: list[str], code: int, text: str) -> None:
    result = call(store, *arguments)
    assert (result.exit_code, text in result.stderr) == (code, True), result.stderr


def test_a_store_that_is_held_and_takes_no_commands_says_who_holds_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "PATIENCE_S", 0.0)
    lock = take_lock(store, 0)
    try:
        results = [
            call(store, "pause", "cook"),
            call(store, "resume", "cook"),
            call(store, "stop", "cook", "--yes"),
            call(store, "dead", "replay", "--yes"),
        ]
    finally:
        lock.release()
    assert [result.exit_code for result in results] == [4, 4, 4, 4]
    assert all("in use by this very process" in result.stderr for result in results)
    assert dead(store) == [1, 2, 3]


# Dead letters.


@pytest.mark.parametrize(
    "verb", [["replay"], ["redirect", "other", "--app", APP], ["drop", "--all"]], ids=" ".join
)
def test_without_yes_the_letters_are_shown_and_stay(store: Path, verb: list[str]) -> None:
    result = call(store, "dead", *verb)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["NUMBER", "1", "2", "3"]
    assert result.stderr == f"would {verb[0]} 3 dead letters; nothing was changed: add --yes to do it\n"
    assert dead(store) == [1, 2, 3]
    assert mail(store) == {"cook": 0, "other": 0}


def test_replayed_letters_wait_in_their_mailbox(store: Path) -> None:
    result = call(store, "dead", "replay", "1", "3", "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "replayed 2 dead letters\n")
    assert dead(store) == [2]
    assert mail(store) == {"cook": 2, "other": 0}


def test_redirected_letters_wait_in_another_mailbox_whose_code_has_to_be_loaded(store: Path) -> None:
    without = call(store, "dead", "redirect", "other", "--yes")
    assert (without.exit_code, "add --app shop.py" in without.stderr) == (6, True)
    result = call(store, "dead", "redirect", "other", "2", "--yes", "--app", APP)
    assert (result.exit_code, result.stderr) == (0, "redirected 1 dead letter\n")
    assert dead(store) == [1, 3]
    assert mail(store) == {"cook": 0, "other": 1}
    assert call(store, "dead", "redirect", "nobody", "--yes", "--app", APP).exit_code == 3


def test_dropped_letters_are_gone(store: Path) -> None:
    assert call(store, "dead", "drop", "--error", "Key*", "--yes").stderr.startswith("no dead letters fit")
    most = call(store, "dead", "drop", "--box", "cook", "--most", "2", "--yes")
    assert most.stderr == "dropped 2 dead letters; there are more, for which say it again or give --most\n"
    assert dead(store) == [3]
    assert call(store, "dead", "drop", "--all", "--yes").exit_code == 0
    assert dead(store) == []


def test_drop_wants_to_know_which(store: Path) -> None:
    result = call(store, "dead", "drop", "--yes")
    assert (result.exit_code, "drop which?" in result.stderr) == (2, True)
    assert dead(store) == [1, 2, 3]


def test_letters_that_stay_are_told_and_make_it_no_success(store: Path) -> None:
    result = call(store, "dead", "drop", "2", "9", "--yes")
    assert result.exit_code == 1
    assert result.stderr == "dropped 1 dead letter\nError: 9 stays: there is no dead letter of this number\n"


def test_programs_get_the_numbers(store: Path) -> None:
    (found,) = listed(store, "dead", "replay", "--type", "changing.Cook", "--reason", "failed")
    assert found == {
        "v": 1,
        "verb": "replay",
        "done": [1, 2, 3],
        "kept": [],
        "more": False,
        "dry_run": True,
    }


# Beside a running node.


def unseen(*_: object) -> nullcontext[None]:
    """Stands for a look at the store."""
    return nullcontext()


@pytest.fixture
def unlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the looks at the store: one process opens a store's file once."""
    monkeypatch.setattr(reaching, "looking", unseen)
    monkeypatch.setattr(errands, "_show", unseen)
    monkeypatch.setattr(changing, "_prospect", unseen)


@pytest.mark.usefixtures("unlooked")
async def test_beside_a_node_it_is_the_node_that_does_it(store: Path) -> None:
    async def beside(*arguments: str) -> str:
        result = await trio.to_thread.run_sync(call, store, *arguments)
        assert result.exit_code == 0, result.output
        return result.stderr

    async with open_node(store, types=[Cook]) as node:
        cook = node.ref(Cook, "cook")
        assert await beside("pause", "cook") == "paused 'cook'\n"
        await cook.tell(Cook.cook())
        await node.wait_idle()
        assert node.statistics().queued == 1
        await beside("resume", "cook")
        assert await cook.ask(Cook.cook()) == 2
        assert await beside("dead", "replay", "1", "--yes") == "replayed 1 dead letter\n"
        await node.wait_idle()
        assert [letter.number for letter in node.dead.letters()] == [2, 3, 4]
        await beside("dead", "redirect", "other", "2", "--yes")
        await node.wait_idle()
        assert [letter.box for letter in node.dead.letters()] == ["cook", "cook", "other"]
        await beside("stop", "cook")
        assert node.statistics().actors == 2
        assert await beside("stop", "cook", "--yes") == "'cook' stops behind its mail\n"
        await node.watch(cook)


@pytest.mark.usefixtures("unlooked")
async def test_a_node_is_ended_in_good_order(store: Path) -> None:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, open_node(store, types=[Cook]):
            nursery.start_soon(trio.to_thread.run_sync, call, store, "stop", "--node")
            await trio.sleep_forever()
    async with open_node(store, types=[Cook]) as node:
        assert node.store.identity.clean
