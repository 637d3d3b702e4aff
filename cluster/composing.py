"""Composing: messages made of what came as bytes, or of what a person typed.

Either way the handler's own annotations decide, with the checks of a message that was made by calling it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..actors.handler import Factory
from ..actors.kinds import Form, Kind
from ..actors.scalars import RefKind
from .commands import Typed, Written

if TYPE_CHECKING:
    from ..actors.declared import ActorType
    from ..actors.handler import HandlerSpec
    from ..actors.message import Message
    from ..actors.ref import Post


def find_handler(kind: ActorType, name: str) -> HandlerSpec:
    """The handler of a type, by its declared name or by that of its method.

    Raises:
        TypeError: there is none; the text has those there are.
    """
    found = kind.handlers.get(name) or _by_method(kind, name)
    if found is None:
        handlers = "; ".join(str(each) for each in map(signature, kind.handlers.values()))
        raise TypeError(f"{kind.name} has no handler {name!r}; it has {handlers or 'none'}")
    return found


def _by_method(kind: ActorType, name: str) -> HandlerSpec | None:
    return next((spec for spec in kind.handlers.values() if spec.attribute == name), None)


def signature(spec: HandlerSpec) -> str:
    """A handler's parameters with their annotations, as `deposit(amount: int)`."""
    spec.complete()
    parameters = spec.signature.parameters
    return f"{spec.attribute}({', '.join(_parameters(spec, list(parameters)))})"


def _parameters(spec: HandlerSpec, names: list[str]) -> Iterator[str]:
    for name, kind in zip(names, spec.shape.kinds, strict=True):
        default = spec.shape.default(name)
        yield f"{name}: {kind.text}" + ("" if default is None else f" = {default.make()!r}")


def compose(spec: HandlerSpec, parameters: Written | Typed, post: Post) -> Message[Any, Any]:
    """A message for a handler.

    Raises:
        TypeError: the parameters do not fit; the text has the handler's.
        Undecodable: they are bytes for other annotations than it has.
    """
    spec.complete()
    factory: Factory[Any, ..., Any] = Factory(spec)
    if isinstance(parameters, Written):
        if parameters.version != spec.version:
            raise TypeError(
                f"{spec!r} takes version {spec.version} of its parameters, and this message has version "
                f"{parameters.version}: the sender runs other code than the node"
            )
        values = spec.shape.decode(parameters.body, post)
        message: Message[Any, Any] = factory(**dict(zip(spec.shape.names, values, strict=True)))
        return message
    try:
        message = factory(**_typed(spec, parameters, post))
    except TypeError as error:
        raise TypeError(f"{error}. It takes {signature(spec)}") from error
    return message


def _typed(spec: HandlerSpec, typed: Typed, post: Post) -> dict[str, Any]:
    """The values of what was typed, by name."""
    kinds = dict(zip(spec.shape.names, spec.shape.kinds, strict=True))
    try:
        given = msgspec.json.decode(typed.object, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError) as error:
        raise TypeError(f"the parameters are no JSON object: {error}") from error
    values: dict[str, Any] = {}
    for name, kind in kinds.items():
        if name in given:
            values[name] = _value(name, kind, [bytes(given.pop(name))], post)
        elif name in typed.words:
            values[name] = _value(name, kind, list(_readings(kind, typed.words[name])), post)
    unknown = (given.keys() | typed.words.keys()) - kinds.keys()
    if unknown:
        raise TypeError(f"{spec.attribute} has no parameter {' or '.join(sorted(unknown))}")
    if missing := [name for name in kinds.keys() - values.keys() if spec.shape.default(name) is None]:
        raise TypeError(f"{' and '.join(sorted(missing))} must be given")
    return values


def _readings(kind: Kind, word: str) -> Iterator[bytes]:
    """A word as JSON: as text, if that is what is wanted, or as what stands there."""
    if isinstance(kind, RefKind):
        name, _, node = word.partition("@")
        yield msgspec.json.encode([name, node])
    quoted = msgspec.json.encode(word)
    if Form.ANY in kind.forms:
        yield from (word.encode(), quoted)
    else:
        yield from (quoted, word.encode())


def _value(name: str, kind: Kind, readings: list[bytes], post: Post) -> Any:
    """A value from the first reading that its annotation allows.

    Raises:
        TypeError: none of them.
    """
    problem: Exception | None = None
    for reading in readings:
        try:
            return kind.check(kind.lift(msgspec.json.decode(reading, type=kind.wire), post))
        except Exception as error:  # a type's own validator may raise anything
            problem = problem if problem is not None and _is_no_json(error) else error
    shown = readings[-1].decode("utf-8", "replace")[:80]
    raise TypeError(f"{name}={shown} is no {kind.text}: {problem}") from problem


def _is_no_json(error: Exception) -> bool:
    return isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError)
