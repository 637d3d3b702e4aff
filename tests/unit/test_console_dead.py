"""What `dead ls` and `dead show` say about messages that were given up."""

import json
import re
from pathlib import Path

import pytest

from callboard.mailbox.records import key
from callboard.mailbox.store import Table

from .test_console_store import NOW, SECOND, call, envelope, shelf

TRACEBACK = (
    'Traceback (most recent call last):\n  File "bank.py", line 20, in withdraw\nInsufficientFunds: no\n'
)


@pytest.fixture
def morgue(tmp_path: Path) -> Path:
    """A store with one dead letter of each kind, and a gap between their numbers."""
    path = tmp_path / "morgue"
    with shelf(path) as made:
        made.dead(
            1,
            envelope("withdraw", args={"amount": 50, "note": b"\x00\xff"}, sender="shop"),
            error="InsufficientFunds",
            text="ann has 20, asked 50\nsecond line",
            traceback=TRACEBACK,
        )
        made.dead(2, b"\x93\x01garbage", reason="undecodable", error="Undecodable", text="not an envelope")
        hello = envelope("hello", type="Nobody", args={})
        made.dead(
            5,
            hello,
            box="ghost",
            type="",
            reason="unclaimed",
            error="",
            text="no actor lives here",
            attempts=0,
        )
        made.dead(7, envelope("place", type="Order", codec=9, body=b"\x01\x02"), box="order/1", type="Order")
    return path


def numbers(path: Path, *options: str) -> list[int]:
    """The numbers of the letters that `dead ls` lists."""
    lines = call("dead", "ls", "--store", path, "--json", *options).stdout.splitlines()
    return [json.loads(line)["number"] for line in lines]


def test_dead_ls_has_a_line_for_each_letter_in_the_order_of_death(morgue: Path) -> None:
    result = call("dead", "ls", "--store", morgue)
    titles, *lines = result.stdout.splitlines()
    assert re.split("  +", titles) == [
        *("NUMBER", "MAILBOX", "TYPE", "MESSAGE", "REASON", "ERROR", "ATTEMPTS", "DIED"),
    ]
    assert [line.split()[0] for line in lines] == ["1", "2", "5", "7"]
    assert "withdraw(amount=50, note=0x00ff)" in lines[0]
    assert "InsufficientFunds: ann has 20, asked 50  " in lines[0]
    assert re.split("  +", lines[1].strip()) == [
        *(
            "2",
            "ann",
            "Account",
            "(unreadable)",
            "undecodable",
            "Undecodable: not an envelope",
            "12",
            "2.0 s ago",
        ),
    ]
    assert "ghost    Nobody   hello()" in lines[2]
    assert "unclaimed" in lines[2]
    assert result.stderr == "4 dead letters; callboard dead show NUMBER has the traceback\n"


def test_dead_ls_filters_by_the_type_the_mail_was_for_and_by_error(morgue: Path) -> None:
    assert numbers(morgue) == [1, 2, 5, 7]
    assert numbers(morgue, "--type", "Account") == [1, 2]
    assert numbers(morgue, "--type", "No*") == [5]
    assert numbers(morgue, "--error", "*Funds") == [1]
    assert numbers(morgue, "--error", "ValueError", "--type", "Order") == [7]
    assert call("dead", "ls", "--store", morgue, "--type", "O*").stderr.startswith("1 of 4 dead letters")


def test_dead_ls_filters_by_mailbox_and_reason(morgue: Path) -> None:
    assert numbers(morgue, "--box", "order/*") == [7]
    assert numbers(morgue, "--reason", "unclaimed") == [5]
    assert numbers(morgue, "--reason", "failed", "--box", "ann") == [1]
    listed = call("dead", "ls", "--store", morgue, "--box", "nobody")
    assert (listed.stdout, listed.stderr) == ("", "0 of 4 dead letters\n")


def test_dead_ls_groups_by_error_with_ages(morgue: Path) -> None:
    with shelf(morgue) as made:
        made.dead(8, envelope(), died_at=NOW - 9 * SECOND)
        made.dead(9, envelope(), died_at=NOW - 4 * SECOND)
    result = call("dead", "ls", "--group", "--store", morgue)
    titles, *lines = (re.split("  +", line.strip()) for line in result.stdout.splitlines())
    assert titles == ["COUNT", "ERROR", "REASON", "OLDEST", "NEWEST", "EXAMPLE", "TEXT"]
    assert lines[0] == ["3", "ValueError", "failed", "2.0 s ago", "5.0 s ago", "9", "no"]
    assert sorted(line[1] for line in lines[1:]) == ["-", "InsufficientFunds", "Undecodable"]
    assert result.stderr == "6 dead letters in 4 groups\n"
    (found,) = call(
        "dead", "ls", "--group", "--json", "--box", "ghost", "--store", morgue
    ).stdout.splitlines()
    group = json.loads(found)
    assert (group["count"], group["reason"], group["error"], group["example"]) == (1, "unclaimed", None, 5)


