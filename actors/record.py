"""Records: value types with named fields, and `Record`, the base for unions of them.

Dataclasses, attrs classes, named tuples, typed dicts and msgspec structs are written as
maps by field name, so that a field with a default may be added later. Only structs whose
fields are all native go to msgspec as they are; for every other type a private struct is
derived, since msgspec would drop `_private` attributes and store undeclared ones.
"""

from __future__ import annotations

import inspect
from operator import is_
from typing import TYPE_CHECKING, Any, NotRequired, Required, TypedDict, Union, dataclass_transform

import attrs
import msgspec

from .kinds import Form, Inexact, Kind, generic, type_of, unsupported

if TYPE_CHECKING:
    from .ref import Post

TAG = "$type"
_TYPED_DICT: Any = TypedDict


# Checkers take frozenness from the decorator, so that subclasses need not repeat it.
@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, tag=True, tag_field=TAG):
    """Base of frozen value types that can be told apart, so that `Circle | Square` can be stored.

        class Circle(Record):
            radius: float

    Records are stored under their class's name; `class Circle(Record, tag="circle")` gives another.
    """


class Part(msgspec.Struct, frozen=True):
    """One field of a record type."""

    name: str
    parameter: str
    """Its name in the constructor."""
    annotation: Any
    optional: bool
    """Whether it may be missing: it has a default, or its key is not required."""


def parts_of(type_: Any) -> list[Part] | None:
    """The fields of a record type, unresolved; None if it is not a record type.

    Raises:
        DefinitionError: fields that cannot be told by the constructor's parameters.
    """
    if issubclass(type_, msgspec.Struct):
        return _struct_parts(type_)
    if attrs.has(type_):
        parts = _attrs_parts(type_)
    elif hasattr(type_, "__dataclass_fields__"):
        parts = _dataclass_parts(type_)
    elif hasattr(type_, "_fields") and issubclass(type_, tuple):
        parts = _tuple_parts(type_)
    else:
        return None
    _require_constructor(type_, parts)
    return parts


def _struct_parts(type_: type[msgspec.Struct]) -> list[Part]:
    # Not msgspec.structs.fields: it resolves the annotations, and a name may not be there yet.
    names, defaults = type_.__struct_fields__, type_.__struct_defaults__
    padded = (msgspec.NODEFAULT,) * (len(names) - len(defaults)) + defaults
    pairs = zip(names, padded, strict=True)
    return [Part(name, name, None, default is not msgspec.NODEFAULT) for name, default in pairs]


def _tuple_parts(type_: Any) -> list[Part]:
    return [Part(name, name, None, name in type_._field_defaults) for name in type_._fields]


def _attrs_parts(type_: type) -> list[Part]:
    parts: list[Part] = []
    for field in attrs.fields(type_):
        _require_public(type_, field.name, init=field.init)
        parts.append(
            Part(field.name, field.alias or field.name, field.type, field.default is not attrs.NOTHING)
        )
    return parts


def _dataclass_parts(type_: Any) -> list[Part]:
    import dataclasses  # has long been loaded where there is one

    parts: list[Part] = []
    for field in dataclasses.fields(type_):
        _require_public(type_, field.name, init=field.init)
        missing = (field.default, field.default_factory) == (dataclasses.MISSING, dataclasses.MISSING)
        parts.append(Part(field.name, field.name, field.type, not missing))
    return parts


def _require_public(type_: type, name: str, *, init: bool) -> None:
    if name.startswith("_") or not init:
        what = "private" if name.startswith("_") else "not a parameter of its constructor"
        raise unsupported(
            f"{type_.__qualname__}",
            f"its field {name!r} is {what}; make it public, or register_codec({type_.__qualname__}, ...)",
        )


def _require_constructor(type_: Any, parts: list[Part]) -> None:
    """A record is rebuilt by calling its class with its fields, so the class must take them."""
    try:
        parameters = inspect.signature(type_).parameters
    except ValueError:
        return
    names = {part.parameter for part in parts}
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    needed = {n for n, p in parameters.items() if p.default is p.empty and p.kind not in kinds}
    if not names <= parameters.keys() or not needed <= names:
        raise unsupported(
            type_.__qualname__,
            f"its constructor does not take exactly its fields; register_codec({type_.__qualname__}, ...)",
        )


def is_frozen(type_: Any) -> bool:
    """Whether a record type's instances cannot be changed."""
    if attrs.has(type_):
        return bool(type_.__setattr__.__name__ == "_frozen_setattrs")
    if hasattr(type_, "__dataclass_fields__"):
        return bool(getattr(type_, "__dataclass_params__").frozen)  # noqa: B009 - the stubs do not know it
    if issubclass(type_, msgspec.Struct):
        return bool(type_.__struct_config__.frozen)
    return issubclass(type_, tuple)


