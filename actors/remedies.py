"""Remedies: what to write instead of an annotation that cannot be stored."""

from __future__ import annotations

import collections
import collections.abc
from collections.abc import Callable
from typing import Any, Final, get_origin

from .kinds import is_class

INSTEAD: Final[dict[Any, str]] = {
    collections.abc.Sequence: "write list[...] or tuple[..., ...]: values keep exactly their type",
    collections.abc.Iterable: "write list[...] or tuple[..., ...]: an iterator can be read once",
    collections.abc.Mapping: "write dict[...]: values keep exactly their type",
    collections.abc.MutableMapping: "write dict[...]: values keep exactly their type",
    collections.abc.Set: "write frozenset[...] or set[...]: values keep exactly their type",
    collections.defaultdict: "write dict[...] and use setdefault: a default factory cannot be stored",
    collections.OrderedDict: "write dict[...], which keeps its order too",
    get_origin(
        Callable[[], None]
    ): "store data that says what to do; Pickled[...] can carry a function if it must",
    complex: "store two floats",
    type: "store its name",
    memoryview: "write bytes",
}


def source_of(annotation: Any) -> str:
    """An annotation as people write it."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__
    return repr(annotation).replace("typing.", "")


def remedy_for(type_: Any) -> str:
    """What its author can do instead."""
    if type_ in INSTEAD:
        return INSTEAD[type_]
    if is_class(type_) and issubclass(type_, BaseException):
        return "store its text"
    name = getattr(type_, "__name__", "it")
    return (
        f"if it can be built again (a client, a lock, a cache) make the field transient(factory={name}); "
        f"if it is a value, call register_codec({name}, ...) before the class; "
        f"as a last resort write Pickled[{name}]"
    )
