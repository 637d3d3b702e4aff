"""Annotations with strategies for their values, and an equality that looks closely."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

import dataclasses
import enum
import math
import typing
from collections import Counter, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Union
from uuid import UUID

import attrs
import msgspec
from hypothesis import strategies as st

from callboard.actors.kinds import generic
from callboard.actors.record import Record
from callboard.actors.ref import ActorRef


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**63 - 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Circle(Record):
    radius: float


class Square(Record):
    side: int
    at: datetime | None = None


class Tree(Record):
    name: str
    parts: tuple["Tree", ...] = ()


class Point(typing.NamedTuple):
    x: int
    when: datetime


class Options(typing.TypedDict, total=False):
    depth: typing.Required[int]
    paths: list[Path]


Cents = NewType("Cents", int)

Pair = tuple[Any, st.SearchStrategy[Any]]
_names = count()

integers = st.integers(-(2**63), 2**64 - 1)
zones = st.one_of(
    st.none(),
    st.timezones(),
    st.integers(-86399, 86399).map(lambda seconds: timezone(timedelta(seconds=seconds))),
)
trees = st.recursive(
    st.builds(Tree, st.text()),
    lambda inner: st.builds(Tree, st.text(), st.lists(inner, max_size=3).map(tuple)),
)
refs: st.SearchStrategy[ActorRef[Any]] = st.builds(ActorRef, st.text(), st.text())

IMMUTABLE: list[Pair] = [
    (int, integers),
    (bool, st.booleans()),
    (str, st.text()),
    (bytes, st.binary()),
    (None, st.none()),
    (date, st.dates()),
    (timedelta, st.timedeltas()),
    (datetime, st.datetimes(timezones=zones)),
    (time, st.times(timezones=zones)),
    (Decimal, st.decimals(allow_nan=False)),
    (UUID, st.uuids()),
    (Path, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(Path)),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Access, st.sampled_from([Access.READ, Access.WRITE, Access.READ | Access.WRITE, Access(0)])),
    (Cents, integers),
    (Annotated[int, msgspec.Meta(ge=0)], st.integers(0, 2**64 - 1)),
    (Annotated[str, "a note"], st.text()),
    (Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    (ActorRef[Any], refs),
    (Square, st.builds(Square, integers, st.none() | st.datetimes(timezones=zones))),
    (
        Circle | Square | None,
        st.none() | st.builds(Circle, st.floats(allow_nan=False)) | st.builds(Square, integers),
    ),
    (Tree, trees),
    (Point, st.builds(Point, integers, st.datetimes())),
    (int | str, integers | st.text()),
    (datetime | int | ActorRef[Any], st.datetimes(timezones=zones) | integers | refs),
]
"""Immutable and hashable."""

plain_data = st.recursive(
    st.none() | st.booleans() | integers | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)

LEAVES: list[Pair] = [
    *IMMUTABLE,
    (float, st.floats()),
    (Any, plain_data),
    (object, plain_data),
    (bytearray, st.binary().map(bytearray)),
    (
        Options,
        st.fixed_dictionaries(
            {"depth": integers}, optional={"paths": st.lists(st.just(Path("a/b")), max_size=2)}
        ),
    ),
    (Counter[str], st.dictionaries(st.text(), integers, max_size=3).map(Counter)),
]


@st.composite
def hashed(draw: st.DrawFn) -> Pair:
    """A set, a dict or a counter."""
    key, keys = draw(st.sampled_from(IMMUTABLE))
    member, members = draw(st.sampled_from(LEAVES))
    options: list[Pair] = [
        (generic(set, key), st.sets(keys, max_size=3)),
        (generic(frozenset, key), st.frozensets(keys, max_size=3)),
        (generic(dict, key, member), st.dictionaries(keys, members, max_size=3)),
    ]
    return draw(st.sampled_from(options))


@st.composite
def wrapped(draw: st.DrawFn, inner: st.SearchStrategy[Pair]) -> Pair:
    """A container or record of something."""
    made: tuple[tuple[Any, Any], tuple[Any, Any]] = draw(inner), draw(inner)
    (a, values_a), (b, values_b) = made
    deques = st.lists(values_a, max_size=3).flatmap(
        lambda members: st.sampled_from([deque(members), deque(members, maxlen=5)])
    )
    frozen, plain = _record_types(a, b)
    options: list[Pair] = [
        (generic(list, a), st.lists(values_a, max_size=3)),
        (generic(tuple, a, ...), st.lists(values_a, max_size=3).map(tuple)),
        (generic(tuple, a, b), st.tuples(values_a, values_b)),
        (generic(deque, a), deques),
        (generic(Union, a, None), st.none() | values_a),
        (generic(dict, str, a), st.dictionaries(st.text(), values_a, max_size=3)),
        (frozen, st.builds(frozen, values_a, values_b)),
        (plain, st.builds(plain, values_a, values_b)),
    ]
    return draw(st.sampled_from(options))


def _record_types(a: Any, b: Any) -> tuple[Any, Any]:
    number = next(_names)
    body = {"__annotations__": {"first": a, "second": b}}
    frozen = attrs.frozen(type(f"Frozen{number}", (), dict(body)))
    plain = dataclasses.make_dataclass(f"Plain{number}", [("first", a), ("second", b)])
    return frozen, plain


annotated: st.SearchStrategy[Pair] = st.recursive(st.sampled_from(LEAVES) | hashed(), wrapped, max_leaves=4)
"""Pairs of an annotation and a strategy for its values."""


def same(a: Any, b: Any) -> bool:
    """Equal, of one type, down to NaN, zones and folds."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, datetime | time):
        return bool(
            a.replace(tzinfo=None) == b.replace(tzinfo=None) and (a.tzinfo, a.fold) == (b.tzinfo, b.fold)
        )
    if isinstance(a, list | tuple | deque):
        return (
            len(a) == len(b) and all(map(same, a, b)) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
        )
    if isinstance(a, dict) and not isinstance(a, Counter):
        known = list(b)
        return len(a) == len(b) and all(
            same(k, known[i]) and same(v, b[known[i]]) for i, (k, v) in enumerate(a.items())
        )
    fields = _fields(a)
    return all(same(getattr(a, name), getattr(b, name)) for name in fields) if fields else bool(a == b)


def _fields(value: Any) -> list[str]:
    if attrs.has(type(value)):
        return [field.name for field in attrs.fields(type(value))]
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return list(getattr(value, "__struct_fields__", ()))
