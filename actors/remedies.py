"""Remedies: what to write instead of an annotation that cannot be stored."""

from __future__ import annotations

import collections
import collections.abc
from typing import Any, Final, get_origin

INSTEAD: Final[dict[Any, str]] = {
    collections.abc.Sequence: "write list[...] or tuple[..., ...]: a value comes back as exactly its annotated type",
    collections.abc.Iterable: "write list[...] or tuple[..., ...]: an iterator can be read once",
    collections.abc.Mapping: "write dict[...]: a value comes back as exactly its annotated type",
    collections.abc.MutableMapping: "write dict[...]: a value comes back as exactly its annotated type",
    collections.abc.Set: "write frozenset[...] or set[...]: a value comes back as exactly its annotated type",
    collections.defaultdict: "write dict[...] and use setdefault: a default factory cannot be stored",
    collections.OrderedDict: "write dict[...], which keeps its order too",
    collections.abc.Callable: "store data that says what to do; Pickled[...] can carry a function if it must",
    complex: "store two floats",
    type: "store its name",
    memoryview: "write bytes",
}


def source_of(annotation: Any) -> str:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__
    return repr(annotation).replace("typing.", "")


def remedy_for(type_: Any) -> str:
    if type_ in INSTEAD:
        return INSTEAD[type_]
    if isinstance(type_, type) and issubclass(type_, BaseException):
        return "store its text"
    name = getattr(type_, "__name__", "it")
    return (
        f"if it can be built again (a client, a lock, a cache) make the field transient(factory={name}); "
        f"if it is a value, call register_codec({name}, ...) before the class; as a last resort write Pickled[{name}]"
    )
