"""Plain data, and records inside themselves: kinds whose depth is not in the annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from .kinds import Form, Inexact, Int, Kind, Str, type_of

if TYPE_CHECKING:
    from .ref import Post

DEEPEST: Final = 64
"""How deep plain data and records that hold themselves may nest."""


class Plain(Kind):
    """`Any` and `object`: plain data, checked to its leaves. Mutable, since it may hold lists."""

    immutable = False
    wire = Any
    forms = frozenset({Form.ANY})

    def __init__(self, text: str) -> None:
        self.text = text

    def check(self, value: Any) -> Any:
        _check_plain(value, 0)
        return value


_INT, _STR = Int(), Str()


def _check_plain(value: Any, depth: int) -> None:
    kind = type_of(value)
    if kind is str:
        _STR.check(value)
    elif kind is int:
        _INT.check(value)
    elif kind is list or kind is dict:
        if depth >= DEEPEST:
            raise Inexact(f"plain data at most {DEEPEST} deep", value)
        _check_members(value, depth + 1)
    elif value is not None and kind not in (bool, float, bytes):
        raise Inexact(
            "plain data (None, bool, int, float, str, bytes, list, dict with str keys)",
            value,
            "annotate its type",
        )


def _check_members(value: Any, depth: int) -> None:
    keyed = type_of(value) is dict
    for key, member in value.items() if keyed else enumerate(value):
        try:
            if keyed:
                _check_plain_key(key)
            _check_plain(member, depth)
        except Inexact as error:
            raise error.within(f"[{key!r:.40}]") from None


def _check_plain_key(key: object) -> None:
    if type(key) is not str:
        raise Inexact("str keys in plain data", key, "annotate dict[...] with its key type")
    _STR.check(key)


class Later(Kind):
    """A record type inside itself; the whole is bounded in depth."""

    native = False
    wire = Any
    forms = frozenset({Form.ANY})

    def __init__(self, text: str) -> None:
        self.text = text
        self.record: Kind | None = None
        self._depth = 0

    def check(self, value: Any) -> Any:
        assert self.record is not None
        if self._depth >= DEEPEST:
            raise Inexact(f"{self.text} at most {DEEPEST} deep", value)
        self._depth += 1
        try:
            return self.record.check(value)
        finally:
            self._depth -= 1

    def lower(self, value: Any) -> Any:
        assert self.record is not None
        return self.record.lower(value)

    def lift(self, value: Any, post: Post | None) -> Any:
        assert self.record is not None
        return self.record.lift(msgspec.convert(value, self.record.wire), post)
