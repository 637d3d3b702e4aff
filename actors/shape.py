"""Shapes: the parameters of a handler, or the fields of an actor.

A shape checks values and turns them into bytes and back. It is completed when its
annotations resolve: at class creation, or when it is first used. `check`, `encode`,
`decode`, `live` and `kinds` then become plain attributes, since they are on every path of a message.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import astuple

from .annotations import Note, Unresolved
from .checking import SMALL, Check, Maker, compile_check, compile_maker, compile_most, sizes_of
from .errors import DefinitionError, NotStorable
from .kinds import Inexact, Kind
from .reading import typed_decoder, undecodable
from .reply import Reply as Reply
from .values import kind_of

if TYPE_CHECKING:
    from .ref import Post

M = TypeVar("M")
_encode = msgspec.msgpack.Encoder().encode


class Default(msgspec.Struct, frozen=True):
    """What a missing value becomes."""

    value: Any = None
    factory: Callable[[], Any] | None = None

    def make(self) -> Any:
        """A value that nobody else holds."""
        return self.factory() if self.factory else copy.deepcopy(self.value)


class Shape:
    """Named values with annotations."""

    __slots__ = (
        *("_complete", "_defaults", "_place"),
        *("check", "decode", "encode", "kinds", "live", "most", "names", "native", "notes", "small"),
    )

    names: tuple[str, ...]
    """In the order of the values."""
    live: bool
    """Every annotation is deeply immutable: checked values may be shared instead of encoded."""
    native: bool
    """msgspec writes the values as they are: their bytes mean the same everywhere."""
    check: Check
    """Return the values, ints converted where floats are annotated; raises NotStorable."""
    encode: Callable[[tuple[Any, ...]], bytes]
    """A msgpack map by name; cannot fail for checked values."""
    decode: Callable[[bytes, Post | None], tuple[Any, ...]]
    """The values; missing ones take their defaults, unknown ones are skipped; raises Undecodable."""
    kinds: tuple[Kind, ...]
    most: Callable[[tuple[Any, ...]], int] | None
    """Bytes that `encode` makes of checked values at the most; None if that is not cheaply told."""
    small: bool
    """No values have more than `SMALL` bytes."""
    notes: tuple[Note, ...]
    """The annotations, resolved if the shape is complete."""

    def __init__(
        self,
        names: tuple[str, ...],
        notes: tuple[Note, ...],
        defaults: Mapping[str, Default],
        place: str,
    ) -> None:
        """Declare a shape.

        Args:
            names: of the values.
            notes: their annotations, as found in the source.
            defaults: for the names that have one.
            place: how a value is named in texts, with {} for its name: `withdraw({}=...)`.

        Raises:
            DefinitionError: an annotation cannot be stored.
        """
        self.names = names
        self.notes = notes
        self._defaults = defaults
        self._place = place
        self._complete = False
        object.__setattr__(self, "__class__", _Unresolved)
        with suppress(Unresolved):  # until somebody needs it
            self.complete()

    def complete(self) -> None:
        """Resolve every annotation; does nothing the second time.

        Raises:
            DefinitionError: one cannot be stored, or mentions a name that does not exist.
        """
        if self._complete:
            return
        pairs = [self._read(*pair) for pair in zip(self.names, self.notes, strict=True)]
        kinds = tuple(kind for _, kind in pairs)
        fields = [self._field(name, kind) for name, kind in zip(self.names, kinds, strict=True)]
        self.kinds = kinds
        self.check = compile_check(kinds, self._check)
        self.encode = _encoder(self.names, kinds)
        self.decode = _decoder(fields, kinds, self._place)
        self.live = all(kind.immutable for kind in kinds)
        self.native = all(kind.native for kind in kinds)
        sizes = sizes_of(self.names, kinds)
        self.most = None if sizes is None else compile_most(len(kinds), *sizes)
        self.small = sizes is not None and not sizes[1] and sizes[0] <= SMALL
        # The notes let go of their scopes, and of the defining function's frame with them.
        self.notes = tuple(Note(annotation) for annotation, _ in pairs)
        object.__setattr__(self, "__class__", Shape)
        self._complete = True

    def maker(self, make: Callable[..., M], spec: object, slow: Maker[M]) -> Maker[M]:
        """The fastest way to `make(spec, values, size)` for values that need nothing; `slow` for others.

        The size is what `most` says of them, or 0.
        """
        return compile_maker(self.kinds, sizes_of(self.names, self.kinds), make, spec, slow)

    def default(self, name: str) -> Default | None:
        """What a missing value becomes; None if it must be given."""
        return self._defaults.get(name)

    def _read(self, name: str, note: Note) -> tuple[Any, Kind]:
        try:
            annotation = note.resolve()
            return annotation, kind_of(annotation, note.scope)
        except Unresolved as error:
            raise error.at(self._at(name)) from None
        except DefinitionError as error:
            raise DefinitionError(f"{self._at(name)}: {error}") from error

    def _field(self, name: str, kind: Kind) -> Any:
        default = self._defaults.get(name)
        if default is None:
            return (name, kind.wire)
        if default.factory is None:
            default = self._checked(name, kind, default)
            if kind.immutable and kind.native:
                return (name, kind.wire, default.value)
        make = default.make
        return (name, kind.wire, msgspec.field(default_factory=lambda: kind.lower(make())))

    def _checked(self, name: str, kind: Kind, default: Default) -> Default:
        try:
            return Default(kind.check(default.value))
        except Inexact as error:
            hint = "; annotate it `| None`" if default.value is None else ""
            raise DefinitionError(f"{error.text(f'the default of {self._at(name)}')}{hint}") from None

    def _at(self, name: str) -> str:
        return self._place.format(name)

    def _check(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The slow path of `check`."""
        checked: list[Any] = []
        for name, kind, value in zip(self.names, self.kinds, values, strict=True):
            try:
                checked.append(kind.check(value))
            except Inexact as error:
                raise NotStorable(error.text(self._at(name))) from error.__cause__
        return tuple(checked)

    # Some of the values: what `functools.partial` over a handler holds.

    def encode_some(self, values: Mapping[str, Any]) -> bytes:
        """Check some of the values and write them as a map by name.

        Raises:
            NotStorable: a value is not what its annotation says.
            TypeError: there is no value of that name.
        """
        lowered: dict[str, Any] = {}
        for name, value in values.items():
            if name not in self.names:
                raise TypeError(
                    f"{self._at(name)}: there is no {name!r}, only {', '.join(self.names) or 'nothing'}"
                )
            kind = self.kinds[self.names.index(name)]
            try:
                lowered[name] = kind.lower(kind.check(value))
            except Inexact as error:
                raise NotStorable(error.text(self._at(name))) from error.__cause__
        return _encode(lowered)


