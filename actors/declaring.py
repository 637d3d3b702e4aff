"""Declaring: what happens when an actor class is defined.

The order matters: first the class body is looked over, so that mistakes are named in the
author's words; then attrs makes the constructor; then fields and handlers become shapes.
"""

from __future__ import annotations

import inspect
import itertools
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

import attrs

from .annotations import Note, Scope, is_class_variable, own_annotations
from .declared import TRANSIENT, ActorType
from .errors import DefinitionError
from .handler import Handler, HandlerSpec
from .shape import Default, Shape

if TYPE_CHECKING:
    from .actor import Actor

RESERVED: Final = {
    "turn": "self.turn is the turn in hand",
    "started": "it is the hook that runs at activation",
    "stopped": "it is the hook that runs when the actor is put away",
}
HOOKS: Final = ("started", "stopped")
_numbers = itertools.count(1)


def declare(cls: type[Actor], root: type[Actor], type_name: str | None, speculation: bool) -> None:
    """Make a class an actor class.

    Raises:
        DefinitionError: it cannot be one; the text has the remedy.
    """
    frame = _defining_frame()
    name = _check_type_name(cls, type_name)
    _check_bases(cls, root)
    _check_body(cls, root)
    _apply_attrs(cls, root)
    scope = Scope(_namespace(cls), {cls.__name__: cls}, frame)
    handlers = _declare_handlers(cls, root, name, scope)
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


def _defining_frame() -> FrameType | None:
    """The frame of the class statement: the first outside of class-making machinery."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_name in (
        "__init_subclass__",
        "__new__",
        "__init__",
        "new_class",
    ):
        frame = frame.f_back
    return frame


def _namespace(cls: type) -> dict[str, Any]:
    module = sys.modules.get(cls.__module__)
    return vars(module) if module else {}


def _where(cls: type, frame: FrameType | None) -> str:
    place = f"{cls.__module__}.{cls.__qualname__}"
    return f"{place} ({frame.f_code.co_filename}:{frame.f_lineno})" if frame else place


def _check_type_name(cls: type, type_name: object) -> str:
    name = cls.__name__ if type_name is None else type_name
    if type(name) is not str or not 1 <= len(name.encode()) <= 255 or not name.isprintable():
        raise DefinitionError(
            f"class {cls.__name__}: type_name={type_name!r} cannot be stored; give 1 to 255 bytes of printable text"
        )
    return name


def _check_bases(cls: type, root: type) -> None:
    """Mixins may bring methods; state and handlers must be an actor's own."""
    for base in cls.__mro__:
        if issubclass(base, root) or base in (object, Generic, Protocol):
            continue
        fields = [name for name, note in own_annotations(base).items() if not is_class_variable(note)]
        if fields:
            raise DefinitionError(
                f"class {cls.__name__}: its base {base.__name__} declares {fields[0]!r} but is no actor class, so the "
                f"field would not be saved: derive {base.__name__} from Actor, or move the field to {cls.__name__}"
            )
        handlers = [name for name, value in vars(base).items() if isinstance(value, Handler)]
        if handlers:
            raise DefinitionError(
                f"class {cls.__name__}: its base {base.__name__} has the handler {handlers[0]!r} but is no actor class: "
                f"derive {base.__name__} from Actor"
            )


def _check_body(cls: type, root: type) -> None:
    notes = own_annotations(cls)
    for name in (*notes, *(name for name, value in vars(cls).items() if isinstance(value, Handler))):
        if name in RESERVED:
            raise DefinitionError(
                f"{cls.__name__}.{name}: the name {name!r} is reserved, {RESERVED[name]}; choose another"
            )
        if name.startswith("_" + cls.__name__.lstrip("_") + "__"):
            raise DefinitionError(
                f"{cls.__name__}: Python renames fields that begin with two underscores, and stored names must not "
                "follow the class: use one underscore"
            )
    if "turn" in vars(cls):
        raise DefinitionError(
            f"{cls.__name__}.turn: the name 'turn' is reserved, {RESERVED['turn']}; choose another"
        )
    for hook in HOOKS:
        if hook in vars(cls) and not inspect.iscoroutinefunction(vars(cls)[hook]):
            raise DefinitionError(
                f"{cls.__name__}.{hook} is a hook and must be `async def {hook}(self) -> None`"
            )
    for base in cls.__mro__[1:]:
        for name, value in vars(base).items():
            if isinstance(value, Handler) and name in vars(cls) and not isinstance(vars(cls)[name], Handler):
                raise DefinitionError(
                    f"{cls.__name__}.{name} overrides a handler of {base.__name__} and is none itself, so messages would "
                    "pass it by: decorate it with @handler"
                )
            if isinstance(value, Handler) and name in notes:
                raise DefinitionError(
                    f"{cls.__name__}.{name} is a field here and a handler in {base.__name__}: rename it"
                )


def _apply_attrs(cls: type[Actor], root: type[Actor]) -> None:
    _check_defaults(cls)
    try:
        attrs.define(cls, slots=False, auto_attribs=True, eq=False)
    except (ValueError, TypeError, attrs.exceptions.UnannotatedAttributeError) as error:
        raise DefinitionError(f"class {cls.__name__}: {error}") from error
    own = vars(cls).get("__setattr__")
    if own is None or not vars(cls).get("__attrs_own_setattr__"):
        if own is object.__setattr__:  # attrs resets what a base class's hooks made
            del cls.__setattr__
        return
    hooked = own

    def guarded(self: Actor, name: str, value: Any) -> None:
        if name not in self.__callboard__.attributes:
            root.__setattr__(self, name, value)
        hooked(self, name, value)

    cls.__setattr__ = guarded  # type: ignore[method-assign]


def _check_defaults(cls: type) -> None:
    """Refuse defaults that all actors would share; attrs would share them silently."""
    for name in own_annotations(cls):
        default = vars(cls).get(name)
        if type(default).__name__ == "_CountingAttr":
            default = getattr(default, "_default", None)
        if type(default).__hash__ is None and not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            kind = type(default).__name__
            factory = kind if not default else f"lambda: {default!r:.40}"
            raise DefinitionError(
                f"{cls.__name__}.{name}: all actors would share the default {default!r:.40}; "
                f"write {name}: ... = attrs.field(factory={factory})"
            )


def _declare_handlers(
    cls: type[Actor], root: type[Actor], type_name: str, scope: Scope
) -> dict[str, HandlerSpec]:
    own = {name: value.spec for name, value in vars(cls).items() if isinstance(value, Handler)}
    inherited = {} if cls.__bases__ == (root,) else _inherited(cls)
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
            f"{cls.__name__}.{spec.attribute}: name={spec.name!r}, but the handler it overrides is declared as "
            f"{overridden.name!r} and their messages are the same: drop name="
        )
    spec.name = overridden.name


def _state(cls: type[Actor], root: type[Actor], scope: Scope) -> Shape:
    """The declared fields that are saved, each annotation seen from the class that declares it."""
    fields = [field for field in attrs.fields(cls) if TRANSIENT not in field.metadata]
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
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        if default.takes_self:
            raise DefinitionError(
                f"{cls.__name__}.{field.name}: a default that looks at self cannot fill in a field that older state "
                "lacks: write factory= or a plain default"
            )
        return Default(factory=default.factory)
    return Default(default)
