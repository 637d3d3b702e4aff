"""Signatures: what a handler takes, read once where it is defined."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from .annotations import Note, Scope, signature_of
from .errors import DefinitionError
from .kinds import type_of
from .reply import Reply
from .shape import Default, Shape

_EMPTY = inspect.Parameter.empty
_REMEDIES = {
    inspect.Parameter.POSITIONAL_ONLY: "drop the `/`: parameters are stored by name",
    inspect.Parameter.VAR_POSITIONAL: "take one list or tuple instead: parameters are stored by name",
    inspect.Parameter.VAR_KEYWORD: "take one dict instead: parameters are stored by name",
}


class Signature:
    """The parameters of a handler's function, without self."""

    __slots__ = ("_defaults", "by_position", "by_position_count", "function", "names", "parameters", "text")

    def __init__(self, function: object) -> None:
        if type_of(function) in (staticmethod, classmethod):
            raise DefinitionError(
                f"@handler takes a plain method, which has self; not a {type_of(function).__name__}"
            )
        self.text = f"@handler {getattr(function, '__qualname__', repr(function))}"
        if not inspect.iscoroutinefunction(function):
            raise DefinitionError(
                f"{self.text}: a handler is an `async def` method; write `async def` before its name"
            )
        self.function: Callable[..., Coroutine[Any, Any, Any]] = function
        self.parameters = self._read(signature_of(function))
        self.names = tuple(self.parameters)
        self._defaults = {n: p.default for n, p in self.parameters.items() if p.default is not _EMPTY}
        keywords = [n for n, p in self.parameters.items() if p.kind is p.KEYWORD_ONLY]
        self.by_position = _taking_positions(function, self.names, len(keywords)) if keywords else function
        self.by_position_count = -1 if keywords else len(self.names)
        """How many positional arguments are all of them; -1 if some go by keyword alone."""

    def _read(self, signature: inspect.Signature) -> dict[str, inspect.Parameter]:
        parameters = list(signature.parameters.values())
        if not parameters or parameters[0].kind is parameters[0].KEYWORD_ONLY:
            raise DefinitionError(f"{self.text}: a handler is a method; give it self as its first parameter")
        for parameter in parameters[1:]:
            if parameter.kind in _REMEDIES:
                raise DefinitionError(
                    f"{self.text}: {parameter} cannot be stored; {_REMEDIES[parameter.kind]}"
                )
            if parameter.annotation is _EMPTY:
                raise DefinitionError(
                    f"{self.text}: the parameter {parameter.name!r} has no annotation; "
                    f"write its type, such as {parameter.name}: int, since it says how the value is stored"
                )
        return {parameter.name: parameter for parameter in parameters[1:]}

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Values in the parameters' order, defaults filled in.

        Raises:
            TypeError: they do not fit; the text has the signature.
        """
        known = dict(zip(self.names, args, strict=False))
        given = {**self._defaults, **known, **kwargs}
        fits = len(args) <= len(self.names) and not known.keys() & kwargs.keys()
        if not fits or given.keys() != self.parameters.keys() or 0 <= self._keyword_only_from() < len(args):
            raise self._misfit(args, kwargs)
        return tuple([given[name] for name in self.names])

    def _keyword_only_from(self) -> int:
        if self.by_position_count >= 0:
            return -1
        kinds = [parameter.kind for parameter in self.parameters.values()]
        return kinds.index(inspect.Parameter.KEYWORD_ONLY)

    def _misfit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
        name = self.function.__qualname__.rpartition("<locals>.")[2]
        signature = inspect.Signature(list(self.parameters.values()))
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            return TypeError(f"{name}{signature}: {error}")
        raise AssertionError(f"{name}{signature} takes what it should not: {args} {kwargs}")

    def shape(self, name: str, scope: Scope) -> Shape:
        """The parameters as a shape; `name` is the handler's in texts."""
        notes = tuple(Note(parameter.annotation, scope) for parameter in self.parameters.values())
        defaults = {parameter: Default(value) for parameter, value in self._defaults.items()}
        return Shape(self.names, notes, defaults, f"{name}({{}}=...)")

    def reply(self, place: str, scope: Scope) -> Reply:
        """The return annotation as a reply; none means None."""
        annotation = signature_of(self.function).return_annotation
        return Reply(None if annotation is _EMPTY else annotation, place, scope)

    def of_messages(self, shape: Shape) -> inspect.Signature:
        """The signature of the factory: without self, annotations resolved."""
        pairs = zip(self.parameters.values(), shape.notes, strict=True)
        return inspect.Signature([parameter.replace(annotation=note.annotation) for parameter, note in pairs])


def _taking_positions(
    function: Callable[..., Coroutine[Any, Any, Any]], names: tuple[str, ...], keywords: int
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function, with its keyword-only parameters taken by position."""
    first = len(names) - keywords

    def call(actor: Any, *values: Any) -> Coroutine[Any, Any, Any]:
        return function(actor, *values[:first], **dict(zip(names[first:], values[first:], strict=True)))

    return call
