"""Drawing: from what the codec knows of an annotation to a strategy of its values.

The kinds that class creation made are walked, not the annotations, so that every value
drawn is one that its check accepts and that comes back from the disk equal. Hypothesis's
own `from_type` cannot know that an integer has 64 bits here, that NaN is not equal to
itself, or that a datetime's zone must have a name.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import uuid
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum, Flag
from pathlib import PurePath
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from ..actors.codecs import CodecKind
from ..actors.constrained import Constrained
from ..actors.containers import CounterKind, DequeKind, FixedTuple, Mapping, Sequence, SetKind
from ..actors.kinds import INT_MAX, INT_MIN, Exact, Float, Form, Inexact, Int, Kind, Str
from ..actors.pickled import PickledKind
from ..actors.plain import Later, Plain
from ..actors.record import RecordKind, TypedDictKind
from ..actors.ref import ActorRef
from ..actors.scalars import FlagKind, LiteralKind, Moment, PathKind, RefKind
from ..actors.unions import UnionKind
from ..mailbox.errors import CallboardError
from .limits import Limits

Strategy = st.SearchStrategy[Any]

NAMES: Final = ("a", "b", "c")
"""Names of the actors that refs lead to if nobody says which: few, so that two refs are often equal."""
NESTED: Final = 2
"""How deep a record is drawn inside itself."""

INTEGERS = st.integers(INT_MIN, INT_MAX)
FLOATS = st.floats(allow_nan=False)
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | st.text() | st.binary()
"""Plain data that can be a key."""
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)

_EXACT: dict[type[Any], Strategy] = {
    type(None): st.none(),
    bool: st.booleans(),
    bytes: st.binary(),
    bytearray: st.binary().map(bytearray),
    dt.date: st.dates(),
    dt.timedelta: st.timedeltas(),
    decimal.Decimal: st.decimals(allow_nan=False),
    uuid.UUID: st.uuids(),
}


class Undrawable(CallboardError, TypeError):
    """Nobody here knows how to draw values of a type; the text has the remedy."""


def values_of(kind: Kind) -> Strategy:
    """A strategy of values that a kind accepts and that travel unchanged.

    Raises:
        Undrawable: nobody knows how to make a value of its type.
    """
    return _Drawing(NESTED).of(kind)


class _Drawing:
    """Draws kinds, records inside themselves only so deep."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._known: dict[int, Strategy] = {}

    def of(self, kind: Kind) -> Strategy:
        known = self._known.get(id(kind))
        if known is None:
            known = self._known[id(kind)] = self._make(kind)
        return known

    def _make(self, kind: Kind) -> Strategy:
        for class_ in type(kind).__mro__:
            if class_ in _BY_KIND:
                return _BY_KIND[class_](self, kind)
        raise Undrawable(f"values of {kind.text} cannot be drawn")

    # Scalars.

    def exact(self, kind: Exact) -> Strategy:
        if issubclass(kind.type, Enum):
            return st.sampled_from(kind.type)
        return _EXACT[kind.type]

    def flag(self, kind: FlagKind) -> Strategy:
        members = [member for member in kind.flag if _accepts(kind, member)]
        none: Flag = kind.flag(0)
        if not members:
            return st.just(none)
        return st.sets(st.sampled_from(members)).map(functools.partial(_joined, none))

    def moment(self, kind: Moment) -> Strategy:
        draw = st.datetimes if kind.moment is dt.datetime else st.times
        return draw(timezones=_zones())

    def path(self, kind: PathKind) -> Strategy:
        # Names without separators and drives, which a path may write otherwise than they were given.
        names = st.text(st.characters(exclude_characters="\0/\\:", exclude_categories=["Cs"]), min_size=1)
        root = st.sampled_from([kind.path(), kind.path("/")])
        return st.builds(_path, root, st.lists(names, max_size=3))

    def literal(self, kind: LiteralKind) -> Strategy:
        return st.sampled_from(kind.values)

    # Containers.

    def sequence(self, kind: Sequence) -> Strategy:
        members = st.lists(self.of(kind.member))
        return members.map(tuple) if kind.container is tuple else members

    def fixed(self, kind: FixedTuple) -> Strategy:
        return st.tuples(*map(self.of, kind.members))

    def set_(self, kind: SetKind) -> Strategy:
        return st.sets(self._hashable(kind.member)).map(kind.container)

    def mapping(self, kind: Mapping) -> Strategy:
        return st.dictionaries(self._hashable(kind.key), self.of(kind.member))

    def _hashable(self, kind: Kind) -> Strategy:
        return SCALARS if isinstance(kind, Plain) else self.of(kind)

    def deque_(self, kind: DequeKind) -> Strategy:
        return st.builds(_deque, st.lists(self.of(kind.member)), st.none() | st.integers(0, 10))

    def union(self, kind: UnionKind) -> Strategy:
        members = sorted(kind.members, key=lambda member: Form.NIL not in member.forms)
        return st.one_of(*map(self.of, members))  # None first, to shrink to it

    # Records.

    def record(self, kind: RecordKind) -> Strategy:
        fields = [self.of(each) for each in kind.kinds]
        return st.builds(functools.partial(_construct, kind), st.tuples(*fields))

    def typed_dict(self, kind: TypedDictKind) -> Strategy:
        drawn = {name: self.of(each) for name, each in kind.kinds.items()}
        required = {name: each for name, each in drawn.items() if name in kind.required}
        return st.fixed_dictionaries(
            required, optional={name: each for name, each in drawn.items() if name not in required}
        )

    def later(self, kind: Later) -> Strategy:
        assert kind.record is not None
        # Not by st.deferred: a list of trees with lists of trees would grow past every bound.
        return _Drawing(self._depth - 1).of(kind.record) if self._depth else st.nothing()

    # What somebody else knows about.

    def codec(self, kind: CodecKind) -> Strategy:
        return _foreign(kind, kind.codec.type)

    def pickled(self, kind: PickledKind) -> Strategy:
        if not isinstance(kind.annotation, type):
            raise Undrawable(f"values of {kind.text} cannot be drawn")
        return _foreign(kind, kind.annotation)

    def constrained(self, kind: Constrained) -> Strategy:
        limits, inner = Limits(), kind.kind
        limits.add(kind.meta)
        while isinstance(inner, Constrained):
            limits.add(inner.meta)
            inner = inner.kind
        return self._within(inner, limits).filter(functools.partial(_accepts, kind))

    def _within(self, kind: Kind, limits: Limits) -> Strategy:
        """Values that keep the limits, nearly: what they say of rounding is left to the check."""
        if isinstance(kind, Int):
            return limits.integers(INT_MIN, INT_MAX)
        if isinstance(kind, Float):
            return limits.floats()
        if isinstance(kind, Str):
            return limits.text()
        if isinstance(kind, Sequence):
            return st.lists(self.of(kind.member), **limits.sizes).map(kind.container)
        if isinstance(kind, Mapping):
            return st.dictionaries(self._hashable(kind.key), self.of(kind.member), **limits.sizes)
        if isinstance(kind, Exact) and kind.type in (bytes, bytearray):
            return st.binary(**limits.sizes).map(kind.type)
        return self.of(kind)


