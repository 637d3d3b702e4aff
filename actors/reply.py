"""Replies: what a handler returns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from .annotations import NOWHERE, Note, Scope, Unresolved
from .errors import DefinitionError, NotStorable
from .kinds import Exact, Inexact, Kind
from .reading import reading, typed_decoder
from .values import kind_of

if TYPE_CHECKING:
    from .ref import Post

_encode = msgspec.msgpack.Encoder().encode


class Reply:
    """What a handler returns."""

    __slots__ = ("_complete", "_note", "_place", "check", "decode", "encode", "kind", "live", "nothing")

    live: bool
    """The annotation is deeply immutable: a checked reply may be shared instead of encoded."""
    check: Callable[[Any], Any]
    """Return the reply, an int converted where a float is annotated; raises NotStorable."""
    encode: Callable[[Any], bytes]
    """msgpack; cannot fail for a checked reply."""
    decode: Callable[[bytes, Post | None], Any]
    """The reply; raises Undecodable."""
    kind: Kind
    nothing: bool
    """It is None, always."""

    def __init__(self, annotation: Any, place: str, scope: Scope = NOWHERE) -> None:
        """Declare a reply; `place` names it in texts: `the reply of withdraw`.

        Raises:
            DefinitionError: the annotation cannot be stored.
        """
        self._note = Note(annotation, scope)
        self._place = place
        self._complete = False
        object.__setattr__(self, "__class__", _Unresolved)
        with suppress(Unresolved):  # until somebody needs it
            self.complete()

    def complete(self) -> None:
        """Resolve the annotation; does nothing the second time.

        Raises:
            DefinitionError: it cannot be stored, or mentions a name that does not exist.
        """
        if self._complete:
            return
        try:
            kind = self.kind = kind_of(self._note.resolve(), self._note.scope)
        except Unresolved as error:
            raise error.at(self._place) from None
        except DefinitionError as error:
            raise DefinitionError(f"{self._place}: {error}") from error
        read = typed_decoder(kind.wire, self._place)

        def decode(data: bytes, post: Post | None = None) -> Any:
            with reading(self._place):
                return kind.lift(read(data), post)

        self.check = self._check
        self.encode = _encode if kind.native else lambda value: _encode(kind.lower(value))
        self.decode = decode
        self.live = kind.immutable
        self.nothing = isinstance(kind, Exact) and kind.type is type(None)
        object.__setattr__(self, "__class__", Reply)
        self._complete = True
        self._note = Note(None)  # lets go of the scope

    def _check(self, value: Any) -> Any:
        try:
            return self.kind.check(value)
        except Inexact as error:
            raise NotStorable(error.text(self._place)) from error.__cause__


class _Unresolved(Reply):
    """A reply that is completed when somebody first asks; `__getattr__` makes a class slow at everything."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in Reply.__slots__:
                raise AttributeError(f"a Reply has no {name!r}")
            self.complete()
            return getattr(self, name)