class RecordKind(Kind):
    """A record type."""

    forms = frozenset({Form.MAP})

    def __init__(self, type_: Any, text: str, parts: list[Part], kinds: list[Kind]) -> None:
        self.record = type_
        self.text = text
        self.tagged = issubclass(type_, Record)
        self.native = issubclass(type_, msgspec.Struct) and all(kind.native for kind in kinds)
        self.immutable = is_frozen(type_) and all(kind.immutable for kind in kinds)
        self._names = [part.name for part in parts]
        self.parameters = [part.parameter for part in parts]
        self.kinds = kinds
        """One for each parameter."""
        struct, order = derive_struct(type_, parts, kinds)
        self._order = [(parts[index].parameter, parts[index].name, kinds[index]) for index in order]
        self._struct = struct
        self.wire: Any = type_ if self.native else struct
        self.accepts = (type_,)
        self.decoded = (self.wire,)
        if self.native and getattr(type_, "__struct_config__").array_like:  # noqa: B009
            self.forms = frozenset({Form.ARRAY})

    def check(self, value: Any) -> Any:
        if type(value) is not self.record:
            raise self.refuse(value)
        given = [getattr(value, name) for name in self._names]
        checked: list[Any] = []
        for name, kind, each in zip(self._names, self.kinds, given, strict=True):
            try:
                checked.append(kind.check(each))
            except Inexact as error:
                raise error.within(f".{name}") from None
        if all(map(is_, checked, given)):
            return value
        return self.record(**dict(zip(self.parameters, checked, strict=True)))

    def lower(self, value: Any) -> Any:
        if self.native:
            return value
        return self._struct(*[kind.lower(getattr(value, name)) for _, name, kind in self._order])

    def lift(self, value: Any, post: Post | None) -> Any:
        if self.native:
            return value
        fields: dict[str, Any] = {}
        for parameter, name, kind in self._order:
            member = getattr(value, name)
            if member is not msgspec.UNSET:
                fields[parameter] = kind.lift(member, post)
        return self.record(**fields)


class TypedDictKind(Kind):
    """A typed dict; it keeps the order of its keys."""

    immutable = False
    accepts: tuple[type[Any], ...] = (dict,)
    decoded: tuple[type[Any], ...] = (dict,)
    forms = frozenset({Form.MAP})

    def __init__(self, type_: Any, parts: list[Part], kinds: list[Kind]) -> None:
        self.text = type_.__qualname__
        self.native = all(kind.native for kind in kinds)
        self.kinds = {part.name: kind for part, kind in zip(parts, kinds, strict=True)}
        self.required = {part.name for part in parts if not part.optional}
        keys = {
            part.name: (NotRequired if part.optional else Required)[kind.wire]
            for part, kind in zip(parts, kinds, strict=True)
        }
        self.wire = _TYPED_DICT(type_.__name__, keys)

    def check(self, value: Any) -> Any:
        if type_of(value) is not dict or not self.required <= value.keys() <= self.kinds.keys():
            raise self.refuse(value, f"its keys are {', '.join(self.kinds)}")
        checked: dict[str, Any] = {}
        for name, member in value.items():
            try:
                checked[name] = self.kinds[name].check(member)
            except Inexact as error:
                raise error.within(f"[{name!r}]") from None
        return value if all(map(is_, checked.values(), value.values())) else checked

    def lower(self, value: Any) -> Any:
        return value if self.native else {name: self.kinds[name].lower(each) for name, each in value.items()}

    def lift(self, value: Any, post: Post | None) -> Any:
        if self.native:
            return value
        return {name: self.kinds[name].lift(member, post) for name, member in value.items()}


def derive_struct(type_: type, parts: list[Part], kinds: list[Kind]) -> tuple[type[Any], list[int]]:
    """A private struct for a record type, and the order of its fields: required ones first."""
    order = sorted(range(len(parts)), key=lambda index: parts[index].optional)
    fields: list[Any] = []
    for index in order:
        name, wire = parts[index].name, kinds[index].wire
        fields.append(
            (name, generic(Union, wire, msgspec.UnsetType), msgspec.UNSET)
            if parts[index].optional
            else (name, wire)
        )
    config = getattr(type_, "__struct_config__", None)
    tagged = issubclass(type_, Record) and config is not None
    tag = {"tag": config.tag, "tag_field": config.tag_field} if tagged and config else {}
    return msgspec.defstruct(type_.__name__, fields, gc=False, **tag), order
