"""A name is 1 to 255 bytes of UTF-8; whatever else it is said to be, the text says what would do."""

import pytest
from hypothesis import given, strategies as st

from callboard.mailbox.errors import BadName, CallboardError
from callboard.mailbox.names import MAX_NAME, check_name

GOOD = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="@"), min_size=1, max_size=60
).filter(lambda name: not name.startswith("$"))


@given(name=GOOD)
def test_a_good_name_is_itself(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["a", "x" * 255, "ü" * 127, "a$", "a b", "../../etc/passwd", "/", ".", "🐝"])
def test_names_are_never_paths_so_anything_printable_will_do(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("", "empty; give 1 to 255 bytes"),
        ("$x", "reserved for the system; choose another"),
        ("a@b", "reserved for the node.*another character"),
        ("x" * 256, "256 bytes of UTF-8 and 255 is the most; shorten it"),
        ("ü" * 128, "256 bytes"),
        ("a\nb", "control character; remove it"),
        ("a\x00", "control character"),
        ("\x7f", "control character"),
        ("\x85", "control character"),
        ("a\ud800", "lone surrogate.*remove it"),
        (7, "a name is a str, not int: 7"),
        (b"a", "not bytes"),
        (None, "not NoneType"),
    ],
)
def test_a_bad_name_is_told_why_and_what_would_do(name: object, match: str) -> None:
    with pytest.raises(BadName, match=match) as caught:
        check_name(name)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, CallboardError)


def test_a_subclass_of_str_is_no_name() -> None:
    class Name(str):
        __slots__ = ()

    with pytest.raises(BadName, match="not Name"):
        check_name(Name("a"))


def test_a_long_bad_name_is_shown_short() -> None:
    with pytest.raises(BadName, match=r"…") as caught:
        check_name("x" * 1_000_000)
    assert len(str(caught.value)) < 200


@given(name=st.text(max_size=300))
def test_every_text_is_a_name_or_not(name: str) -> None:
    said = ""
    try:
        assert 1 <= len(check_name(name).encode()) <= MAX_NAME
    except BadName as error:
        said = str(error)
    assert said.isprintable()
