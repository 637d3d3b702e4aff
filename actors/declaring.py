"""Declaring: what happens when an actor class is defined.

The order matters: first the class body is looked over, so that mistakes are named in the
author's words; then attrs makes the constructor; then fields and handlers become shapes.
"""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import attrs

from .annotations import Note, Scope, own_annotations
from .classbody import check_bases, check_body, check_type_name
from .declared import TRANSIENT, ActorType, is_factory
from .errors import DefinitionError
from .handler import Handler, HandlerSpec
from .shape import Default, Shape

if TYPE_CHECKING:
    from .actor import Actor

_MACHINERY = ("__init_subclass__", "__new__", "new_class")
_numbers = itertools.count(1)

WITNESSES: list[Callable[[type[Actor]], None]] = []
"""Told of every new actor class; the failure lab shows it to Hypothesis. In production there are none."""


def declare(cls: type[Actor], root: type[Actor], *, type_name: str | None, speculation: bool) -> None:
    """Make a class an actor class.

    Raises:
        DefinitionError: it cannot be one; the text has the remedy.
    """
    frame = _defining_frame()
    name = check_type_name(cls, type_name)
    check_bases(cls, root)
    check_body(cls)
    _apply_attrs(cls, root)
    scope = Scope(_namespace(cls), {cls.__name__: cls}, frame)
    handlers = _declare_handlers(cls, name, scope)
    cls.__callboard__ = ActorType(
        cls,
        name=name,
        number=next(_numbers),
        where=_where(cls, frame),
        state=_state(cls, root, scope),
        handlers=handlers,
        speculation=speculation,
        has_started=cls.started is not root.started,
        has_stopped=cls.stopped is not root.stopped,
    )
    for witness in WITNESSES:
        witness(cls)


def _defining_frame() -> FrameType | None:
    """The frame of the class statement: the first outside of class-making machinery."""
    frame = inspect.currentframe()
    while frame is not None and (frame.f_globals is globals() or frame.f_code.co_name in _MACHINERY):
        frame = frame.f_back
    return frame


def _namespace(cls: type) -> dict[str, Any]:
    module = sys.modules.get(cls.__module__)
    return vars(module) if module else {}


def _where(cls: type, frame: FrameType | None) -> str:
    place = f"{cls.__module__}.{cls.__qualname__}"
    return f"{place} ({frame.f_code.co_filename}:{frame.f_lineno})" if frame else place


def _apply_attrs(cls: type[Actor], root: type[Actor]) -> None:
    try:
        attrs.define(cls, slots=False, auto_attribs=True, eq=False)
    except (ValueError, TypeError, attrs.exceptions.UnannotatedAttributeError) as error:
        raise DefinitionError(f"class {cls.__name__}: {error}") from error
    _guard_setattr(cls, root)


def _guard_setattr(cls: Any, root: type[Actor]) -> None:
    """Where attrs put its own `__setattr__` (for validators, or to undo a base's), keep ours before it."""
    body: dict[str, Any] = cls.__dict__
    own = body.get("__setattr__")
    if own is object.__setattr__:
        cls.__setattr__ = root.__setattr__
    elif own is not None and body.get("__attrs_own_setattr__"):

        def guarded(self: Actor, name: str, value: Any) -> None:
            if name in self.__callboard__.attributes:
                own(self, name, value)
            else:
                root.__setattr__(self, name, value)

        cls.__setattr__ = guarded


def _fields(cls: Any) -> tuple[attrs.Attribute[Any], ...]:
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return fields


def _declare_handlers(cls: type[Actor], type_name: str, scope: Scope) -> dict[str, HandlerSpec]:
    own = {name: value.spec for name, value in vars(cls).items() if isinstance(value, Handler)}
    inherited = _inherited(cls)
    for attribute, spec in own.items():
        if spec.attribute != attribute:
            raise DefinitionError(
                f"{cls.__name__}.{attribute} is the handler {spec.attribute!r} under a second name; "
                "call one from the other instead"
            )
        _keep_name(cls, spec, inherited.get(attribute))
        spec.declare(cls, type_name, scope)
    handlers: dict[str, HandlerSpec] = {}
    for spec in (inherited | own).values():
        other = handlers.setdefault(spec.name, spec)
        if other is not spec:
            raise DefinitionError(
                f"{cls.__name__}.{other.attribute} and {cls.__name__}.{spec.attribute} are both declared as "
                f"{spec.name!r}: give one another name="
            )
    return handlers


def _inherited(cls: type) -> dict[str, HandlerSpec]:
    found: dict[str, HandlerSpec] = {}
    for base in reversed(cls.__mro__[1:]):
        found.update({name: value.spec for name, value in vars(base).items() if isinstance(value, Handler)})
    return found


def _keep_name(cls: type, spec: HandlerSpec, overridden: HandlerSpec | None) -> None:
    """An override takes the messages of what it overrides, so it has its declared name."""
    if overridden is None or spec.name == overridden.name:
        return
    if spec.named:
        raise DefinitionError(
            f"{cls.__name__}.{spec.attribute}: name={spec.name!r}, but the handler it overrides is declared "
            f"as {overridden.name!r} and their messages are the same: drop name="
        )
    spec.name = overridden.name


def _state(cls: type[Actor], root: type[Actor], scope: Scope) -> Shape:
    """The declared fields that are saved, each annotation seen from the class that declares it."""
    fields = [field for field in _fields(cls) if TRANSIENT not in field.metadata]
    notes: dict[str, Note] = {}
    for base in reversed(cls.__mro__[1:]):
        if issubclass(base, root) and base is not root:
            notes.update(zip(base.__callboard__.state.names, base.__callboard__.state.notes, strict=True))
    notes.update({name: Note(note, scope) for name, note in own_annotations(cls).items()})
    return Shape(
        tuple(field.name for field in fields),
        tuple(notes[field.name] for field in fields),
        {field.name: default for field in fields if (default := _default(cls, field)) is not None},
        f"{cls.__name__}.{{}}",
    )


def _default(cls: type, field: attrs.Attribute[Any]) -> Default | None:
    default: Any = field.default
    if default is attrs.NOTHING:
        return None
    if is_factory(default):
        if default.takes_self:
            raise DefinitionError(
                f"{cls.__name__}.{field.name}: a default that looks at self cannot fill in a field "
                "that older state lacks: write factory= or a plain default"
            )
        return Default(factory=default.factory)
    return Default(default)
