"""Unions: `X | None`, and members that can be told apart on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from .kinds import Form, Kind, Names, generic, type_of, unsupported

if TYPE_CHECKING:
    from .ref import Post


class UnionKind(Kind):
    """`X | None`, and members that the wire tells apart."""

    def __init__(self, members: tuple[Kind, ...]) -> None:
        self.members = members
        self.text = " | ".join(member.text for member in members)
        self.native = all(member.native for member in members)
        self.immutable = all(member.immutable for member in members)
        self.wire = generic(Union, *(member.wire for member in members))
        self.accepts = tuple(type_ for member in members for type_ in member.accepts)
        self.decoded = tuple(type_ for member in members for type_ in member.decoded)
        self.forms = frozenset[Form]().union(*(member.forms for member in members))
        self._by_value = {type_: member for member in members for type_ in member.accepts}
        self._by_wire = {type_: member for member in members for type_ in member.decoded}
        self._float = self._by_value.get(float)
        # At most one member cannot list its types (plain data, a record in itself): whatever else is its.
        self._other = next((member for member in members if not member.accepts), None)

    def check(self, value: Any) -> Any:
        kind = self._by_value.get(type_of(value), self._other)
        if kind is None and type(value) is int:
            kind = self._float
        if kind is None:
            raise self.refuse(value)
        return kind.check(value)

    def passes(self, variable: str, names: Names) -> str | None:
        tests = [member.passes(variable, names) for member in self.members]
        if None in tests:
            return None
        return "(" + " or ".join(f"({test})" for test in tests) + ")"

    def most(self, variable: str) -> str | None:
        sizes = {type_: kind.most(variable) for type_, kind in self._by_value.items()}
        other = sizes.pop(type(None), None)
        if len(sizes) != 1 or other is None or self._other is not None:
            return None
        (size,) = sizes.values()
        return size and f"({other} if {variable} is None else {size})"

    def lower(self, value: Any) -> Any:
        if self.native:
            return value
        kind = self._by_value.get(type_of(value), self._other)
        assert kind is not None
        return kind.lower(value)

    def lift(self, value: Any, post: Post | None) -> Any:
        if self.native:
            return value
        kind = self._by_wire.get(type_of(value), self._other)
        assert kind is not None
        return kind.lift(value, post)


def flatten(members: list[Kind]) -> list[Kind]:
    """Members without repetition; aliases and Literal[None] may have brought some."""
    flat: dict[str, Kind] = {}
    for member in members:
        for part in member.members if isinstance(member, UnionKind) else (member,):
            flat[part.text] = part
    if any(Form.NIL in part.forms and text != "None" for text, part in flat.items()):
        flat.pop("None", None)
    return list(flat.values())


def require_told_apart(members: list[Kind]) -> None:
    """Refuse a union whose members look alike on the wire.

    Raises:
        DefinitionError: two do; the text names them.
    """
    taken: dict[Form, Kind] = {}
    for member in members:
        if Form.ANY in member.forms and any(
            other is not member and other.text != "None" for other in members
        ):
            raise unsupported(
                _joined(members), f"{member.text} can be anything, or itself; write it alone or | None"
            )
        for form in member.forms:
            other = taken.setdefault(form, member)
            if other is not member and not (other.tagged and member.tagged):
                raise unsupported(
                    _joined(members),
                    f"{other.text} and {member.text} are both {form.value} on the wire; derive value types "
                    "from callboard.Record, whose classes are told apart, or use one type",
                )


def _joined(members: list[Kind]) -> str:
    return " | ".join(member.text for member in members)
