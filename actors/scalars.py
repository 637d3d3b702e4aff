"""Scalars that need a word more than their type: moments, paths, enums, literals, refs."""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import datetime, time, timezone, tzinfo
from enum import Enum, Flag
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import abroad
from .kinds import INT_MAX, INT_MIN, Exact, Form, Inexact, Kind, Names, check_text, type_of, unsupported
from .ref import ActorRef

if TYPE_CHECKING:
    from .ref import Post

M = TypeVar("M", datetime, time)


class Moment(Kind):
    """A datetime or time, written as RFC 9557 text: `2030-01-01T12:00:00+01:00[Europe/Berlin]`.

    msgspec would write the instant and forget the zone, so that `.hour` changed by travelling.
    A naive moment in the second pass of a repeated hour ends in `[fold]`.
    """

    native = False

    def __init__(self, type_: type[datetime] | type[time]) -> None:
        self.moment = type_
        self.text = type_.__qualname__
        self.wire = str
        self.accepts = (type_,)
        self.decoded = (str,)
        self.forms = frozenset({Form.TEXT})

    def check(self, value: Any) -> Any:
        if type(value) is not self.moment:
            raise self.refuse(value)
        if not _is_written(value.tzinfo):
            remedy = (
                "its tzinfo cannot be written down: use zoneinfo.ZoneInfo, or datetime.timezone in seconds"
            )
            raise self.refuse(value, remedy)
        return value

    def passes(self, variable: str, names: Names) -> str | None:
        return f"type({variable}) is {names.add(self.moment)} and {variable}.tzinfo is None"

    def lower(self, value: Any) -> Any:
        text: str = value.isoformat()
        if _is_region(value.tzinfo):
            text += f"[{value.tzinfo.key}]"
        return text + "[fold]" if value.fold else text

    def lift(self, value: Any, post: Post | None) -> Any:
        text, _, suffix = value.partition("[")
        moment = self.moment.fromisoformat(text)
        for note in suffix.removesuffix("]").split("][") if suffix else ():
            moment = moment.replace(fold=1) if note == "fold" else moment.replace(tzinfo=_region(note))
        return moment


def _is_region(zone: tzinfo | None) -> bool:
    # Where there is one its module is loaded; to load it takes long, and few messages have one.
    module = sys.modules.get("zoneinfo")
    return module is not None and type(zone) is module.ZoneInfo


def _region(key: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _is_written(zone: tzinfo | None) -> bool:
    if type(zone) is timezone:  # Python reads offsets of microseconds back as none
        return zone.utcoffset(None).microseconds == 0
    return zone is None or (_is_region(zone) and bool(getattr(zone, "key", "")))


class PathKind(Kind):
    """A path, written as text."""

    native = False

    def __init__(self, type_: type[PurePath]) -> None:
        self.path = Path if type_ is Path else type_
        self.text = type_.__qualname__
        self.wire = str
        self.accepts = (type(type_()),)  # Path("x") is a PosixPath or a WindowsPath
        self.decoded = (str,)
        self.forms = frozenset({Form.TEXT})

    def check(self, value: Any) -> Any:
        if type(value) is not self.accepts[0]:
            raise self.refuse(value)
        check_text(str(value))
        return value

    def lower(self, value: Any) -> Any:
        return str(value)

    def lift(self, value: Any, post: Post | None) -> Any:
        return self.path(value)


class RefKind(Kind):
    """A ref: two strings on the wire, bound to the reader's post."""

    native = False
    text = "ActorRef"
    wire = tuple[str, str]
    accepts: tuple[type[Any], ...] = (ActorRef,)
    decoded: tuple[type[Any], ...] = (tuple,)
    forms = frozenset({Form.ARRAY})

    def check(self, value: Any) -> Any:
        if type_of(value) is not ActorRef:
            raise Inexact("an ActorRef", value, "give a ref: node.ref(...), node.spawn(...), self.turn.ref")
        return value

    def passes(self, variable: str, names: Names) -> str | None:
        return f"type({variable}) is {names.add(ActorRef)}"

    def most(self, variable: str) -> str | None:
        # Refs that name no node are given one abroad, whose name has 255 bytes at the most.
        return f"270 + 4 * (len({variable}.name) + len({variable}.node))"

    def lower(self, value: Any) -> Any:
        return (value.name, value.node or abroad.HOME.get())

    def lift(self, value: Any, post: Post | None) -> Any:
        node = "" if post is not None and value[1] == post.name else value[1]
        ref: ActorRef[Any] = ActorRef(value[0], node, post)
        return ref


class FlagKind(Exact):
    """A flag: the integer of its bits."""

    native = False

    def __init__(self, type_: type[Flag]) -> None:
        super().__init__(type_, Form.INT)
        self.flag = type_
        self.wire = int
        self.decoded = (int,)

    def check(self, value: Any) -> Any:
        super().check(value)
        if not INT_MIN <= value.value <= INT_MAX:
            raise self.refuse(value, "its bits do not fit into 64")
        return value

    def passes(self, variable: str, names: Names) -> str | None:
        return None

    def all_pass(self, values: Collection[Any]) -> bool:
        return False

    def lower(self, value: Any) -> Any:
        return value.value

    def lift(self, value: Any, post: Post | None) -> Any:
        return self.flag(value)


def enum_kind(type_: type[Enum]) -> Kind:
    """The kind of an enum: stored by its members' values, so that members may be renamed.

    Raises:
        DefinitionError: its values are neither all int nor all str.
    """
    if issubclass(type_, Flag):
        return FlagKind(type_)
    values = [member.value for member in type_]
    if values and all(type(value) is str and _is_text(value) for value in values):
        return Exact(type_, Form.TEXT)
    if values and all(_is_small(value) for value in values):
        return Exact(type_, Form.INT)
    raise unsupported(
        f"the enum {type_.__qualname__}",
        "its members are stored by value; give them all str values, or all int values below 2**63",
    )


def _is_small(value: object) -> bool:
    return type(value) is int and INT_MIN <= value < 2**63  # msgspec compares signed ones here


def _is_text(value: str) -> bool:
    try:
        check_text(value)
    except Inexact:
        return False
    return True


class LiteralKind(Kind):
    """One of some strings, integers or None."""

    def __init__(self, annotation: Any, values: tuple[Any, ...]) -> None:
        self.text = f"Literal[{', '.join(map(repr, values))}]"
        for value in values:
            if not (value is None or _is_small(value) or (type(value) is str and _is_text(value))):
                remedy = "a Literal may hold str, int below 2**63 and None; use an Enum for the rest"
                raise unsupported(self.text, remedy)
        self.wire = Literal[values]
        self.accepts = self.decoded = tuple({type(value): None for value in values})
        self.values = values
        self._values = frozenset(values)
        form = {str: Form.TEXT, int: Form.INT, type(None): Form.NIL}
        self.forms = frozenset(form[type_] for type_ in self.accepts)

    def check(self, value: Any) -> Any:
        if type(value) not in self.accepts or value not in self._values:
            raise Inexact(f"one of {self.text}", value)
        return value

    def passes(self, variable: str, names: Names) -> str | None:
        if len(self.accepts) != 1 or self.accepts[0] is type(None):
            return None
        return f"type({variable}) is {names.add(self.accepts[0])} and {variable} in {names.add(self._values)}"
