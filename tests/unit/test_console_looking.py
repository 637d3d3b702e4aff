"""What `ls`, `show` and `peek` say about a store."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from callboard.mailbox.reading import list_mailboxes
from callboard.mailbox.records import COUNTERS_KEY, key
from callboard.mailbox.store import Store, Table
from callboard.mailbox.views import MailboxView

from .test_console_store import MINUTE, NOW, SECOND, Shelf, call, envelope, shelf


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A store with a bit of everything."""
    path = tmp_path / "bank"
    with shelf(path) as made:
        fill(made)
    return path


def fill(made: Shelf) -> None:
    made.box("ann", envelope(), envelope("withdraw", (1 << 40) + 8, sender="bank"), state={"owner": "Ann"})
    made.box(
        "bob",
        envelope("withdraw", sent_at=NOW - 9 * MINUTE),
        *[envelope()] * 15,
        state={"owner": "Bob"},
        attempts=3,
        retry_at=NOW + 3600 * SECOND,
        error="InsufficientFunds: Bob has 0",
        failed_at=NOW - 3 * MINUTE,
        handled=1204,
    )
    made.box("order/1", type="Order", state={"lines": [{"sku": "x", "n": 2}], "photo": b"\x00\xff"})
    made.box(
        "order/2", envelope("place", type="Order"), type="Order", paused="place() failed: OSError: offline"
    )
    made.box("ghost", envelope("hello", type="Nobody"), type="", park_at=NOW + 50 * MINUTE)
    made.timer("order/1", NOW + 3600 * SECOND, envelope("remind", type="Order"), timer_key="again")
    made.timer("order/1", NOW - SECOND, envelope("expire", type="Order"), setter="bank")
    made.timer("order/2", NOW + SECOND, envelope("remind", type="Order"))
    made.dead(1, envelope())


def rows(text: str) -> list[list[str]]:
    """The cells of a table's lines, the titles left out."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()[1:]]


def objects(text: str) -> list[dict[str, Any]]:
    """The objects of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_ls_has_a_line_for_each_mailbox_with_its_condition_and_mail(bank: Path) -> None:
    result = call("ls", "--store", bank)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        "NAME",
        "TYPE",
        "CONDITION",
        "MAIL",
        "OLDEST",
        "ATTEMPTS",
    ]
    assert rows(result.stdout) == [
        ["ann", "Account", "running", "2", "4 min", "0"],
        ["bob", "Account", "retrying", "16", "9 min", "3", "InsufficientFunds: Bob has 0"],
        ["order/1", "Order", "running", "0", "-", "0"],
        ["order/2", "Order", "paused", "1", "4 min", "0", "place() failed: OSError: offline"],
        ["ghost", "-", "no actor", "1", "4 min", "0", "mail dies in 49 min"],
    ]


def test_ls_sums_the_store_up_on_stderr(bank: Path) -> None:
    assert call("ls", "--store", bank).stderr == "4 actors, 20 messages waiting, 3 timers, 1 dead letter\n"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["order/*"], ["order/1", "order/2"]),
        (["*/1"], ["order/1"]),
        (["ann"], ["ann"]),
        (["a"], []),
        (["--type", "Account"], ["ann", "bob"]),
        (["--type", "O*", "*2"], ["order/2"]),
        (["--sort", "name"], ["ann", "bob", "ghost", "order/1", "order/2"]),
        (["--sort", "mail"], ["bob", "ann", "ghost", "order/2", "order/1"]),
        (["--sort", "age"], ["bob", "ann", "ghost", "order/2", "order/1"]),
        (["--sort", "attempts"], ["bob", "ann", "ghost", "order/1", "order/2"]),
        (["--sort", "age", "-n", "2"], ["bob", "ann"]),
        (["--type", "O*", "-n", "1"], ["order/1"]),
    ],
    ids=" ".join,
)
def test_ls_filters_and_sorts(bank: Path, arguments: list[str], names: list[str]) -> None:
    result = call("ls", *arguments, "--store", bank)
    assert (result.exit_code, [row[0] for row in rows(result.stdout)]) == (0, names)
    assert [
        found["name"] for found in objects(call("ls", *arguments, "--store", bank, "--json").stdout)
    ] == names


