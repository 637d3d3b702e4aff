"""Codecs: how types that nobody here knows become bytes.

    register_codec(np.ndarray, encode=np.ndarray.dumps, decode=..., name="ndarray")

Registration is by exact type and belongs where the type is imported, before the first
actor class that mentions it. On the wire a value is its codec's name and its bytes; the
name is part of the stored format and must not change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..mailbox.errors import Undecodable
from .errors import DefinitionError
from .kinds import Form, Inexact, Kind

if TYPE_CHECKING:
    from .ref import Post

T = TypeVar("T")


class Codec(msgspec.Struct, frozen=True):
    """How the values of one type are written and read."""

    type: type
    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    immutable: bool


_codecs: dict[type, Codec] = {}


def register_codec(
    type: type[T],
    encode: Callable[[T], bytes],
    decode: Callable[[bytes], T],
    *,
    name: str,
    immutable: bool = False,
) -> None:
    """Let values of a type be parameters, replies and state.

    Args:
        type: values of exactly this type, not of its subclasses.
        encode: from a value to bytes; equal values should give equal bytes.
        decode: the inverse; what it raises makes a message undecodable.
        name: stored with every value; never change it.
        immutable: nobody can change such a value, so one of them may be shared between
            actors instead of copied.

    Raises:
        DefinitionError: the type or the name has another codec.
    """
    if not name:
        raise DefinitionError(
            f"the codec of {type.__qualname__} needs a name, since it is stored with every value"
        )
    for known in _codecs.values():
        same = (known.type.__module__, known.type.__qualname__) == (type.__module__, type.__qualname__)
        if same != (known.name == name):
            raise DefinitionError(
                f"{type.__qualname__} cannot have the codec {name!r}: "
                f"{known.type.__qualname__} already has {known.name!r}"
            )
    _codecs[type] = Codec(type, name, encode, decode, immutable)


def find_codec(type_: object) -> Codec | None:
    """The codec registered for a type."""
    return _codecs.get(type_) if isinstance(type_, type) else None


class CodecKind(Kind):
    """A type with a registered codec."""

    native = False
    wire = tuple[str, bytes]
    decoded: tuple[type[Any], ...] = (tuple,)
    forms = frozenset({Form.ARRAY})

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.text = codec.type.__qualname__
        self.accepts = (codec.type,)
        self.immutable = codec.immutable

    def check(self, value: Any) -> Any:
        if type(value) is not self.codec.type:
            raise self.refuse(value)
        try:  # here, at the sender, and not later when it is written
            self.lower(value)
        except Exception as error:
            raise Inexact(self.text, value, f"its codec {self.codec.name!r} failed: {error}") from error
        return value

    def lower(self, value: Any) -> Any:
        data: object = self.codec.encode(value)
        if type(data) is not bytes:
            raise TypeError(f"encode returned {type(data).__name__}, not bytes")
        return (self.codec.name, data)

    def lift(self, value: Any, post: Post | None) -> Any:
        name, data = value
        if name != self.codec.name:
            raise Undecodable(
                f"a value of codec {name!r} stands where {self.codec.name!r} is registered for {self.text}"
            )
        return self.codec.decode(data)