def test_letters_that_cannot_be_read_are_a_group_of_their_own(morgue: Path) -> None:
    with shelf(morgue) as made:
        made.put(Table.DEAD, key(5), b"rubbish!")
    result = call("dead", "ls", "--group", "--error", "Nothing", "--store", morgue)
    assert result.exit_code == 1
    assert [line.split()[2] for line in result.stdout.splitlines()[1:]] == ["(unreadable)"]
    assert "1 dead letter cannot be read" in result.stderr


def test_groups_of_no_letters_say_so(tmp_path: Path) -> None:
    with shelf(tmp_path / "s"):
        pass
    result = call("dead", "ls", "--group", "--store", tmp_path / "s")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no dead letters\n")


def test_a_letter_that_was_replayed_before_says_how_often(morgue: Path) -> None:
    with shelf(morgue) as made:
        made.dead(8, envelope(), replays=2, restarts=1, life=1)
    text = call("dead", "show", "8", "--store", morgue).stdout
    assert "replays   2 before this" in text
    assert "restarts  1 of its actor before this" in text
    found = json.loads(call("dead", "show", "8", "--store", morgue, "--json").stdout)
    assert (found["life"], found["restarts"], found["replays"]) == (1, 1, 2)


def test_a_store_without_dead_letters_says_so(tmp_path: Path) -> None:
    with shelf(tmp_path / "s"):
        pass
    result = call("dead", "ls", "--store", tmp_path / "s")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no dead letters\n")


def test_dead_show_has_the_message_the_error_and_the_traceback(morgue: Path) -> None:
    text = call("dead", "show", "1", "--store", morgue).stdout
    for line in (
        "message   withdraw(amount=50, note=0x00ff)",
        "id        1-7",
        "sent      4 min ago by shop",
        "reason    failed",
        "error     InsufficientFunds: ann has 20, asked 50",
        "          second line",
        "attempts  12",
        "traceback",
        '    File "bank.py", line 20, in withdraw',
    ):
        assert line in text.splitlines()
    assert "bytes" not in text


def test_dead_show_gives_undecodable_bytes_in_hex(morgue: Path) -> None:
    result = call("dead", "show", "2", "--store", morgue)
    assert result.exit_code == 0
    assert "000000  93 01 67 61 72 62 61 67 65                       ..garbage" in result.stdout
    found = json.loads(call("dead", "show", "2", "--store", morgue, "--json").stdout)
    assert found["bytes"] == {"$hex": b"\x93\x01garbage".hex()}


def test_a_body_in_an_unknown_codec_leaves_the_rest_of_the_letter_readable(morgue: Path) -> None:
    text = call("dead", "show", "7", "--store", morgue).stdout
    assert "place(0x0102) (unreadable: its body is in codec 9" in text
    assert "bytes" in text


def test_dead_show_as_json_has_everything(morgue: Path) -> None:
    found = json.loads(call("dead", "show", "1", "--store", morgue, "--json").stdout)
    assert (found["v"], found["number"], found["mailbox"]) == (1, 1, "ann")
    assert found["message"]["body"] == {"amount": 50, "note": {"$hex": "00ff"}}
    assert found["traceback"] == TRACEBACK
    assert found["bytes"] is None
    assert found["died"].endswith("Z")


@pytest.mark.parametrize("number", [3, 99, (1 << 64) - 1])
def test_a_number_that_no_letter_has_is_not_found(morgue: Path, number: int) -> None:
    result = call("dead", "show", number, "--store", morgue)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"no dead letter {number}" in result.stderr


@pytest.mark.parametrize("number", ["0", "-1", "one", str(1 << 64)])
def test_what_is_no_number_is_a_mistake_of_usage(morgue: Path, number: str) -> None:
    assert call("dead", "show", "--store", morgue, "--", number).exit_code == 2


def test_a_damaged_record_is_listed_and_its_bytes_are_shown(morgue: Path) -> None:
    with shelf(morgue) as made:
        made.put(Table.DEAD, key(5), b"rubbish!")
    listed = call("dead", "ls", "--store", morgue, "--type", "Order")
    assert listed.exit_code == 1
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["5", "7"]
    assert "1 dead letter cannot be read" in listed.stderr
    shown = call("dead", "show", "5", "--store", morgue)
    assert shown.exit_code == 1
    assert "rubbish!" in shown.stdout
    assert json.loads(call("dead", "show", "5", "--store", morgue, "--json").stdout)["message"] is None


def test_many_dead_letters_are_listed_page_by_page_and_counted(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        for number in range(1, 351):
            made.dead(number, envelope(), died_at=NOW - SECOND)
    assert numbers(tmp_path / "s") == list(range(1, 351))
    assert "350 dead letters" in call("ls", "--store", tmp_path / "s").stderr
