"""Annotations: from what stands in the source to types.

Names are looked up as the author sees them: in the module, in the function the class is
defined in, and the class itself by its own name although Python has not bound it yet. A
name that is not there yet may still come (two classes that mention one another), so an
unresolved annotation is tried again when the first message is made or a node opens.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, ClassVar, Final, ForwardRef, get_origin

import msgspec

from .errors import DefinitionError


class Unresolved(DefinitionError):
    """A name in an annotation that does not exist, or not yet."""

    def __init__(self, name: str, place: str = "") -> None:
        self.name = name
        super().__init__(
            f"{place and f'{place}: '}the name {name!r} is not defined where the class is: "
            "import it there (outside `if TYPE_CHECKING`), or define it before the first message is made"
        )

    def at(self, place: str) -> Unresolved:
        """The same, with the place where the annotation stands."""
        return Unresolved(self.name, place)


class _Absent(type):
    """Metaclass of stand-ins for names that do not exist.

    They let the rest of an annotation be read: `ActorRef[Order]` needs no `Order` at run
    time, which is how two modules can hold refs to one another's actors.
    """

    def __getitem__(cls, item: object) -> _Absent:
        return cls

    def __getattr__(cls, name: str) -> _Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


def is_absent(annotation: object) -> bool:
    """Whether a name of the annotation did not exist."""
    return isinstance(annotation, _Absent)


class Scope:
    """The names that are in sight of a class statement."""

    def __init__(
        self, namespace: Mapping[str, Any], own: Mapping[str, Any], frame: FrameType | None = None
    ) -> None:
        self._globals = namespace
        self._own = own
        self._frame = frame

    @classmethod
    def of_class(cls, type_: type, around: Scope | None = None) -> Scope:
        """The scope of a class's own annotations, seen from the annotations that mention it."""
        module = sys.modules.get(type_.__module__)
        own = {**(around.names() if around else {}), type_.__name__: type_}
        return cls(vars(module) if module else {}, own)

    def names(self) -> dict[str, Any]:
        """Names that are not the module's."""
        frame = self._frame
        local = {} if frame is None or frame.f_locals is frame.f_globals else dict(frame.f_locals)
        return {**local, **self._own}

    def resolve(self, annotation: Any) -> Any:
        """The type that an annotation means; names that do not exist become stand-ins.

        Raises:
            Unresolved: a part of the annotation cannot be read at all.
        """
        names = self.names()
        while True:
            try:
                return _evaluate(annotation, self._globals, names)
            except NameError as error:
                if not error.name or error.name in names:
                    raise Unresolved(_source(annotation)) from error
                names[error.name] = _Absent(error.name, (), {})
            except AttributeError as error:
                raise Unresolved(_source(annotation)) from error
            except SyntaxError as error:
                raise DefinitionError(f"{_source(annotation)!r} is not an annotation: {error}") from error


NOWHERE: Final = Scope({}, {})
"""A scope without names; what is complete keeps this one, so that no frame is kept alive."""


class Note(msgspec.Struct, frozen=True):
    """An annotation and where it stands."""

    annotation: Any
    scope: Scope = NOWHERE

    def resolve(self) -> Any:
        """See `Scope.resolve`."""
        return self.scope.resolve(self.annotation)


def _evaluate(annotation: Any, namespace: Mapping[str, Any], names: dict[str, Any]) -> Any:
    holder = type("holder", (), {"__annotations__": {"it": annotation}})
    known = namespace if isinstance(namespace, dict) else dict(namespace)
    hints = typing.get_type_hints(holder, known, names, include_extras=True)
    return hints["it"]


def _source(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else repr(annotation)


def own_annotations(type_: type) -> dict[str, Any]:
    """The annotations of a class's own body; names that do not exist are no error yet."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(type_, format=Format.FORWARDREF)
    return inspect.get_annotations(type_)


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """A function's signature; names that do not exist are no error yet."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def is_class_variable(annotation: Any) -> bool:
    """Whether an annotation, resolved or not, says ClassVar."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        head = annotation.partition("[")[0].strip()
        return head in ("ClassVar", "typing.ClassVar", "t.ClassVar", "typing_extensions.ClassVar")
    return annotation is ClassVar or get_origin(annotation) is ClassVar