class _Unresolved(Shape):
    """A shape that is completed when somebody first asks; `__getattr__` makes a class slow at everything."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in Shape.__slots__:
                raise AttributeError(f"a Shape has no {name!r}")
            self.complete()
            return getattr(self, name)


def _encoder(names: tuple[str, ...], kinds: tuple[Kind, ...]) -> Callable[[tuple[Any, ...]], bytes]:
    # For writing alone: no defaults, so values go in by position whatever their order.
    struct = msgspec.defstruct("values", list(names), gc=False)
    if all(kind.native for kind in kinds):
        return lambda values: _encode(struct(*values))
    lowers = tuple(None if kind.native else kind.lower for kind in kinds)

    def encode(values: tuple[Any, ...]) -> bytes:
        pairs = zip(lowers, values, strict=True)
        return _encode(struct(*[value if lower is None else lower(value) for lower, value in pairs]))

    return encode


def _decoder(
    fields: list[Any], kinds: tuple[Kind, ...], place: str
) -> Callable[[bytes, Post | None], tuple[Any, ...]]:
    struct = msgspec.defstruct("values", fields, kw_only=True)
    read = typed_decoder(struct, place)
    native = all(kind.native for kind in kinds)
    lifts = tuple(None if kind.native else kind.lift for kind in kinds)

    def decode(data: bytes, post: Post | None = None) -> tuple[Any, ...]:
        try:
            values = astuple(read(data))
            if native:
                return values
            pairs = zip(lifts, values, strict=True)
            return tuple([value if lift is None else lift(value, post) for lift, value in pairs])
        except Exception as error:
            raise undecodable(error, place) from error

    return decode
