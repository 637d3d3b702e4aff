"""Actors: private state behind a mailbox.

Declaring a subclass is all it takes: its annotated fields become the durable state, its
`@handler` methods what it can be told. Everything that cannot work later is refused at
the class statement, with what to write instead.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, dataclass_transform, overload

import attrs
import msgspec

from .current import turn_in_hand
from .declared import TRANSIENT, ActorType as ActorType
from .declaring import declare
from .errors import DefinitionError, NotInTurn
from .kinds import type_of

if TYPE_CHECKING:
    from .turn import Turn

T = TypeVar("T")
_set = object.__setattr__


@overload
def transient(*, factory: Callable[[], T], init: Literal[False] = False) -> T: ...


@overload
def transient(*, default: T, init: Literal[False] = False) -> T: ...


@overload
def transient(*, init: Literal[False] = False) -> Any: ...


def transient(*, factory: Any = None, default: Any = attrs.NOTHING, init: Literal[False] = False) -> Any:
    """A field that is rebuilt whenever the actor is, and never saved: a client, a lock, a cache.

    It is no parameter of the class. Its annotation may be any type.

    Args:
        factory: called without arguments each time the actor is built.
        default: an immutable value to begin with. Without either the field is unset until
            `started` sets it.
        init: always False; it tells type checkers that the field is no parameter.

    Raises:
        DefinitionError: the default is mutable: every actor would share it.
    """
    if init:
        raise DefinitionError("transient(init=True): a transient field is rebuilt, never given; drop init")
    if type_of(default).__hash__ is None:
        raise DefinitionError(
            f"transient(default={default!r:.40}): all actors would share it; "
            f"write transient(factory={type_of(default).__name__})"
        )
    if factory is not None:
        default = attrs.Factory(factory)
    return attrs.field(default=default, init=False, repr=False, metadata={TRANSIENT: True})


@dataclass_transform(eq_default=False, field_specifiers=(attrs.field, transient))
class Actor:
    """Base class of actors.

        class Account(Actor):
            owner: str
            balance: int = 0

            @handler
            async def deposit(self, amount: int) -> int:
                self.balance += amount
                return self.balance

    Declared fields are the state: saved with every turn, restored after a crash (G7). Class
    keywords: `type_name=`, the name under which mail and state are stored, by default the bare
    class name; `speculation=False`, to begin turns only on mail that is already durable (G6).

    An actor can be built and its handlers awaited without any runtime, as in a unit test.
    """

    __callboard__: ClassVar[ActorType]

    def __init_subclass__(
        cls, *, type_name: str | None = None, speculation: bool = True, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        declare(cls, Actor, type_name=type_name, speculation=speculation)

    @property
    def turn(self) -> Turn:
        """The turn in hand: sends, timers, clock, log.

        Raises:
            NotInTurn: no turn of this actor is running.
        """
        turn = turn_in_hand()
        if turn is None:
            raise NotInTurn(
                f"{type(self).__name__}.turn: no turn is running here. It exists only while a node handles "
                "a message; a unit test of a handler gets one by `with callboard.testing.turn(actor):`"
            )
        return turn

    async def started(self) -> None:
        """Override to prepare transient fields; runs at every activation, before the first turn."""

    async def stopped(self) -> None:
        """Override to close what `started` opened; runs at passivation, stop and shutdown."""

    if not TYPE_CHECKING:  # or checkers would let any attribute pass

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in self.__callboard__.attributes:
                self._refuse_undeclared(name, value)
            _set(self, name, value)

    def _refuse_undeclared(self, name: str, value: object) -> None:
        cls = type(self)
        if hasattr(getattr(cls, name, None), "__set__"):
            return  # a property with a setter
        raise AttributeError(
            f"{cls.__name__}.{name} is not declared, so it would be lost when the actor is built again: "
            f"write `{name}: {type(value).__name__}` in the class to have it saved, "
            f"or `{name}: ... = transient(factory=...)` to have it rebuilt"
        )


def actor_type(cls: type[Actor]) -> ActorType:
    """What the runtime knows of an actor class.

    Raises:
        TypeError: it is no subclass of Actor.
    """
    found: object = getattr(cls, "__dict__", {}).get("__callboard__")
    if not isinstance(found, ActorType):
        raise TypeError(f"{cls!r} is no actor class: derive it from callboard.Actor")
    return found


class Conflict(msgspec.Struct, frozen=True):
    """Two live classes that claim one declared name: mail for it waits."""

    name: str
    places: tuple[str, ...]
    """Where the classes are defined."""

    def __str__(self) -> str:
        return (
            f"{len(self.places)} classes are declared as {self.name!r}: {' and '.join(self.places)}; "
            'give one of them another name, class ...(Actor, type_name="..."), or pass types=[...]'
        )


def find_types(types: Iterable[type[Actor]] | None = None) -> dict[str, ActorType | Conflict]:
    """Actor classes by declared name.

    A class that was defined again (a reloaded module, a notebook cell, a function called
    twice) counts once, as it is now. Abstract classes have no mailboxes and are left out.

    Args:
        types: only these; by default all subclasses of Actor that are alive.
    """
    if types is not None:
        return _by_name([actor_type(cls) for cls in types])
    found = _by_name(_living())
    if any(isinstance(entry, Conflict) for entry in found.values()):
        gc.collect()  # classes are in cycles, so that dead ones linger
        found = _by_name(_living())
    return found


def _living() -> list[ActorType]:
    found: dict[type[Actor], ActorType] = {}
    open_ = list(Actor.__subclasses__())
    while open_:
        cls = open_.pop()
        if cls not in found and "__callboard__" in cls.__dict__:
            found[cls] = cls.__callboard__
            open_ += cls.__subclasses__()
    return list(found.values())


def _by_name(types: list[ActorType]) -> dict[str, ActorType | Conflict]:
    newest: dict[tuple[str, str, str], ActorType] = {}
    for kind in sorted(types, key=lambda kind: kind.number):
        if not kind.abstract:
            newest[kind.name, kind.cls.__module__, kind.cls.__qualname__] = kind
    found: dict[str, list[ActorType]] = {}
    for kind in newest.values():
        found.setdefault(kind.name, []).append(kind)
    return {
        name: kinds[0] if len(kinds) == 1 else Conflict(name, tuple(kind.where for kind in kinds))
        for name, kinds in found.items()
    }
