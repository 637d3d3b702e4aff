"""What `why` says about an actor that makes no progress, and `ls` and `show` about types that are paused."""

import json
from pathlib import Path
from typing import Any

import pytest

from callboard.mailbox.maps import PAUSED
from callboard.mailbox.meta import PAUSED_KEY, SUSPECTS_KEY
from callboard.mailbox.reading import find_mailbox, peek
from callboard.mailbox.records import Children, key, name_key, pack
from callboard.mailbox.store import Table
from callboard.mailbox.suspects import Suspect, pack_suspects

from .test_console_store import MINUTE, NOW, SECOND, call, envelope, shelf


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """A store with an actor for each reason."""
    path = tmp_path / "office"
    failed: dict[str, Any] = {
        "error": "OSError: offline",
        "failed_at": NOW - 3 * MINUTE,
        "retry_at": NOW + 50 * SECOND,
    }
    with shelf(path) as made:
        made.box("idle", handled=12, state={})
        made.timer("idle", NOW + 3600 * SECOND, envelope("remind", args={}))
        made.box("next", envelope(), state={})
        made.box("stuck", envelope(), envelope("withdraw"), envelope(), attempts=3, **failed)
        made.box("asleep", envelope(), starts=2, **failed)
        made.box("halted", envelope(), envelope(), paused="place() failed: OSError: offline", attempts=12)
        made.box("order/1", envelope("place", type="Order"), type="Order")
        made.box("ghost", envelope("hello"), type="", life=0, park_at=NOW + 50 * MINUTE)
        made.box("ended", type="", life=2)
        made.box("garbled", b"\x93\x01garbage")
        made.put(Table.META, PAUSED_KEY, PAUSED.pack({"Order": "the shop is closed", "Other": "x"}))
        children = Children("tills", "", "one_for_one, 3 restarts in 5 s", ["next"], ["Account"])
        made.put(Table.CHILDREN, name_key("tills"), pack(children))
    return path


SAID = {
    "idle": """
        'idle' has nothing to do: no mail waits. It has handled 12 messages.
        The next message is a timer's, remind(), in 59 min.
        what to do
        If you expected mail: look at who was to send it, and whether it died: callboard dead ls
    """,
    "stuck": """
        'stuck' has failed, and waits to try again: 3 attempts at deposit(amount=30),
        the first 3 min ago; the next in 49 s
        OSError: offline
        3 messages wait there, the oldest sent 4 min ago: a mailbox is handled in order,
        so what fails at its head holds what came after it, and no other mailbox.
        what to do
        Mend what fails and wait, or restart the node with better code. When its attempts are used up,
        the message is a dead letter (callboard dead ls --box 'stuck'), or the mailbox pauses, as declared.
    """,
    "asleep": """
        'asleep' has failed, and waits to try again: 2 attempts at waking the actor,
        the first 3 min ago; the next in 49 s
        OSError: offline
        1 message waits there.
        what to do
        Mend what keeps it from starting; after 12 attempts in a row it is paused and keeps its mail.
    """,
    "halted": """
        'halted' is paused: place() failed: OSError: offline.
        2 messages wait there, the oldest sent 4 min ago: a mailbox is handled in order,
        so what fails at its head holds what came after it, and no other mailbox.
        what to do
        When what is said there is put right: await node.resume(node.ref(…, 'halted')).
        Its attempts then begin at zero.
    """,
    "order/1": """
        All actors of type Order are paused: the shop is closed.
        1 message waits there.
        what to do
        For all of them to go on: await node.resume_type('Order').
    """,
    "ghost": """
        No actor lives at 'ghost': none was ever spawned. Its mail becomes dead letters in 49 min.
        1 message waits there.
        what to do
        Spawn one: await node.spawn(…, name='ghost'). It finds the mail that waits.
    """,
    "ended": """
        No actor lives at 'ended': the last of 2 has ended.
        what to do
        Spawn one: await node.spawn(…, name='ended'). It finds the mail that waits.
    """,
    "garbled": """
        The next message cannot be read: not an envelope:
    """,
    "next": """
        Nothing on disk holds 'next': deposit(amount=30) is next, and its turn comes when a node runs.
        It is a child of the supervisor 'tills': its mail waits from the node's start
        until its tree is started, and from a failure until that has decided.
        what to do
        The store does not tell whether a node runs, or is in the middle of that turn,
        nor whether its code has the class 'Account' with a handler 'deposit' of version 1:
        without one, the mailbox waits for a deploy, and the node's log says so.
        See what it is doing: callboard tree. The tree is started by await node.start(…).
    """,
}


@pytest.mark.parametrize("name", SAID)
def test_why_says_what_holds_an_actor_and_what_to_do(office: Path, name: str) -> None:
    result = call("why", name, "--store", office)
    assert (result.exit_code, result.stderr) == (0, "")
    assert " ".join(result.stdout.split()).startswith(" ".join(SAID[name].split()))


def test_why_as_json_has_a_word_for_each_reason(office: Path) -> None:
    found = json.loads(call("why", "next", "--store", office, "--json").stdout)
    assert (found["v"], found["name"], found["condition"]) == (1, "next", "running")
    assert [each["reason"] for each in found["reasons"]] == ["next", "supervised"]


def test_why_does_not_know_a_name_that_is_not_there(office: Path) -> None:
    result = call("why", "stuk", "--store", office)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "Did you mean 'stuck'" in result.stderr
    assert call("why", "\udcff", "--store", office).exit_code == 3


def test_why_says_that_a_mailbox_is_damaged(office: Path) -> None:
    with shelf(office) as made:
        made.put(Table.BOXES, key(1), b"rubbish!")
    assert call("why", "idle", "--store", office).exit_code == 5


def test_ls_and_show_call_an_actor_of_a_paused_type_paused_with_the_reason(office: Path) -> None:
    (line,) = call("ls", "order/1", "--store", office).stdout.splitlines()[1:]
    assert line.split(maxsplit=6)[2] == "paused"
    assert line.endswith("the shop is closed")
    shown = call("show", "order/1", "--store", office).stdout
    assert "condition  paused, with all of type Order: the shop is closed" in shown
    found = json.loads(call("show", "order/1", "--store", office, "--json").stdout)
    assert (found["condition"], found["paused"], found["type_paused"]) == (
        "paused",
        None,
        "the shop is closed",
    )


def test_a_damaged_record_of_paused_types_hides_no_mailbox(office: Path) -> None:
    with shelf(office) as made:
        made.put(Table.META, PAUSED_KEY, b"rubbish!")
    assert len(call("ls", "--store", office).stdout.splitlines()) == 10


@pytest.mark.parametrize("crashes", [0, 2])
def test_why_says_who_is_suspected_of_having_killed_the_process(office: Path, crashes: int) -> None:
    with shelf(office) as made:
        view = find_mailbox(made.store, "next")
        assert view is not None
        number = peek(made.store, "next")[0].number
        made.put(Table.META, SUSPECTS_KEY, pack_suspects({view.box: Suspect(number, crashes)}))
    said = " ".join(call("why", "next", "--store", office).stdout.split())
    assert said.startswith("The next message, deposit(amount=30), is suspected: the process was killed")
    assert f"{crashes} times in a row while it ran alone" in said
    with shelf(office) as made:
        made.put(Table.META, SUSPECTS_KEY, pack_suspects({view.box: Suspect(number + 1)}))
    assert "suspected" not in call("why", "next", "--store", office).stdout
