"""Values: from a resolved annotation to its kind, or to a refusal that says what to write instead."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import pathlib
import types
import typing
import uuid
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

import msgspec

from .annotations import Scope, Unresolved, is_absent, own_annotations
from .codecs import CodecKind, find_codec
from .constrained import Constrained
from .containers import CounterKind, DequeKind, FixedTuple, Mapping, Sequence, SetKind
from .errors import DefinitionError
from .kinds import Exact, Float, Form, Int, Kind, Str, is_class, unsupported
from .pickled import PickledKind, cloudpickled
from .plain import Later, Plain
from .record import Part, Record, RecordKind, TypedDictKind, parts_of
from .ref import ActorRef
from .remedies import INSTEAD, remedy_for, source_of
from .scalars import LiteralKind, Moment, PathKind, RefKind, enum_kind
from .unions import UnionKind, flatten, require_told_apart

_SCALARS: dict[Any, Callable[[], Kind]] = {
    int: Int,
    float: Float,
    str: Str,
    bool: lambda: Exact(bool, Form.BOOL),
    bytes: lambda: Exact(bytes, Form.TEXT),
    bytearray: lambda: Exact(bytearray, Form.TEXT, immutable=False),
    None: lambda: Exact(type(None), Form.NIL),
    type(None): lambda: Exact(type(None), Form.NIL),
    Any: lambda: Plain("Any"),
    object: lambda: Plain("object"),
    dt.datetime: lambda: Moment(dt.datetime),
    dt.time: lambda: Moment(dt.time),
    dt.date: lambda: Exact(dt.date, Form.TEXT),
    dt.timedelta: lambda: Exact(dt.timedelta, Form.TEXT),
    decimal.Decimal: lambda: Exact(decimal.Decimal, Form.TEXT),
    uuid.UUID: lambda: Exact(uuid.UUID, Form.TEXT),
}


def kind_of(annotation: Any, scope: Scope) -> Kind:
    """The kind of a resolved annotation that stands in a scope.

    Raises:
        DefinitionError: it cannot be stored; the text has the remedy.
        Unresolved: it mentions a name that does not exist, or not yet.
    """
    return _Reader(scope, {}, {}).read(annotation)


class _Reader:
    """Reads one annotation; knows the record types it is inside of."""

    def __init__(self, scope: Scope, variables: dict[Any, Any], open_: dict[Any, Later]) -> None:
        self._scope = scope
        self._variables = variables
        self._open = open_

    def read(self, annotation: Any) -> Kind:
        if is_absent(annotation):
            raise Unresolved(annotation.__name__)
        if isinstance(annotation, str | ForwardRef):
            return self.read(self._scope.resolve(annotation))
        if isinstance(annotation, TypeVar):
            return self._variable(annotation)
        codec = find_codec(annotation)
        if codec is not None:
            return CodecKind(codec)
        scalar = _SCALARS.get(annotation) if _is_hashable(annotation) else None
        if scalar is not None:
            return scalar()
        if isinstance(annotation, NewType):
            return self.read(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":
            return self.read(annotation.__value__)
        origin = get_origin(annotation)
        return self._special(annotation, origin, get_args(annotation))

    def _variable(self, variable: Any) -> Kind:
        if variable in self._variables:
            return self.read(self._variables[variable])
        return self.read(variable.__bound__) if variable.__bound__ else Plain(variable.__name__)

    def _special(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Kind:
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if origin is Literal:
            return LiteralKind(annotation, args)
        if origin is Union or origin is types.UnionType:
            return self._union([self.read(arg) for arg in args])
        if origin is Final and args:
            return self.read(args[0])
        container = _CONTAINERS.get(origin or annotation)
        if container is not None:
            return container(self, args)
        return self._class(annotation, origin or annotation, args)

    def _annotated(self, annotation: Any, notes: tuple[Any, ...]) -> Kind:
        if any(note is cloudpickled for note in notes):
            return PickledKind(annotation)
        kind = self.read(annotation)
        for note in notes:
            if isinstance(note, msgspec.Meta):
                kind = Constrained(kind, note)
        return kind

    def _union(self, members: list[Kind]) -> Kind:
        members = flatten(members)
        require_told_apart(members)
        return UnionKind(tuple(members)) if len(members) > 1 else members[0]

    # Containers.

    def sequence(self, type_: type, args: tuple[Any, ...]) -> Kind:
        return Sequence(type_, self.read(args[0] if args else Any))

    def tuple_(self, args: tuple[Any, ...]) -> Kind:
        if not args:  # `tuple` alone, not `tuple[()]`, which has args of its own
            return Sequence(tuple, Plain("Any"))
        if len(args) == 2 and args[1] is Ellipsis:
            return Sequence(tuple, self.read(args[0]))
        return FixedTuple(tuple(self.read(arg) for arg in args if arg != ()))

    def set_(self, type_: type, args: tuple[Any, ...]) -> Kind:
        return SetKind(type_, self.read(args[0] if args else Any))

    def mapping(self, args: tuple[Any, ...]) -> Kind:
        key, member = args or (str, Any)
        return Mapping(self.read(key), self.read(member))

    def counter(self, args: tuple[Any, ...]) -> Kind:
        return CounterKind(self.read(args[0] if args else str))

    def deque(self, args: tuple[Any, ...]) -> Kind:
        return DequeKind(self.read(args[0] if args else Any))

    # Classes.

    def _class(self, annotation: Any, type_: Any, args: tuple[Any, ...]) -> Kind:
        if type_ is ActorRef:
            return RefKind()
        if not is_class(type_) or type_ in INSTEAD:
            raise unsupported(source_of(annotation), remedy_for(type_))
        if issubclass(type_, Enum):
            return enum_kind(type_)
        if issubclass(type_, pathlib.PurePath):
            return PathKind(type_)
        if annotation in self._open:
            return self._open[annotation]
        if hasattr(type_, "__callboard__"):
            raise unsupported(
                f"the actor {type_.__qualname__}",
                f"an actor is reached by its address; write ActorRef[{type_.__name__}]",
            )
        return self._record(annotation, type_, args)

    def _record(self, annotation: Any, type_: type, args: tuple[Any, ...]) -> Kind:
        typed_dict = typing.is_typeddict(type_)
        parts = _typed_dict_parts(type_) if typed_dict else parts_of(type_)
        if type_ is Record:
            raise unsupported("Record", "name the records it may be: Circle | Square")
        if parts is None:
            raise unsupported(source_of(annotation), remedy_for(type_))
        later = self._open[annotation] = Later(source_of(annotation))
        kinds = self._fields(
            type_, parts, dict(zip(getattr(type_, "__parameters__", ()), args, strict=False))
        )
        del self._open[annotation]
        make = (
            TypedDictKind(type_, parts, kinds)
            if typed_dict
            else RecordKind(type_, source_of(annotation), parts, kinds)
        )
        later.record = make
        return make

    def _fields(self, type_: type, parts: list[Part], variables: dict[Any, Any]) -> list[Kind]:
        found: dict[str, tuple[Any, Scope]] = {}
        for base in reversed(type_.__mro__):
            scope = Scope.of_class(base, self._scope)
            found.update({name: (note, scope) for name, note in own_annotations(base).items()})
        variables = {**self._variables, **_variables_of_bases(type_, variables), **variables}
        kinds: list[Kind] = []
        for part in parts:
            note, scope = found.get(part.name, (part.annotation, self._scope))
            if note is None and part.name not in found:
                raise unsupported(
                    type_.__qualname__, f"its field {part.name!r} has no annotation; give it one"
                )
            try:
                kinds.append(_Reader(scope, variables, self._open).read(_bare(scope.resolve(note))))
            except Unresolved:
                raise
            except DefinitionError as error:
                raise DefinitionError(f"its field {type_.__qualname__}.{part.name}: {error}") from error
        return kinds


def _is_hashable(annotation: object) -> bool:
    try:
        hash(annotation)
    except TypeError:  # Annotated[int, []], Literal[[]]
        return False
    return True


def _variables_of_bases(type_: Any, given: dict[Any, Any]) -> dict[Any, Any]:
    """What the type variables of generic bases stand for."""
    found: dict[Any, Any] = {}
    for base in getattr(type_, "__orig_bases__", ()):
        origin: Any = get_origin(base)
        if origin is not None and origin is not typing.Generic:
            pairs = zip(getattr(origin, "__parameters__", ()), get_args(base), strict=False)
            bound = {variable: given.get(arg, arg) for variable, arg in pairs}
            found |= _variables_of_bases(origin, bound) | bound
    return {variable: arg for variable, arg in found.items() if variable is not arg}


def _bare(annotation: Any) -> Any:
    """An annotation without Required, NotRequired and ReadOnly."""
    while getattr(get_origin(annotation), "_name", "") in ("Required", "NotRequired", "ReadOnly"):
        annotation = get_args(annotation)[0]
    return annotation


def _typed_dict_parts(type_: Any) -> list[Part]:
    names = [*type_.__required_keys__, *type_.__optional_keys__]
    return [Part(name, name, None, name in type_.__optional_keys__) for name in sorted(names)]


_CONTAINERS: dict[Any, Callable[[_Reader, tuple[Any, ...]], Kind]] = {
    list: lambda reader, args: reader.sequence(list, args),
    tuple: lambda reader, args: reader.tuple_(args),
    set: lambda reader, args: reader.set_(set, args),
    frozenset: lambda reader, args: reader.set_(frozenset, args),
    dict: lambda reader, args: reader.mapping(args),
    collections.Counter: lambda reader, args: reader.counter(args),
    collections.deque: lambda reader, args: reader.deque(args),
}
