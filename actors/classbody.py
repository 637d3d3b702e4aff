"""Class bodies: what an actor class may not say, refused at the class statement in its author's words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final, Generic, Protocol

from .annotations import is_class_variable, own_annotations
from .declared import is_factory
from .errors import DefinitionError
from .handler import Handler
from .kinds import type_of
from .remedies import source_of

RESERVED: Final = {
    "turn": "self.turn is the turn in hand",
    "started": "it is the hook that runs at activation",
    "stopped": "it is the hook that runs when the actor is put away",
}
HOOKS: Final = ("started", "stopped")


def check_type_name(cls: type, type_name: object) -> str:
    """The name under which mail and state of a class are stored."""
    name = cls.__name__ if type_name is None else type_name
    if type(name) is not str or not 1 <= len(name.encode()) <= 255 or not name.isprintable():
        raise DefinitionError(
            f"class {cls.__name__}: type_name={type_name!r} cannot be stored; "
            "give 1 to 255 bytes of printable text"
        )
    return name


def check_bases(cls: type, root: type) -> None:
    """Mixins may bring methods; state and handlers must be an actor's own."""
    for base in cls.__mro__:
        if not issubclass(base, root) and base not in (object, Generic, Protocol):
            _check_mixin(cls, base)


def _check_mixin(cls: type, base: type) -> None:
    for name, note in own_annotations(base).items():
        if not is_class_variable(note):
            raise DefinitionError(
                f"class {cls.__name__}: its base {base.__name__} declares {name!r} but is no actor class, "
                f"so the field would not be saved: derive {base.__name__} from Actor, "
                f"or move the field to {cls.__name__}"
            )
    for name in _handlers(base):
        raise DefinitionError(
            f"class {cls.__name__}: its base {base.__name__} has the handler {name!r} but is no actor class: "
            f"derive {base.__name__} from Actor"
        )


def check_body(cls: type) -> None:
    """Names, hooks, overrides and defaults."""
    _check_names(cls)
    for hook in HOOKS:
        if hook in vars(cls) and not inspect.iscoroutinefunction(vars(cls)[hook]):
            raise DefinitionError(
                f"{cls.__name__}.{hook} is a hook and must be `async def {hook}(self) -> None`"
            )
    for base in cls.__mro__[1:]:
        for name in _handlers(base):
            _check_override(cls, base, name)
    for name in own_annotations(cls):
        _check_default(cls, name)


def _handlers(cls: type) -> Iterator[str]:
    return (name for name, value in vars(cls).items() if isinstance(value, Handler))


def _check_names(cls: type) -> None:
    reserved = {name for name in (*own_annotations(cls), *_handlers(cls)) if name in RESERVED}
    for name in reserved | ({"turn"} & vars(cls).keys()):
        raise DefinitionError(
            f"{cls.__name__}.{name}: the name {name!r} is reserved, {RESERVED[name]}; choose another"
        )
    for name in (*own_annotations(cls), *_handlers(cls)):
        if name.startswith(f"_{cls.__name__.lstrip('_')}__"):
            raise DefinitionError(
                f"{cls.__name__}: Python renames what begins with two underscores after its class, "
                "and stored names must not follow the class's: use one underscore"
            )


def _check_override(cls: type, base: type, name: str) -> None:
    if name in own_annotations(cls):
        raise DefinitionError(
            f"{cls.__name__}.{name} is a field here and a handler in {base.__name__}: rename it"
        )
    if name in vars(cls) and not isinstance(vars(cls)[name], Handler):
        raise DefinitionError(
            f"{cls.__name__}.{name} overrides a handler of {base.__name__} and is none itself, "
            "so messages would pass it by: decorate it with @handler"
        )


def _check_default(cls: type, name: str) -> None:
    """Refuse a default that all actors would share; attrs would share it silently."""
    default: Any = vars(cls).get(name)
    if type_of(default).__name__ == "_CountingAttr":  # what attrs.field() leaves in a class body
        default = default._default  # noqa: SLF001
    if type_of(default).__hash__ is not None or is_factory(default):
        return
    note = own_annotations(cls)[name]
    factory = f"lambda: {default!r:.40}" if default else note if isinstance(note, str) else source_of(note)
    raise DefinitionError(
        f"{cls.__name__}.{name}: all actors would share the default {default!r:.40}; "
        f"write {name}: ... = attrs.field(factory={factory})"
    )
