"""Containers: lists, tuples, sets, dicts, deques and counters of other kinds.

A check returns the container itself if nothing in it had to be converted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from operator import is_
from typing import TYPE_CHECKING, Any

import msgspec

from .kinds import Form, Inexact, Int, Kind, generic, type_of, unsupported
from .plain import Plain

if TYPE_CHECKING:
    from .ref import Post

_encode = msgspec.msgpack.Encoder().encode
_ARRAY = frozenset({Form.ARRAY})
_MAP = frozenset({Form.MAP})


def check_each(kind: Kind, values: Iterable[Any]) -> list[Any]:
    """Check members; the path says which one was wrong."""
    checked: list[Any] = []
    check, append = kind.check, checked.append
    try:
        for value in values:
            append(check(value))
    except Inexact as error:
        raise error.within(f"[{len(checked)}]") from None
    return checked


class Sequence(Kind):
    """`list[X]` and `tuple[X, ...]`."""

    def __init__(self, type_: type[Any], member: Kind) -> None:
        self.container = type_
        self.member = member
        self.text = f"{type_.__name__}[{member.text}{', ...' if type_ is tuple else ''}]"
        self.native = member.native
        self.immutable = type_ is tuple and member.immutable
        self.wire = generic(tuple, member.wire, ...) if type_ is tuple else generic(list, member.wire)
        self.accepts = self.decoded = (type_,)
        self.forms = _ARRAY

    def check(self, value: Any) -> Any:
        if type(value) is not self.container:
            raise self.refuse(value, self._remedy(value))
        if self.member.all_pass(value):
            return value
        checked = check_each(self.member, value)
        return value if all(map(is_, checked, value)) else self.container(checked)

    def _remedy(self, value: object) -> str:
        return (
            f"write {self.container.__name__}(...)"
            if isinstance(value, list | tuple | set | frozenset)
            else ""
        )

    def lower(self, value: Any) -> Any:
        return value if self.native else self.container(map(self.member.lower, value))

    def lift(self, value: Any, post: Post | None) -> Any:
        if self.native:
            return value
        lift = self.member.lift
        return self.container([lift(each, post) for each in value])


class FixedTuple(Kind):
    """`tuple[X, Y, Z]`."""

    def __init__(self, members: tuple[Kind, ...]) -> None:
        self.members = members
        self.text = f"tuple[{', '.join(member.text for member in members) or '()'}]"
        self.native = all(member.native for member in members)
        self.immutable = all(member.immutable for member in members)
        self.wire = generic(tuple, *(member.wire for member in members))
        self.accepts = self.decoded = (tuple,)
        self.forms = _ARRAY

    def check(self, value: Any) -> Any:
        if type_of(value) is not tuple or len(value) != len(self.members):
            raise self.refuse(value, "write tuple(...)" if isinstance(value, list) else "")
        checked: list[Any] = []
        for index, (kind, each) in enumerate(zip(self.members, value, strict=True)):
            try:
                checked.append(kind.check(each))
            except Inexact as error:
                raise error.within(f"[{index}]") from None
        return value if all(map(is_, checked, value)) else tuple(checked)

    def lower(self, value: Any) -> Any:
        return tuple(kind.lower(each) for kind, each in zip(self.members, value, strict=True))

    def lift(self, value: Any, post: Post | None) -> Any:
        return tuple(kind.lift(each, post) for kind, each in zip(self.members, value, strict=True))


class SetKind(Kind):
    """Sets and frozensets: a list on the wire, in the order of its members' bytes.

    A set's own order changes from process to process, and equal messages must have equal bytes.
    """

    native = False

    def __init__(self, type_: type[Any], member: Kind) -> None:
        self.container = type_
        self.member = member
        self.text = f"{type_.__name__}[{member.text}]"
        require_hashable(self.text, member)
        self.immutable = type_ is frozenset
        self.wire = generic(list, member.wire)
        self.accepts = (type_,)
        self.decoded = (list,)
        self.forms = _ARRAY

    def check(self, value: Any) -> Any:
        if type(value) is not self.container:
            convertible = isinstance(value, list | tuple | set | frozenset)
            raise self.refuse(value, f"write {self.container.__name__}(...)" if convertible else "")
        if self.member.all_pass(value):
            return value
        checked = check_each(self.member, value)
        return value if all(map(is_, checked, value)) else self.container(checked)

    def lower(self, value: Any) -> Any:
        return sorted(map(self.member.lower, value), key=_encode)

    def lift(self, value: Any, post: Post | None) -> Any:
        lift = self.member.lift
        return self.container([lift(each, post) for each in value])


def require_hashable(text: str, member: Kind) -> None:
    """Refuse sets and keys of things that change."""
    if not member.immutable and not isinstance(member, Plain):
        raise unsupported(text, f"{member.text} can change, and so cannot be a key or a member of a set")


class Mapping(Kind):
    """`dict[K, V]`, in its own order; a list of pairs on the wire if its keys are not native."""

    immutable = False
    container: type[Any] = dict

    def __init__(self, key: Kind, member: Kind, text: str = "") -> None:
        self.key = key
        self.member = member
        self.text = text or f"dict[{key.text}, {member.text}]"
        require_hashable(self.text, key)
        self.native = key.native and member.native
        pairs = generic(list, generic(tuple, key.wire, member.wire))
        self.wire = generic(dict, key.wire, member.wire) if key.native else pairs
        self.accepts = (self.container,)
        self.decoded = (dict if key.native else list,)
        self.forms = _MAP if key.native else _ARRAY

    def check(self, value: Any) -> Any:
        if type(value) is not self.container:
            raise self.refuse(value, "write dict(...)" if isinstance(value, dict) else "")
        if self.key.all_pass(value) and self.member.all_pass(value.values()):
            return value
        keys = [self._check_key(key) for key in value]
        members = [self._check_member(key, member) for key, member in value.items()]
        if all(map(is_, keys, value)) and all(map(is_, members, value.values())):
            return value
        return self.container(zip(keys, members, strict=True))

    def _check_key(self, key: Any) -> Any:
        try:
            return self.key.check(key)
        except Inexact as error:
            raise error.within(f"[key {key!r:.40}]") from None

    def _check_member(self, key: Any, member: Any) -> Any:
        try:
            return self.member.check(member)
        except Inexact as error:
            raise error.within(f"[{key!r:.40}]") from None

    def lower(self, value: Any) -> Any:
        if self.native:
            return value
        key, member = self.key.lower, self.member.lower
        if self.key.native:
            return {k: member(v) for k, v in value.items()}
        return [(key(k), member(v)) for k, v in value.items()]

    def lift(self, value: Any, post: Post | None) -> Any:
        if self.native:
            return value
        key, member = self.key.lift, self.member.lift
        pairs = value.items() if self.key.native else value
        return {key(k, post): member(v, post) for k, v in pairs}


class CounterKind(Mapping):
    """`Counter[K]`."""

    container: type[Any] = Counter

    def __init__(self, key: Kind) -> None:
        super().__init__(key, Int(), f"Counter[{key.text}]")
        self.native = False

    def lift(self, value: Any, post: Post | None) -> Any:
        return self.container(super().lift(value, post))


class DequeKind(Kind):
    """`deque[X]`, with its `maxlen`."""

    native = False
    immutable = False
    accepts: tuple[type[Any], ...] = (deque,)
    decoded: tuple[type[Any], ...] = (tuple,)
    forms = _ARRAY

    def __init__(self, member: Kind) -> None:
        self.member = member
        self.text = f"deque[{member.text}]"
        self.wire = generic(tuple, int | None, generic(list, member.wire))

    def check(self, value: Any) -> Any:
        if type_of(value) is not deque:
            raise self.refuse(value, "write deque(...)" if isinstance(value, list) else "")
        if self.member.all_pass(value):
            return value
        checked = check_each(self.member, value)
        return value if all(map(is_, checked, value)) else deque(checked, value.maxlen)

    def lower(self, value: Any) -> Any:
        return (value.maxlen, list(map(self.member.lower, value)))

    def lift(self, value: Any, post: Post | None) -> Any:
        maxlen, members = value
        return deque([self.member.lift(each, post) for each in members], maxlen)