def test_the_first_of_many_mailboxes_are_listed_without_a_look_at_the_others(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[int]()
    monkeypatch.setattr("callboard.console.looking.PAGE", 2)

    def noted(store: Store, *, after: int, limit: int) -> list[MailboxView]:
        read.append(after)
        return list_mailboxes(store, after=after, limit=limit)

    monkeypatch.setattr("callboard.console.looking.list_mailboxes", noted)
    result = call("ls", "-n", "2", "--store", bank)
    assert [row[0] for row in rows(result.stdout)] == ["ann", "bob"]
    assert result.stderr.startswith("2 shown; in the whole store 4 actors")
    assert read == [0]


def test_a_filter_that_nothing_fits_prints_no_data_and_says_so(bank: Path) -> None:
    result = call("ls", "nobody/*", "--store", bank)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("no mailbox matches; in the whole store 4 actors")


def test_brackets_and_question_marks_in_a_pattern_are_plain_characters(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        for name in ("a[1]", "a1", "a?", "ab"):
            made.box(name)
    found = [call("ls", pattern, "--store", tmp_path / "s", "--json").stdout for pattern in ("*[1]", "a?*")]
    assert [[each["name"] for each in objects(text)] for text in found] == [["a[1]"], ["a?"]]


def test_json_lines_have_a_version_plain_numbers_and_times_in_utc(bank: Path) -> None:
    result = call("ls", "bob", "--store", bank, "--json")
    assert result.stderr == ""
    (found,) = objects(result.stdout)
    assert found["v"] == 1
    assert (found["mail"], found["attempts"], found["handled"]) == (16, 3, 1204)
    assert (found["oldest"], found["next_attempt"]) == (
        "2027-01-15T07:51:00.000000Z",
        "2027-01-15T09:00:00.000000Z",
    )
    assert found["paused"] is None


def test_an_empty_store_lists_nothing_and_is_no_error(tmp_path: Path) -> None:
    with shelf(tmp_path / "s"):
        pass
    result = call("ls", "--store", tmp_path / "s")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "0 actors, 0 messages waiting, 0 timers, 0 dead letters\n"
    assert call("ls", "--store", tmp_path / "s", "--json").stdout == ""


def test_show_tells_state_timers_and_mail(bank: Path) -> None:
    assert call("show", "order/1", "--store", bank).stdout == (
        "name       order/1\n"
        "type       Order\n"
        "condition  running\n"
        "mail       0 messages\n"
        "handled    0 messages, in life 1\n"
        "\n"
        "state\n"
        "  lines  [{'sku': 'x', 'n': 2}]\n"
        "  photo  0x00ff\n"
        "\n"
        "timers\n"
        "  due 2.0 s ago  expire(amount=30)  from bank\n"
        "  in 59 min  remind(amount=30)  key 'again'\n"
    )


def test_show_tells_what_fails_since_when_and_when_the_next_attempt_is(bank: Path) -> None:
    text = call("show", "bob", "--store", bank).stdout
    assert "retrying" in text
    assert "3 attempts at withdraw(amount=30), the first 3 min ago; the next in 59 min" in text
    assert "InsufficientFunds: Bob has 0" in text
    assert "16 messages, the oldest sent 9 min ago" in text
    assert "1,204 messages, in life 1" in text


def test_show_gives_the_reason_of_a_condition(bank: Path) -> None:
    assert "paused: place() failed: OSError: offline" in call("show", "order/2", "--store", bank).stdout
    ghost = call("show", "ghost", "--store", bank).stdout
    assert "no actor: its mail dies in 49 min unless one is spawned" in ghost
    assert "state" not in ghost


def test_show_as_json_has_state_timers_and_the_message_in_hand(bank: Path) -> None:
    (order,) = objects(call("show", "order/1", "--store", bank, "--json").stdout)
    assert order["state"] == {"lines": [{"sku": "x", "n": 2}], "photo": {"$hex": "00ff"}}
    assert [(timer["handler"], timer["key"]) for timer in order["timers"]] == [
        ("expire", None),
        ("remind", "again"),
    ]
    (bob,) = objects(call("show", "bob", "--store", bank, "--json").stdout)
    assert (bob["head"]["handler"], bob["head"]["body"]) == ("withdraw", {"amount": 30})


def test_peek_shows_the_next_messages_with_sender_age_and_attempts(bank: Path) -> None:
    result = call("peek", "ann", "--store", bank)
    assert rows(result.stdout) == [
        ["1-7", "deposit(amount=30)", "outside", "4 min ago", "0"],
        ["1-8", "withdraw(amount=30)", "bank", "4 min ago", "0"],
    ]
    assert result.stderr == ""


def test_peek_counts_attempts_for_the_message_in_hand_alone(bank: Path) -> None:
    result = call("peek", "bob", "--store", bank, "-n", 3)
    assert [row[-1] for row in rows(result.stdout)] == ["3", "0", "0"]
    assert result.stderr == "3 of 16 messages; -n shows more\n"
    assert [
        found["attempts"] for found in objects(call("peek", "bob", "--store", bank, "--json").stdout)
    ] == [
        3,
        *[0] * 9,
    ]


def test_peek_names_the_type_of_mail_that_is_not_for_this_actor(bank: Path) -> None:
    assert "Nobody.hello(amount=30)" in call("peek", "ghost", "--store", bank).stdout


def test_peek_at_an_empty_mailbox_prints_no_data(bank: Path) -> None:
    result = call("peek", "order/1", "--store", bank)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "'order/1' has no mail\n")


@pytest.mark.parametrize("look", ["show", "peek"])
def test_an_unknown_name_is_answered_with_the_nearest_ones(bank: Path, look: str) -> None:
    result = call(look, "order/3", "--store", bank)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no actor or mailbox 'order/3'" in result.stderr
    assert "Did you mean 'order/2' or 'order/1'?" in result.stderr
    assert "callboard ls" in call(look, "zzz", "--store", bank).stderr


@pytest.mark.parametrize("look", ["show", "peek", "ls"])
def test_a_name_that_is_no_utf8_is_only_unknown(bank: Path, look: str) -> None:
    assert call(look, "a\udcff", "--store", bank).exit_code == (0 if look == "ls" else 3)


def test_what_would_steer_a_terminal_is_shown_and_not_done(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        evil = "\x1b[31mred\u202e\r"
        made.box(f"a{evil}", envelope(evil, args={evil: evil}), state={evil: evil}, error=evil, attempts=1)
        made.dead(1, envelope(evil), box=evil, error=evil, text=evil, traceback=evil)
    name = "a\x1b[31mred\u202e\r"
    for look in (("ls",), ("show", name), ("peek", name), ("dead", "ls"), ("dead", "show", 1)):
        result = call(*look, "--store", tmp_path / "s")
        assert result.exit_code == 0
        assert not set("\x1b\u202e\r") & set(result.stdout), look
        assert r"\x1b[31mred\u202e" in result.stdout


# Damage.


def test_a_damaged_mailbox_is_listed_as_such_and_hides_no_other(bank: Path) -> None:
    with shelf(bank) as made:
        made.put(Table.BOXES, key(2), b"rubbish!")
    result = call("ls", "--store", bank)
    assert result.exit_code == 1
    assert [row[0] for row in rows(result.stdout)] == ["ann", "(number 2)", "order/1", "order/2", "ghost"]
    assert rows(result.stdout)[1][2] == "damaged"
    assert "1 mailbox record cannot be read: the store is damaged there" in result.stderr
    shown = call("show", "bob", "--store", bank)
    assert (shown.exit_code, shown.stdout) == (5, "")
    assert "the mailbox 'bob' cannot be read" in shown.stderr
    peeked = call("peek", "bob", "--store", bank)
    assert peeked.exit_code == 5
    assert "withdraw(amount=30)" in peeked.stdout
    assert call("show", "ann", "--store", bank).exit_code == 0


def test_a_damaged_state_does_not_hide_the_rest_of_the_actor(bank: Path) -> None:
    with shelf(bank) as made:
        made.put(Table.STATES, key(1), b"rubbish!")
    result = call("show", "ann", "--store", bank)
    assert result.exit_code == 1
    assert "2 messages" in result.stdout
    assert "(unreadable: " in result.stdout
    assert "the state of 'ann' cannot be read" in result.stderr
    (found,) = objects(call("show", "ann", "--store", bank, "--json").stdout)
    assert (found["state"], "checksum" in found["state_problem"]) == (None, True)


def test_a_damaged_message_is_said_to_be_and_the_others_are_shown(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.box("ann", envelope(), b"\x93nothing", envelope("withdraw"))
    result = call("peek", "ann", "--store", tmp_path / "s")
    assert result.exit_code == 1
    assert [row[1].partition("(")[0] for row in rows(result.stdout)] == ["deposit", "", "withdraw"]
    assert "1 message of these cannot be read" in result.stderr
    assert objects(call("peek", "ann", "--store", tmp_path / "s", "--json").stdout)[1]["problem"]


def test_damaged_counters_are_an_error_after_all_the_data(bank: Path) -> None:
    with shelf(bank) as made:
        made.put(Table.META, COUNTERS_KEY, b"rubbish!")
    result = call("ls", "--store", bank)
    assert (result.exit_code, len(rows(result.stdout))) == (5, 5)
    assert "the store's totals cannot be read" in result.stderr
    assert call("ls", "--store", bank, "--json").exit_code == 0


# Size.


def test_ten_thousand_mailboxes_are_listed_within_seconds_and_a_page_at_a_time(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        letter = envelope()
        for number in range(10_000):
            made.box(f"order/{number}", letter, type="Order")
    for options in ((), ("--json",), ("--sort", "name"), ("order/99*",)):
        began = time.monotonic()
        result = call("ls", "--store", tmp_path / "s", *options)
        assert time.monotonic() - began < 5
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) >= 111
    began = time.monotonic()
    assert call("ls", "order/9999", "--store", tmp_path / "s").exit_code == 0
    assert time.monotonic() - began < 0.5


def test_a_large_state_is_cut_for_people_and_whole_for_programs(tmp_path: Path) -> None:
    state = {"data": b"\xff" * 100_000, "names": list(range(100_000)), "text": "x" * 100_000}
    with shelf(tmp_path / "s") as made:
        made.box("ann", state=state)
    assert len(call("show", "ann", "--store", tmp_path / "s").stdout) < 2000
    (found,) = objects(call("show", "ann", "--store", tmp_path / "s", "--json").stdout)
    assert found["state"] == {**state, "data": {"$hex": "ff" * 100_000}}
