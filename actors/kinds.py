"""Kinds: what a value of one annotation may be, and how it travels.

A kind *checks* a value where it is made (exact types, so that a value never changes by
travelling), *lowers* it to something msgspec writes without asking anybody, and *lifts*
what msgspec read back into the value. Most kinds are native: lowering and lifting do
nothing, and the work is done in C.

Lowering and lifting are ours, not msgspec hooks, because a hook hears only about types
that msgspec does not know: it would write an attrs object's undeclared attributes,
forget the zone of a datetime and put sets in whatever order their hashes happen to have.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from .errors import DefinitionError

if TYPE_CHECKING:
    from .ref import Post

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1

FIXED: Final = frozenset({int, float, bool, type(None)})
"""Types whose values have a bounded size."""
NUMBER_BYTES: Final = 9
"""What msgpack writes for the largest of them."""

_short = Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


class Form(Enum):
    """What can be told apart on the wire: two members of a union must differ in it."""

    NIL = "None"
    BOOL = "a bool"
    INT = "an integer"
    FLOAT = "a float"
    TEXT = "a string"
    ARRAY = "an array"
    MAP = "a map"
    ANY = "anything"


class Inexact(Exception):
    """A value that its annotation does not allow; the path grows on the way up."""

    def __init__(self, expected: str, value: object, remedy: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = _describe(value)
        self.remedy = remedy
        self.path = ""

    def within(self, step: str) -> Inexact:
        """The same, seen from the value that holds it."""
        self.path = step + self.path
        return self

    def text(self, place: str) -> str:
        """The sentence for people."""
        where = f"{place}, at {self.path.removeprefix('.')}" if self.path else place
        return f"{where}: expected {self.expected}, got {self.got}" + (self.remedy and f"; {self.remedy}")


def _describe(value: object) -> str:
    name = type(value).__qualname__
    try:
        return "None" if value is None else f"{name} {_short.repr(value)}"
    except Exception:
        return name


class Names:
    """The objects that a compiled check refers to."""

    def __init__(self) -> None:
        self.known: dict[str, object] = {}

    def add(self, thing: object) -> str:
        """A name for an object."""
        name = f"_{len(self.known)}"
        self.known[name] = thing
        return name


class Kind:
    """One annotation, understood. Kinds of this class itself let any value pass."""

    native: bool = True
    """Whether msgspec writes and reads it as it is."""
    immutable: bool = True
    """Deeply: such a value may be shared instead of copied."""
    text: str
    """The annotation as people write it."""
    wire: Any
    """The type that msgspec decodes."""
    accepts: tuple[type[Any], ...] = ()
    """Exact types of its values; empty if they cannot be listed."""
    decoded: tuple[type[Any], ...] = ()
    """Exact types of what msgspec reads for `wire`."""
    forms: frozenset[Form]
    tagged: bool = False
    """Whether it says its type on the wire, so that several may stand in one union."""

    def check(self, value: Any) -> Any:
        """The value, converted if an int stands for a float.

        Raises:
            Inexact: its annotation does not allow it.
        """
        return value

    def lower(self, value: Any) -> Any:
        """What msgspec writes for a checked value."""
        return value

    def lift(self, value: Any, post: Post | None) -> Any:
        """The value for what msgspec read; refs in it are bound to `post`."""
        return value

    def passes(self, variable: str, names: Names) -> str | None:
        """An expression that is true only of values `check` returns as they are; None if too long to say."""
        return None

    def most(self, variable: str) -> str | None:
        """An expression for the most bytes a checked value is written in; None if it is not cheaply told."""
        return None

    def all_pass(self, values: Collection[Any]) -> bool:
        """A quick yes if `check` returns every one of these as it is; a no says nothing.

        A container in an actor's state is checked at every turn, and this runs in C.
        """
        return False

    def refuse(self, value: object, remedy: str = "") -> Inexact:
        """The error for a value that does not fit."""
        if not remedy and isinstance(value, self.accepts):
            remedy = "a subclass would come back as its base: convert it first"
        return Inexact(self.text, value, remedy)


class Exact(Kind):
    """Values of exactly one type that msgspec knows."""

    def __init__(self, type_: type[Any], form: Form, *, immutable: bool = True) -> None:
        self.type = type_
        self.text = "None" if type_ is type(None) else type_.__qualname__
        self.wire = type_
        self.accepts = self.decoded = (type_,)
        self.forms = frozenset({form})
        self.immutable = immutable

    def check(self, value: Any) -> Any:
        if type(value) is not self.type:
            raise self.refuse(value)
        return value

    def all_pass(self, values: Collection[Any]) -> bool:
        return set(map(type, values)) <= {self.type}

    def passes(self, variable: str, names: Names) -> str | None:
        if self.type is type(None):
            return f"{variable} is None"
        return f"type({variable}) is {names.add(self.type)}"

    def most(self, variable: str) -> str | None:
        if self.type in FIXED:
            return str(NUMBER_BYTES)
        if self.type is str:
            return f"5 + 4 * len({variable})"
        return f"5 + len({variable})" if self.type is bytes else None


class Int(Exact):
    """Integers of 64 bits."""

    def __init__(self) -> None:
        super().__init__(int, Form.INT)

    def check(self, value: Any) -> Any:
        if type(value) is not int:
            raise self.refuse(value, "write int(...)" if type(value) is bool else "")
        if not INT_MIN <= value <= INT_MAX:
            raise Inexact("an int from -2**63 to 2**64-1", value, "store a larger one as str or bytes")
        return value

    def all_pass(self, values: Collection[Any]) -> bool:
        return not values or (super().all_pass(values) and min(values) >= INT_MIN and max(values) <= INT_MAX)

    def passes(self, variable: str, names: Names) -> str | None:
        return f"type({variable}) is int and {INT_MIN} <= {variable} <= {INT_MAX}"


class Float(Exact):
    """Floats; an int is converted, as Python's own rules for annotations allow."""

    def __init__(self) -> None:
        super().__init__(float, Form.FLOAT)

    def check(self, value: Any) -> Any:
        if type(value) is float:
            return value
        if type(value) is not int:
            raise self.refuse(value)
        try:
            return float(value)
        except OverflowError:
            raise Inexact("a float", value, "it is too large for one") from None


class Str(Exact):
    """Text that UTF-8 can carry."""

    def __init__(self) -> None:
        super().__init__(str, Form.TEXT)

    def check(self, value: Any) -> Any:
        if type(value) is not str:
            raise self.refuse(value)
        if not value.isascii():
            check_text(value)
        return value

    def all_pass(self, values: Collection[Any]) -> bool:
        return super().all_pass(values) and all(map(str.isascii, values))

    def passes(self, variable: str, names: Names) -> str | None:
        return f"type({variable}) is str and {variable}.isascii()"


def check_text(text: str) -> None:
    """Refuse lone surrogates, which no UTF-8 can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Inexact("text", text, "it holds a lone surrogate: store it as bytes") from None


def is_class(value: object) -> TypeGuard[type[Any]]:
    """Whether it is a class, and no more than that for checkers."""
    return isinstance(value, type)


def type_of(value: object) -> type[Any]:
    """`type(value)`, for checkers: it tells them no more than that."""
    return type(value)


def generic(origin: Any, *args: Any) -> Any:
    """A generic type with arguments that are known only now."""
    return origin[args]


def unsupported(what: str, remedy: str) -> DefinitionError:
    """The error for an annotation that cannot be stored."""
    return DefinitionError(f"{what} cannot be stored: {remedy}")
