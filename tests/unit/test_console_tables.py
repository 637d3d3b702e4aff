"""Tables, wording and JSON of the command line, without a store."""

import json
import sys
import unicodedata
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
import pytest
from hypothesis import given, strategies as st

from callboard.console import jsonl, wording
from callboard.console.tables import NARROWEST, Column, Table, cut, fit, pairs, width_of
from callboard.console.terminal import has_color, safe
from callboard.mailbox.letter import Letter
from callboard.mailbox.patterns import matcher

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
MSGPACK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | TEXTS
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.integers(), inner, max_size=4),
    max_leaves=12,
)


def lines(table: Table, *pages: list[list[str]]) -> list[str]:
    return [click.unstyle(line) for page in pages for line in table.page(page)]


def test_a_column_is_as_wide_as_its_widest_cell_and_numbers_stand_to_the_right() -> None:
    table = Table([Column("NAME"), Column("MAIL", right=True), Column("")], width=None)
    assert lines(table, [["a", "1", ""], ["longest", "1,000", "why"]]) == [
        "NAME      MAIL",
        "a            1",
        "longest  1,000  why",
    ]


def test_a_later_page_has_no_titles_and_may_widen_a_column() -> None:
    table = Table([Column("NAME"), Column("MAIL", right=True)], width=None)
    assert lines(table, [["a", "1"]], [], [["longer", "2"]]) == ["NAME  MAIL", "a        1", "longer     2"]


def test_a_table_without_rows_has_no_titles() -> None:
    assert lines(Table([Column("NAME")], width=None), [], []) == []


def test_wide_characters_take_two_columns_and_accents_none() -> None:
    assert width_of("注文") == 4
    assert width_of(unicodedata.normalize("NFD", "é")) == 1
    table = Table([Column("NAME"), Column("N")], width=None)
    assert lines(table, [["注文", "1"], ["abcd", "2"]])[1:] == ["注文  1", "abcd  2"]


@given(rows=st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=5), width=st.integers(60, 120))
def test_on_a_terminal_no_line_is_longer_than_it_where_elastic_columns_can_give(
    rows: list[list[str]], width: int
) -> None:
    columns = [Column("NAME", elastic=True), Column("TYPE", elastic=True), Column("", elastic=True)]
    shown = lines(Table(columns, width=width), rows)
    assert len(shown) == len(rows) + bool(rows)
    assert all(width_of(line) <= width for line in shown)
    assert not any(ord(character) < 32 for line in shown for character in line)


@given(widths=st.lists(st.integers(0, 60), min_size=1, max_size=6), limit=st.integers(0, 100), data=st.data())
def test_only_elastic_columns_give_way_and_none_below_the_narrowest(
    widths: list[int], limit: int, data: st.DataObject
) -> None:
    columns = [Column("X", elastic=data.draw(st.booleans())) for _ in widths]
    fitted = fit(widths, columns, limit)
    for before, after, column in zip(widths, fitted, columns, strict=True):
        assert after == before or (column.elastic and NARROWEST <= after < before)
    assert fit(widths, columns, None) == widths


@given(text=TEXTS, width=st.integers(1, 20))
def test_cut_text_fits_and_is_marked(text: str, width: int) -> None:
    text = safe(text)
    assert width_of(cut(text, width)) <= width
    assert cut(text, width) == text or cut(text, width).endswith("…")


