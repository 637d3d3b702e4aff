"""Callbacks: what `then=` and `failed=` of a request may be.

A callback is stored until the answer comes, so it must be something that can be written
down: a handler of the asker's own class by name, with some of its parameters filled in.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ..mailbox.envelope import INLINE
from ..mailbox.records import Callback
from .errors import MessageTooLarge
from .handler import Factory, HandlerSpec

if TYPE_CHECKING:
    from .actor import ActorType


def resolve_callback(kind: ActorType, given: object, role: str, answer: type | None = None) -> Callback:
    """What to store of a `then=` or `failed=`.

    Args:
        kind: the type of the asker.
        given: what the asker gave.
        role: which of the two.
        answer: exact type of what it will be told, if that is known.

    Raises:
        TypeError: it is not a handler of that class, leaves no parameter open, or one for something else.
        MessageTooLarge: too much is filled in.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(given, functools.partial):
        args, kwargs, given = given.args, given.keywords, given.func
    if not isinstance(given, Factory):
        raise TypeError(
            f"{role}= takes a handler of {kind.name} itself, such as {_example(kind)}, or a "
            f"functools.partial over one, since it is stored until the answer comes; "
            f"{given!r} cannot be stored"
        )
    spec = kind.handlers.get(given.spec.name)
    if spec is None or not issubclass(kind.cls, given.spec.owner):
        raise TypeError(
            f"{role}= must be a handler of the asking actor's own class {kind.name}; "
            f"{given!r} belongs to {given.spec.owner.__name__}"
        )
    callback = _bind(spec, args, kwargs, role)
    if answer is not None:
        _check_takes(spec, callback.parameter, answer, role)
    return callback


def _check_takes(spec: HandlerSpec, parameter: str, answer: type, role: str) -> None:
    takes = spec.shape.kinds[spec.shape.names.index(parameter)]
    if len(takes.accepts) == 1 and takes.accepts[0] is not answer:
        raise TypeError(
            f"{role}={spec.name} is told a {answer.__name__}, and its parameter {parameter!r} "
            f"takes {takes.text}: annotate it {answer.__name__}"
        )


def _bind(spec: HandlerSpec, args: tuple[Any, ...], kwargs: dict[str, Any], role: str) -> Callback:
    names = spec.shape.names
    filled = dict(zip(names, args, strict=False)) | kwargs
    unknown = [name for name in kwargs if name not in names]
    open_names = [name for name in names if name not in filled]
    if unknown or len(args) > len(names) or not open_names:
        what = f"has no parameter {unknown[0]!r}" if unknown else "leaves no parameter open"
        raise TypeError(f"{role}={spec.name}{names} {what}: one parameter must be left for the answer")
    body = spec.shape.encode_some(filled)
    if len(body) > INLINE:
        raise MessageTooLarge(
            f"{role}={spec.name} has {len(body)} bytes filled in and {INLINE} are the most, since they are "
            "kept until the answer comes: keep them in the actor's state"
        )
    return Callback(spec.name, spec.version, open_names[0], body)


def _example(kind: ActorType) -> str:
    name = next(iter(kind.handlers.values())).attribute if kind.handlers else "some_handler"
    return f"{kind.cls.__name__}.{name}"
