"""What an annotation lets pass comes back as it was; what it does not is refused with a remedy."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

import collections
import dataclasses
import enum
import math
import typing
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest
from hypothesis import given, strategies as st

from callboard.actors.actor import Actor
from callboard.actors.annotations import NOWHERE
from callboard.actors.errors import DefinitionError, NotStorable
from callboard.actors.kinds import Inexact, Kind
from callboard.actors.record import Record
from callboard.actors.ref import ActorRef
from callboard.actors.reply import Reply
from callboard.actors.values import kind_of

from .annotated import Circle, Options, Pair, Point, Square, Tree, annotated, plain_data, same

T = TypeVar("T")


def kind(annotation: Any) -> Kind:
    return kind_of(NOWHERE.resolve(annotation), NOWHERE)


def reply(annotation: Any) -> Reply:
    return Reply(annotation, "the reply")


@given(annotated, st.data())
def test_what_passes_comes_back_the_same(pair: Pair, data: st.DataObject) -> None:
    annotation, values = pair
    value = data.draw(values)
    it = reply(annotation)
    assert same(it.check(value), value)
    assert same(it.decode(it.encode(value), None), value)


@given(annotated, st.data())
def test_equal_values_have_equal_bytes(pair: Pair, data: st.DataObject) -> None:
    annotation, values = pair
    value = data.draw(values)
    it = reply(annotation)
    written = it.encode(value)
    assert it.encode(it.decode(written, None)) == written


@given(annotated, plain_data | st.sampled_from([object(), Circle(1.0), Path("a"), {1, 2}, Decimal(1)]))
def test_whatever_is_given_is_refused_by_check_or_written_and_read(pair: Pair, value: Any) -> None:
    it = reply(pair[0])
    try:
        checked = it.check(value)
    except NotStorable:
        return
    assert same(it.decode(it.encode(checked), None), checked)


@given(annotated, st.binary(max_size=40))
def test_any_bytes_are_read_or_undecodable(pair: Pair, data: bytes) -> None:
    from callboard.mailbox.errors import Undecodable

    it = reply(pair[0])
    try:
        value = it.decode(data, None)
    except Undecodable:
        return
    it.check(value)


class Int(int):
    pass


class Text(str):
    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Line:
    item: str
    price: float


class Naive(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (int, "5", "expected int, got str '5'"),
        (int, True, "got bool True; write int(...)"),
        (int, 1.0, "expected int, got float 1.0"),
        (int, Int(3), "a subclass"),
        (int, 2**64, "store a larger one as str or bytes"),
        (int, -(2**63) - 1, "-2**63"),
        (float, True, "expected float"),
        (float, 10**400, "too large"),
        (str, Text("x"), "a subclass"),
        (str, "\ud800", "surrogate"),
        (bytes, "x", "expected bytes"),
        (bool, 1, "expected bool"),
        (None, 0, "expected None"),
        (list[int], (1, 2), "write list(...)"),
        (tuple[int, ...], [1], "write tuple(...)"),
        (tuple[int, str], (1,), "expected tuple[int, str]"),
        (set[int], frozenset({1}), "write set(...)"),
        (list[int], [1, "2"], "at [1]: expected int"),
        (dict[str, list[int]], {"a": [1, None]}, "at ['a'][1]: expected int, got None"),
        (dict[int, str], {"a": "b"}, "[key 'a']"),
        (dict[str, int], collections.OrderedDict(a=1), "write dict(...)"),
        (Line, Line("a", "b"), "at price: expected float, got str 'b'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (list[Line], [Line("a", 1.0), Line(1, 1.0)], "at [1].item"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (Circle | Square, Line("a", 1.0), "expected Circle | Square"),
        (int | None, "x", "expected int | None"),
        (Literal["a"], "b", "one of Literal['a']"),
        (Literal[1], True, "one of Literal[1]"),
        (Annotated[int, msgspec.Meta(ge=3)], 2, ">= 3"),
        (Any, (1,), "plain data"),
        (Any, {1: 2}, "str keys"),
        (Any, [{"a": [object()]}], "at [0]['a'][0]"),
        (Any, [2**70], "at [0]"),
        (Options, {"depht": 1}, "its keys are"),
        (datetime, datetime(2000, 1, 1, tzinfo=Naive()), "use zoneinfo"),
        (datetime, datetime(2000, 1, 1, tzinfo=timezone(timedelta(microseconds=1))), "in seconds"),
        (Path, "a", "expected Path"),
        (Path, Path("\udc80"), "surrogate"),
        (ActorRef, "ann", "an ActorRef"),
    ],
)
def test_anything_inexact_is_refused_with_its_path(annotation: Any, value: Any, text: str) -> None:
    with pytest.raises(NotStorable) as refused:
        reply(annotation).check(value)
    assert text in str(refused.value)


def test_an_int_becomes_a_float_wherever_one_is_annotated() -> None:
    assert same(reply(float).check(3), 3.0)
    assert same(reply(list[float]).check([1, 2.5]), [1.0, 2.5])
    assert same(reply(dict[str, float | None]).check({"a": 1, "b": None}), {"a": 1.0, "b": None})
    assert same(reply(tuple[float, int]).check((1, 1)), (1.0, 1))
    assert same(reply(Line).check(Line("a", 1)), Line("a", 1.0))


def test_a_check_returns_the_value_itself_if_nothing_was_converted() -> None:
    value = {"a": [(1, Circle(1.0))]}
    assert reply(dict[str, list[tuple[int, Circle]]]).check(value) is value


def test_nan_travels() -> None:
    it = reply(list[float])
    assert math.isnan(it.decode(it.encode(it.check([math.nan])), None)[0])


def test_nesting_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    tree = Tree("leaf")
    for _ in range(100):
        tree = Tree("branch", (tree,))
    with pytest.raises(NotStorable, match="64 deep"):
        reply(Any).check(endless)
    with pytest.raises(NotStorable, match="64 deep"):
        reply(Tree).check(tree)


def test_the_zone_of_a_moment_is_kept_and_not_only_its_instant() -> None:
    berlin = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    it = reply(datetime)
    back = it.decode(it.encode(berlin), None)
    assert (back.hour, back.tzinfo, back.fold) == (2, ZoneInfo("Europe/Berlin"), 1)


def test_a_deque_keeps_its_limit() -> None:
    it = reply(collections.deque[int])
    back = it.decode(it.encode(collections.deque([1, 2], maxlen=2)), None)
    back.append(3)
    assert list(back) == [2, 3]


def test_a_set_has_the_same_bytes_whatever_order_it_grew_in() -> None:
    it = reply(set[str])
    words = [f"word{n}" for n in range(50)]
    assert it.encode(set(words)) == it.encode({*words[25:], *words[:25]})


def test_refs_are_bound_to_the_readers_post() -> None:
    class Post:
        name = ""

    post: Any = Post()
    it = reply(dict[str, list[ActorRef[Any]]])
    back = it.decode(it.encode({"a": [ActorRef("ann")]}), post)
    assert back["a"][0]._post is post


@pytest.mark.parametrize(
    ("annotation", "immutable"),
    [
        (int, True),
        (datetime, True),
        (Any, False),
        (list[int], False),
        (tuple[int, ...], True),
        (tuple[list[int], int], False),
        (frozenset[int], True),
        (set[int], False),
        (dict[str, int], False),
        (ActorRef[Any] | None, True),
        (Circle | Square, True),
        (Tree, True),
        (Line, True),
        (Point, True),
        (Options, False),
        (bytearray, False),
        (collections.deque[int], False),
        (Literal["a"], True),
        (Path, True),
        (attrs.make_class("Thawed", {"x": attrs.field(type=int)}), False),
        (attrs.make_class("Frosty", {"x": attrs.field(type=list[int])}, frozen=True), False),
        (msgspec.defstruct("Loose", [("x", int)]), False),
        (msgspec.defstruct("Tight", [("x", int)], frozen=True), True),
    ],
)
def test_immutable_means_deeply(annotation: Any, immutable: bool) -> None:
    assert kind(annotation).immutable is immutable


class Client:
    pass


class Odd(enum.Enum):
    A = (1, 2)


class Huge(enum.Enum):
    A = 2**63


@attrs.frozen
class Secretive:
    _key: str


@attrs.define
class Derived:
    x: int
    y: int = attrs.field(init=False, default=0)


class Closed:
    def __init__(self, *, other: int) -> None:
        self.other = other


@dataclasses.dataclass(init=False)
class Strange:
    x: int

    def __init__(self, other: int) -> None:
        self.x = other


class Someone(Actor, type_name="test_values.Someone"):
    pass


Untyped = collections.namedtuple("Untyped", "x y")  # pyright: ignore[reportUntypedNamedTuple]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str | bytes, "both a string on the wire"),
        (datetime | str, "both a string"),
        (list[int] | set[int], "both an array"),
        (Line | Circle, "derive value types from callboard.Record"),
        (dict[str, int] | Circle, "both a map"),
        (Any | int, "anything"),
        (Record, "name the records"),
        (Client, "transient(factory=Client)"),
        (Client, "register_codec(Client"),
        (Client, "Pickled[Client]"),
        (Someone, "ActorRef[Someone]"),
        (Callable[[int], int], "Pickled"),
        (typing.Sequence[int], "write list"),
        (typing.Mapping[str, int], "write dict"),
        (typing.Iterable[int], "write list"),
        (collections.defaultdict[str, int], "setdefault"),
        (complex, "two floats"),
        (type[int], "its name"),
        (ValueError, "its text"),
        (set[list[int]], "cannot be a key or a member"),
        (dict[Derived, int], "Derived"),
        (Literal[True], "use an Enum"),
        (Odd, "all int values"),
        (Huge, "below 2**63"),
        (Secretive, "private"),
        (Derived, "constructor"),
        (Strange, "exactly its fields"),
        (Untyped, "no annotation"),
        (Annotated[datetime, msgspec.Meta(tz=True)], "msgspec.Meta"),
        (Annotated[str, msgspec.Meta(ge=1)], "Meta"),
        (list[dict[str, Client]], "transient"),
        (collections.ChainMap[str, int], "register_codec"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_a_remedy(annotation: Any, text: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        kind(annotation)
    assert text in str(refused.value)


def test_a_refused_field_of_a_record_is_named() -> None:
    @attrs.frozen
    class Order:
        client: Client

    with pytest.raises(DefinitionError, match=r"its field .*Order\.client: Client cannot be stored"):
        kind(list[Order])


@dataclasses.dataclass(frozen=True)
class Box(Generic[T]):
    content: T


@dataclasses.dataclass(frozen=True)
class IntBox(Box[int]):
    label: str = ""


def test_generic_records_take_their_arguments() -> None:
    assert reply(Box[str]).check(Box("a")) == Box("a")
    with pytest.raises(NotStorable, match="content"):
        reply(Box[str]).check(Box(1))
    with pytest.raises(NotStorable, match="content"):
        reply(IntBox).check(IntBox("a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_fields_with_defaults_may_be_added_to_records_later() -> None:
    @attrs.frozen
    class Before:
        x: int

    @attrs.frozen
    class After:
        x: int
        tags: list[str] = attrs.field(factory=list[str])

    old = reply(Before).encode(Before(1))
    assert reply(After).decode(old, None) == After(1, [])
    assert reply(Before).decode(reply(After).encode(After(2, ["a"])), None) == Before(2)


def test_attributes_that_are_not_fields_are_not_written() -> None:
    @dataclasses.dataclass
    class Loose:
        x: int

    value = Loose(1)
    vars(value)["y"] = 2
    assert reply(Loose).encode(value) == msgspec.msgpack.encode({"x": 1})


def test_a_members_kind_says_which_value_was_wrong_and_not_its_neighbours() -> None:
    with pytest.raises(Inexact) as refused:
        kind(list[list[int]]).check([[1], [2, "3"]])
    assert refused.value.path == "[1][1]"


def test_a_typed_dict_keeps_its_keys_their_order_and_what_may_be_missing() -> None:
    it = reply(Options)
    for value in ({"paths": [Path("a")], "depth": 1}, {"depth": 2}):
        back = it.decode(it.encode(it.check(value)), None)
        assert list(back.items()) == list(value.items())
    with pytest.raises(NotStorable, match=r"at \['paths'\]\[0\]"):
        it.check({"depth": 1, "paths": ["a"]})


def test_structs_keep_their_own_layout_if_all_their_fields_are_native() -> None:
    class Pixel(msgspec.Struct, frozen=True, array_like=True):
        x: int
        y: int = 0

    it = reply(dict[str, Pixel | int])
    value = {"a": Pixel(1, 2), "b": 3}
    assert it.encode(it.check(value)) == msgspec.msgpack.encode({"a": [1, 2], "b": 3})
    assert it.decode(it.encode(value), None) == value


def test_aliases_of_unions_are_one_union() -> None:
    Key = typing.NewType("Key", str)
    entry = Key | None
    it = reply(typing.Union[entry, None, Literal[1, None]])  # noqa: UP007
    assert [it.check(value) for value in ("a", None, 1)] == ["a", None, 1]
    with pytest.raises(NotStorable):
        it.check(2)


def test_records_that_mention_one_another_travel() -> None:
    it = reply(Branch)
    value = Branch([Leaf("a", Branch([], {})), Leaf("b", None)], {"x": Branch([], {})})
    assert it.decode(it.encode(it.check(value)), None) == value
    with pytest.raises(NotStorable, match=r"at leaves\[0\].of.more\['y'\]: expected Branch, got int 3"):
        it.check(Branch([Leaf("a", Branch([], {"y": 3}))], {}))  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]


@attrs.frozen
class Branch:
    leaves: list["Leaf"]
    more: dict[str, "Branch"]


@attrs.frozen
class Leaf:
    name: str
    of: Branch | None