def _joined(none: Flag, members: set[Flag]) -> Flag:
    return functools.reduce(lambda one, other: one | other, members, none)


def _path(root: PurePath, parts: list[str]) -> PurePath:
    return root.joinpath(*parts)


def _deque(members: list[Any], room: int | None) -> deque[Any]:
    return deque(members, None if room is None else len(members) + room)


def _counter(counts: dict[Any, int]) -> Counter[Any]:
    return Counter(counts)


def ref_to(name: str) -> ActorRef[Any]:
    """A ref that belongs to no node."""
    return ActorRef(name)


def _construct(kind: RecordKind, values: tuple[Any, ...]) -> Any:
    try:
        return kind.record(**dict(zip(kind.parameters, values, strict=True)))
    except (ValueError, TypeError):  # its author's validators know better which values it has
        hypothesis.reject()


def _accepts(kind: Kind, value: object) -> bool:
    try:
        kind.check(value)
    except Inexact:
        return False
    return True


def _foreign(kind: Kind, type_: type[Any]) -> Strategy:
    """Values of a type that Hypothesis may know, or was told of."""
    strategy = st.from_type(type_)
    try:
        strategy.validate()
    except (HypothesisException, TypeError) as error:
        raise Undrawable(f"values of {kind.text} cannot be drawn") from error
    return strategy.filter(functools.partial(_accepts, kind))


@functools.cache
def _zones() -> st.SearchStrategy[dt.tzinfo | None]:
    """Zones that can be written down."""
    # Python cannot read back an offset with microseconds.
    offsets = st.integers(-86399, 86399).map(lambda seconds: dt.timezone(dt.timedelta(seconds=seconds)))
    zones: st.SearchStrategy[dt.tzinfo | None] = st.none() | st.just(dt.UTC) | offsets
    try:
        ZoneInfo("UTC")
    except ZoneInfoNotFoundError:  # a small machine without the database of zones
        return zones
    return zones | st.timezones()


_BY_KIND: dict[type[Any], Callable[[_Drawing, Any], Strategy]] = {
    CodecKind: _Drawing.codec,
    Constrained: _Drawing.constrained,
    CounterKind: lambda drawing, kind: drawing.mapping(kind).map(_counter),
    DequeKind: _Drawing.deque_,
    Exact: _Drawing.exact,
    FixedTuple: _Drawing.fixed,
    FlagKind: _Drawing.flag,
    Float: lambda _, __: FLOATS,
    Int: lambda _, __: INTEGERS,
    Later: _Drawing.later,
    LiteralKind: _Drawing.literal,
    Mapping: _Drawing.mapping,
    Moment: _Drawing.moment,
    PathKind: _Drawing.path,
    PickledKind: _Drawing.pickled,
    Plain: lambda _, __: PLAIN,
    RecordKind: _Drawing.record,
    RefKind: lambda _, __: st.sampled_from(NAMES).map(ref_to),
    Sequence: _Drawing.sequence,
    SetKind: _Drawing.set_,
    Str: lambda _, __: st.text(),
    TypedDictKind: _Drawing.typed_dict,
    UnionKind: _Drawing.union,
}