@given(text=st.text())
def test_safe_text_is_printable_and_keeps_what_was(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(safe(text)) == safe(text)
    assert all(line.isprintable() for line in safe(text, lines=True).replace("\t", "\n").split("\n"))


def test_pairs_keep_further_lines_in_their_column() -> None:
    shown = [click.unstyle(line) for line in pairs([("a", "one\ntwo"), ("long", "")])]
    assert shown == ["a     one", "      two", "long"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0.0 s"),
        (0.34, "0.3 s"),
        (9.96, "10 s"),
        (59, "59 s"),
        (119, "119 s"),
        (120, "2 min"),
        (240, "4 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (47 * 3600, "47 h"),
        (50 * 3600, "2 d"),
        (4e8, "4629 d"),
    ],
)
def test_a_duration_has_the_unit_that_says_most(seconds: float, text: str) -> None:
    assert wording.duration(int(seconds * wording.SECOND)) == text


def test_a_moment_is_to_come_or_overdue() -> None:
    assert wording.due(5 * wording.SECOND, 0) == "in 5.0 s"
    assert wording.due(0, 5 * wording.SECOND) == "due 5.0 s ago"
    assert wording.ago(0, 5 * wording.SECOND) == "5.0 s ago"


def test_things_are_counted_in_singular_and_plural() -> None:
    assert wording.count(1, "actor") == "1 actor"
    assert wording.count(0, "actor") == "0 actors"
    assert wording.count(12_345, "actor") == "12,345 actors"
    assert wording.count(1, "actor", more=True) == "1+ actors"


@given(data=MSGPACK, most=st.integers(1, 80))
def test_any_value_is_written_in_one_printable_line_of_bounded_length(data: Any, most: int) -> None:
    text = wording.value(data, most)
    assert text.isprintable()
    assert len(text) <= 10 * most + 10  # a character may have to be escaped


def test_values_look_like_python_and_bytes_are_hex() -> None:
    data = {"a": [1, 2.5, None, True], "b": b"\x00\xff", 3: "it's"}
    assert wording.value(data) == """{'a': [1, 2.5, None, True], 'b': 0x00ff, 3: "it's"}"""


def test_a_message_looks_like_a_call() -> None:
    letter = Letter(type="Account", handler="deposit", body={"amount": 30, "note": "x"})
    assert wording.message(letter, "Account") == "deposit(amount=30, note='x')"
    assert wording.message(letter, "Order") == "Account.deposit(amount=30, note='x')"
    assert wording.message(letter, "Account", most=10) == "deposit(am…"
    assert wording.message(Letter(problem="why"), "Account") == "(unreadable: why)"


def test_deep_values_are_cut_off_instead_of_failing() -> None:
    data: list[Any] = []
    for _ in range(900):
        data = [data]
    assert wording.value(data).count("[") <= wording.DEEPEST + 1
    assert "…" in jsonl.line(data=data)


@given(data=MSGPACK)
def test_any_value_becomes_strict_json(data: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = jsonl.line(data=data)
    assert "\n" not in text
    assert set(json.loads(text, parse_constant=refuse)) == {"v", "data"}


@given(ns=st.integers(1, (1 << 64) - 1))
def test_moments_sort_as_text_and_end_in_z(ns: int) -> None:
    text = jsonl.moment(ns)
    assert text is not None
    assert (len(text), text[-1]) == (len("2026-01-01T00:00:00.000000Z"), "Z")
    assert text <= (jsonl.moment(ns + 10**9) or "")


def test_what_msgpack_alone_knows_is_json_too() -> None:
    data = {"at": datetime(2030, 1, 1, tzinfo=UTC), "own": msgspec.msgpack.Ext(5, b"\x01"), b"key": 1}
    assert json.loads(jsonl.line(data=data))["data"] == {
        "at": "2030-01-01T00:00:00+00:00",
        "own": {"$ext": 5, "$hex": "01"},
        "6b6579": 1,
    }


def test_no_moment_is_null() -> None:
    assert jsonl.moment(0) is None
    assert jsonl.moment(None) is None


@given(text=TEXTS, pattern=TEXTS)
def test_a_pattern_without_a_star_fits_only_itself(text: str, pattern: str) -> None:
    pattern = pattern.replace("*", "")
    assert bool(matcher(pattern)(text)) == (pattern == text)
    assert matcher(f"{text}*")(text + pattern)
    assert matcher(f"*{text}")(pattern + text)
    assert matcher(None)(text)


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "", "NO_COLOR": ""}, False),
    ],
)
def test_colors_follow_the_environment(
    environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert has_color(sys.stdout) is colored


def test_a_terminal_has_colors_unless_it_is_dumb_or_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert has_color(sys.stdout)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_color(sys.stdout)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not has_color(sys.stdout)


def test_bytes_are_shown_with_offsets_and_text_and_cut_when_there_are_many() -> None:
    shown = wording.hex_lines(b"hello\x00" * 300)
    assert shown[0] == "000000  68 65 6c 6c 6f 00 68 65 6c 6c 6f 00 68 65 6c 6c  hello.hello.hell"
    assert shown[-1] == "… 776 bytes more; --json shows all"
    assert wording.hex_lines(b"") == []
