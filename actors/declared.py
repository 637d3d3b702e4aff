"""Declared types: what the runtime knows of an actor class, read once where the class is defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

from .checking import compile_read
from .errors import MessageTooLarge
from .handler import HandlerSpec
from .shape import Shape

if TYPE_CHECKING:
    from .actor import Actor

TRANSIENT = "callboard.transient"
"""Metadata key of fields that are rebuilt, never saved."""
_set = object.__setattr__


MAX_STATE = 16 * 1024 * 1024
"""Bytes of an actor's declared fields at the most."""


class ActorType:
    """An actor class as the runtime sees it."""

    __slots__ = (
        *("_complete", "_make_transients", "abstract", "attributes", "cls", "handlers", "has_started"),
        *("ahead", "has_stopped", "keeps_values", "name", "number", "read", "read_checked", "small"),
        *("speculation", "specs", "state", "where"),
    )

    def __init__(
        self,
        cls: type[Actor],
        *,
        name: str,
        number: int,
        where: str,
        state: Shape,
        handlers: Mapping[str, HandlerSpec],
        speculation: bool,
        has_started: bool,
        has_stopped: bool,
    ) -> None:
        self.cls = cls
        self.name = name
        """Declared name: by default the bare name of the class."""
        self.number = number
        """Classes are numbered in the order they were defined."""
        self.where = where
        """File and line of the class, for people."""
        self.state = state
        """The declared fields."""
        self.handlers = handlers
        """By declared name, inherited ones included."""
        self.specs = frozenset(handlers.values())
        """The same, to ask whether one is among them."""
        self.speculation = speculation
        """Whether its turns may begin on mail that is not yet durable (G6)."""
        self.ahead = self.specs if speculation else frozenset[HandlerSpec]()
        """Handlers whose turns may, if none of them suspends."""
        self.abstract = any(spec.abstract for spec in handlers.values())
        """A protocol for others to implement: it has abstract handlers, and no mailbox of its own."""
        self.has_started = has_started
        self.has_stopped = has_stopped
        """Whether the hooks were overridden."""
        made_by_attrs: Any = cls
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(made_by_attrs)
        self.attributes = frozenset(field.name for field in fields)
        """All declared attributes, transient ones included."""
        self.read = reader(state.names)
        """The declared fields of an actor as a tuple."""
        self.small = False
        """Whether they are, and never have many bytes."""
        self.keeps_values = False
        """Whether they are immutable, so that bytes may be made of them later; only if it is complete."""
        self.read_checked = self.read
        """`read` and the check of `state` in one."""
        self._complete = False
        self._make_transients = [make for field in fields if (make := _maker(field)) is not None]

    def build(self, values: tuple[Any, ...]) -> Actor:
        """A fresh actor with this state.

        The actor is restored, not constructed: `__init__`, `__attrs_post_init__`, validators and
        converters ran when it was first made. Transient fields are made by their factories.
        """
        actor = self.cls.__new__(self.cls)
        # Not by its `__dict__`, which would be made then: fields are found much faster while there is none.
        for name, value in zip(self.state.names, values, strict=True):
            _set(actor, name, value)
        for name, make in self._make_transients:
            _set(actor, name, make(actor))
        return actor

    def encode(self, actor: Actor) -> bytes:
        """The state of an actor, as it is stored.

        Raises:
            NotStorable: a declared field is not what its annotation says.
        """
        return self.state.encode(self.state.check(self.read(actor)))

    def complete(self) -> None:
        """Resolve every annotation; a node calls it when it opens. Nothing the second time.

        Raises:
            DefinitionError: a name in one does not exist.
        """
        if self._complete:
            return
        state = self.state
        state.complete()
        self.read_checked = compile_read(state.names, state.kinds, state.check)
        self.keeps_values = state.live and state.most is not None
        self.small = self.keeps_values and state.small
        for spec in self.handlers.values():
            spec.complete()
        self._complete = True

    def __repr__(self) -> str:
        return f"<actor type {self.name!r}, {self.where}>"


def check_state(state: bytes, whose: str) -> None:
    """Refuse a state that is too large.

    Raises:
        MessageTooLarge: it is.
    """
    if len(state) > MAX_STATE:
        raise MessageTooLarge(
            f"the state of {whose} has {len(state)} bytes and {MAX_STATE} is the most: "
            "spread it over more actors"
        )


_FACTORY: Any = attrs.Factory


def is_factory(default: object) -> bool:
    """Whether a field's default is `attrs.Factory`, a class that its stubs call a function."""
    return isinstance(default, _FACTORY)


def reader(names: tuple[str, ...]) -> Callable[[Actor], tuple[Any, ...]]:
    """The fastest way to some attributes as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda _: ()
    get = attrgetter(names[0])
    return lambda actor: (get(actor),)


def _maker(field: attrs.Attribute[Any]) -> tuple[str, Callable[[Any], Any]] | None:
    default: Any = field.default
    if TRANSIENT not in field.metadata or default is attrs.NOTHING:
        return None
    if is_factory(default):
        factory: Any = default
        return field.name, factory.factory if factory.takes_self else lambda _: factory.factory()
    return field.name, lambda _: default
