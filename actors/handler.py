"""Handlers: methods that take messages.

On the class a handler makes messages, on an instance it is the method it was. The
descriptor is not generic in the actor's class (pyright would refuse every override), and
the owner's type variable is bound (ty would lose the actor): both matter.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from .durations import Seconds, in_seconds
from .errors import DefinitionError
from .message import A_contra, Message, R_co
from .retry import Retry
from .signature import Signature
from .texts import brief

if TYPE_CHECKING:
    from .actor import Actor
    from .annotations import Scope
    from .reply import Reply
    from .shape import Shape

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound="Actor")


class HandlerSpec:
    """A handler as the runtime sees it."""

    __slots__ = (
        *("abstract", "attribute", "doc", "function", "name", "named", "owner", "reply"),
        *("retry", "shape", "signature", "suspends", "timeout", "type_name", "version"),
    )

    name: str
    """Declared name, stored with every message."""
    attribute: str
    """Name of the method."""
    owner: type[Actor]
    """The class that declares it; subclasses share it until they override it."""
    type_name: str
    """Declared name of that class."""
    shape: Shape
    """Its parameters."""
    reply: Reply
    """What it returns."""

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *,
        name: str | None,
        retry: Retry | None,
        timeout: Seconds | None,
        version: int,
    ) -> None:
        self.signature = Signature(function)
        self.function = self.signature.by_position
        """The plain async function, called as `function(actor, *values)`."""
        self.attribute = function.__name__
        self.named = name is not None
        """Whether the author gave the name."""
        self.name = function.__name__ if name is None else _check_name(name, self.signature.text)
        self.retry = _check_retry(retry, self.signature.text)
        self.timeout = None if timeout is None else in_seconds(timeout, f"timeout of {self.attribute}")
        """Seconds a turn may take; None for no limit."""
        self.version = _check_version(version, self.signature.text)
        self.abstract = bool(getattr(function, "__isabstractmethod__", False))
        self.suspends = False
        """Set by the runtime once the handler was seen to suspend."""

    def declare(self, owner: type[Actor], type_name: str, scope: Scope) -> None:
        """Become the handler of a class: read the annotations.

        Raises:
            DefinitionError: one cannot be stored.
        """
        self.owner = owner
        self.type_name = type_name
        signature = self.signature
        self.shape = signature.shape(f"{owner.__name__}.{self.attribute}", scope)
        self.reply = signature.reply(f"the reply of {owner.__name__}.{self.attribute}", scope)

    def complete(self) -> None:
        """Resolve what could not be resolved at class creation.

        Raises:
            DefinitionError: a name in an annotation does not exist.
        """
        self.shape.complete()
        self.reply.complete()

    def show(self, values: tuple[Any, ...]) -> str:
        """A message as people read it: `deposit(30)`."""
        return f"{self.attribute}({', '.join(map(brief, values))})"

    def __repr__(self) -> str:
        return f"<handler {self.owner.__name__}.{self.attribute}>"


def _check_name(name: object, text: str) -> str:
    if type(name) is not str or not name or len(name) > 255 or not name.isprintable():
        raise DefinitionError(f"{text}: name={name!r} cannot be stored; give 1 to 255 printable characters")
    if name.startswith("$"):
        raise DefinitionError(f"{text}: name={name!r} begins with $, as the runtime's own do; choose another")
    return name


def _check_retry(retry: object, text: str) -> Retry | None:
    if retry is not None and not isinstance(retry, Retry):
        raise DefinitionError(f"{text}: retry={retry!r} is not a Retry; write retry=Retry(attempts=...)")
    return retry


def _check_version(version: object, text: str) -> int:
    if type(version) is not int or not 1 <= version < 2**31:
        raise DefinitionError(f"{text}: version={version!r}; count versions from 1")
    return version


class Factory(Generic[A_contra, P, R_co]):
    """What a handler is on its class: call it with the parameters to make a message."""

    __wrapped__: Callable[..., Any]

    def __init__(self, spec: HandlerSpec) -> None:
        self.spec = spec
        """The handler whose messages it makes."""
        function = spec.signature.function
        self.__wrapped__ = function
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self._count = spec.signature.by_position_count
        self._quick: Callable[[tuple[Any, ...]], Message[A_contra, R_co]] | None = None
        """Makes a message of values that may be shared; None until the shape is known."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Message[A_contra, R_co]:
        """A message for the handler.

        Raises:
            TypeError: the parameters do not fit the handler's signature.
            NotStorable: a value is not exactly what its annotation says.
        """
        make = self._quick
        if make is None or kwargs or len(args) != self._count:
            return self._make(args, kwargs)
        return make(args)

    def _make(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Message[A_contra, R_co]:
        """The long way to a message: of values that may change, it keeps the bytes instead."""
        spec = self.spec
        spec.complete()
        shape = spec.shape
        positional = not kwargs and len(args) == self._count
        values = args if positional else spec.signature.bind(args, kwargs)
        if shape.live:
            if self._quick is None:
                self._quick = shape.maker(Message, spec, self._make_live)
            return self._make_live(values)
        body = shape.encode(shape.check(values))
        return Message(spec, body, len(body))

    def _make_live(self, values: tuple[Any, ...]) -> Message[A_contra, R_co]:
        shape = self.spec.shape
        checked = shape.check(values)
        return Message(self.spec, checked, 0 if shape.most is None else shape.most(checked))

    def __repr__(self) -> str:
        return f"<handler {self.__qualname__}>"

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        """For tools that build values, such as Hypothesis: no self, annotations resolved."""
        self.spec.complete()
        return self.spec.signature.of_messages(self.spec.shape)


class Handler(Generic[P, R_co]):
    """The descriptor that `@handler` leaves in the class."""

    def __init__(self, spec: HandlerSpec) -> None:
        self.spec = spec
        """What the runtime sees."""
        self.factory: Factory[Any, P, R_co] = Factory(spec)
        function = spec.signature.function
        self.__wrapped__ = function
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__isabstractmethod__ = spec.abstract

    @overload
    def __get__(self, obj: None, owner: type[A]) -> Factory[A, P, R_co]: ...

    @overload
    def __get__(self, obj: object, owner: type[Any]) -> Callable[P, Coroutine[Any, Any, R_co]]: ...

    def __get__(self, obj: object, owner: type[Any]) -> Any:
        if obj is None:
            return self.factory
        return MethodType(self.__wrapped__, obj)

    def __repr__(self) -> str:
        return f"<handler {self.__qualname__}>"


@overload
def handler(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> Handler[P, R]: ...


@overload
def handler(
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: Seconds | None = None,
    version: int = 1,
) -> Callable[[Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]], Handler[P, R]]: ...


def handler(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: Seconds | None = None,
    version: int = 1,
) -> Any:
    """Make a method one that takes messages; bare, or with options.

    Args:
        function: an `async def` with every parameter annotated; no *args, **kwargs or
            positional-only parameters. A missing return annotation means None.
        name: stored with every message; by default the method's name. Give the old name
            after renaming a method, so that mail on disk still finds it.
        retry: what to do when it fails; by default 12 attempts in about three minutes (G7).
        timeout: seconds, or a timedelta, a turn may take; it then counts as a failed attempt (G18).
        version: of the parameters; mail of another version waits in its mailbox.

    Raises:
        DefinitionError: it cannot take messages; the text has the remedy.
    """

    def decorate(function: Callable[..., Any]) -> Handler[Any, Any]:
        return Handler(HandlerSpec(function, name=name, retry=retry, timeout=timeout, version=version))

    return decorate if function is None else decorate(function)
