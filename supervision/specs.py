"""Specs: supervision trees as declared values, checked where they are written down.

Supervisor("shop", [
    Child(Stock(), name="stock"),
    Child(Till(), name="till/1", restart="transient"),
    Dynamic("fetchers", Fetcher, restart="temporary"),
], strategy="rest_for_one")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from ..actors.actor import Actor
from ..actors.errors import DefinitionError
from ..mailbox.names import check_name
from .backoff import Backoff
from .fields import (
    DEFAULT_BACKOFF,
    AutoShutdown,
    Restart,
    Strategy,
    Terms,
    check_address,
    check_backoff,
    check_bool,
    check_intensity,
    check_period,
    check_significant,
    one_of,
    spec_text,
    to_patience,
    to_period,
)
from .trees import NEVER, check_tree, insignificant


def _check_actor(child: object, _: object, value: Any) -> None:
    if isinstance(value, type) and issubclass(value, Actor):
        raise DefinitionError(
            f"{spec_text(child)}: {value.__name__} is a class; give an actor, {value.__name__}(...), "
            "since a child begins with a state. For many of a class there is Dynamic"
        )
    if not isinstance(value, Actor):
        raise DefinitionError(
            f"{spec_text(child)}: {value!r:.60} is no actor; "
            "give an instance of a subclass of callboard.Actor"
        )


@attrs.frozen
class Child:
    """An actor that lives at a name for as long as its supervisor does.

    Raises:
        DefinitionError: it is no actor; a class, for example.
        BadName: the name can be no address.
        ValueError: the restart type is unknown, the patience is negative, a permanent child is
            significant.
        TypeError: the patience is no duration.
    """

    actor: Actor = attrs.field(validator=_check_actor)
    """The object as it is at its very first start; later starts load the last committed state."""
    name: str = attrs.field(kw_only=True, validator=check_address)
    """The address of its mailbox."""
    restart: Restart = attrs.field(default="permanent", kw_only=True, validator=one_of(Restart))
    patience: float | None = attrs.field(default=5.0, kw_only=True, converter=to_patience)
    """Seconds, or a timedelta, that it may take to stop; None waits without limit, 0 kills at once."""
    significant: bool = attrs.field(default=False, kw_only=True, validator=check_bool)
    """Whether its end counts for its supervisor's `auto_shutdown`."""

    def __attrs_post_init__(self) -> None:
        check_significant(self, self.restart, significant=self.significant)

    @property
    def terms(self) -> Terms:
        """How its supervisor treats it."""
        return Terms(self.restart, self.patience, self.significant)


def _to_children(value: Iterable[Child | Supervisor | Dynamic]) -> tuple[Child | Supervisor | Dynamic, ...]:
    given: object = value
    if isinstance(given, Child | Supervisor | Dynamic | str | bytes | dict) or not hasattr(given, "__iter__"):
        raise TypeError(f"Supervisor(children={given!r:.60}): give a list of Child, Supervisor and Dynamic")
    return tuple(value)


def _check_children(supervisor: Supervisor, _: object, children: tuple[object, ...]) -> None:
    for child in children:
        if isinstance(child, Actor):
            kind = type(child).__name__
            raise DefinitionError(
                f"{spec_text(supervisor)}: an actor needs a name to live at; "
                f"write Child({kind}(...), name=...)"
            )
        if not isinstance(child, Child | Supervisor | Dynamic):
            raise DefinitionError(
                f"{spec_text(supervisor)}: {child!r:.60} is no child; give Child, Supervisor or Dynamic"
            )


@attrs.frozen
class Supervisor:
    """Keeps its children running: OTP's supervisor, with a back-off between restarts.

    If more than `intensity` restarts are needed within `period`, it stops its children and gives up. Its
    own supervisor then restarts it if it is permanent.

    Raises:
        DefinitionError: a child is none, or the tree contains itself.
        BadName: the name can be no address.
        ValueError: a word or number makes no sense, a name or an actor stands twice in the tree,
            a child is significant although `auto_shutdown` is never.
        TypeError: something is of a wrong type.
    """

    name: str = attrs.field(validator=check_address)
    children: tuple[Child | Supervisor | Dynamic, ...] = attrs.field(
        default=(), converter=_to_children, validator=_check_children
    )
    """In start order; they are stopped in the reverse of it."""
    strategy: Strategy = attrs.field(default="one_for_one", kw_only=True, validator=one_of(Strategy))
    intensity: int = attrs.field(default=3, kw_only=True, validator=check_intensity)
    """Restarts that are allowed within `period`; 0 allows none. A restart of a group counts once."""
    period: float = attrs.field(default=5.0, kw_only=True, converter=to_period, validator=check_period)
    """Seconds, or a timedelta; more than 0."""
    backoff: Backoff | None = attrs.field(default=DEFAULT_BACKOFF, kw_only=True, validator=check_backoff)
    """The waits between restarts of the same child; None restarts at once, as OTP does."""
    auto_shutdown: AutoShutdown = attrs.field(default="never", kw_only=True, validator=one_of(AutoShutdown))
    restart: Restart = attrs.field(default="permanent", kw_only=True, validator=one_of(Restart))
    """How its own supervisor treats it."""
    patience: float | None = attrs.field(default=None, kw_only=True, converter=to_patience)
    """Seconds that its own supervisor lets it take to stop; leave it None: its children have their own."""
    significant: bool = attrs.field(default=False, kw_only=True, validator=check_bool)
    """Whether its end counts for its own supervisor's `auto_shutdown`."""

    def __attrs_post_init__(self) -> None:
        check_significant(self, self.restart, significant=self.significant)
        for child in self.children:
            if problem := insignificant(self, child):
                raise ValueError(f"{spec_text(self)}: {problem}")
        check_tree(self)

    @property
    def terms(self) -> Terms:
        """How its own supervisor treats it."""
        return Terms(self.restart, self.patience, self.significant)


def _check_template(dynamic: Dynamic, _: object, value: Any) -> None:
    if isinstance(value, Actor):
        kind = type(value).__name__
        raise DefinitionError(
            f"{spec_text(dynamic)}: the template is an actor, and each child needs its own; give the class, "
            f"{kind}, or functools.partial({kind}, ...)"
        )
    if inspect.iscoroutinefunction(value):
        raise DefinitionError(
            f"{spec_text(dynamic)}: the template {value!r:.60} is async; give a plain function that builds "
            "an actor, and let the actor's `started` await"
        )
    if not callable(value):
        raise DefinitionError(
            f"{spec_text(dynamic)}: the template {value!r:.60} cannot be called; give an actor class, or "
            "functools.partial over one"
        )


@attrs.frozen
class Dynamic:
    """A supervisor of children that are made from one template while it runs: OTP's simple_one_for_one.

    It begins without children and stops them all at once. `restart`, `patience` and `significant` are
    those of the children; the supervisor itself is restarted by its own as `own_restart` says, and has all
    the time it wants to stop.

    Raises:
        DefinitionError: the template cannot be called, or is an actor.
        BadName: the name can be no address.
        ValueError: a word or number makes no sense.
        TypeError: something is of a wrong type.
    """

    name: str = attrs.field(validator=check_address)
    template: Callable[..., Actor] = attrs.field(validator=_check_template)
    """An actor class, or a function or `functools.partial` that builds an actor."""
    restart: Restart = attrs.field(default="permanent", kw_only=True, validator=one_of(Restart))
    patience: float | None = attrs.field(default=5.0, kw_only=True, converter=to_patience)
    significant: bool = attrs.field(default=False, kw_only=True, validator=check_bool)
    intensity: int = attrs.field(default=3, kw_only=True, validator=check_intensity)
    """Restarts that are allowed within `period`, of all children together; 0 allows none."""
    period: float = attrs.field(default=5.0, kw_only=True, converter=to_period, validator=check_period)
    """Seconds, or a timedelta; more than 0."""
    backoff: Backoff | None = attrs.field(default=DEFAULT_BACKOFF, kw_only=True, validator=check_backoff)
    """The waits between restarts of the same child; None restarts at once, as OTP does."""
    auto_shutdown: AutoShutdown = attrs.field(default="never", kw_only=True, validator=one_of(AutoShutdown))
    own_restart: Restart = attrs.field(default="permanent", kw_only=True, validator=one_of(Restart))
    """How its own supervisor treats it."""
    own_significant: bool = attrs.field(default=False, kw_only=True, validator=check_bool)
    """Whether its end counts for its own supervisor's `auto_shutdown`."""

    def __attrs_post_init__(self) -> None:
        check_significant(self, self.restart, significant=self.significant)
        check_significant(self, self.own_restart, significant=self.own_significant)
        if self.significant and self.auto_shutdown == "never":
            raise ValueError(f"{spec_text(self)}: {NEVER}")

    @property
    def terms(self) -> Terms:
        """How its own supervisor treats it; not how it treats its children."""
        return Terms(self.own_restart, None, self.own_significant)

    @property
    def children(self) -> tuple[Child, ...]:
        """None: they are made while it runs."""
        return ()

    def child(self, name: str, /, *args: Any, **kwargs: Any) -> Child:
        """A child for `StartChild`: the template called with these arguments, after its own.

        Raises:
            TypeError: they do not fit the template; the text has its signature.
            DefinitionError: the template built something else than an actor.
            BadName: the name can be no address.
        """
        check_name(name)
        self._check_arguments(name, args, kwargs)
        return Child(
            self.template(*args, **kwargs),
            name=name,
            restart=self.restart,
            patience=self.patience,
            significant=self.significant,
        )

    def _check_arguments(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            signature = inspect.signature(self.template)
        except ValueError:
            return  # some callables written in C have none; the call itself will tell
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            called = getattr(self.template, "func", self.template)  # what a partial is over
            name_of = getattr(called, "__qualname__", repr(called))
            text = f"{name_of}{signature.replace(return_annotation=signature.empty)}"
            raise TypeError(
                f"{spec_text(self)}: the arguments for {name!r} do not fit its template {text}: {error}"
            ) from None


AnySupervisor = Supervisor | Dynamic
"""What has children."""
AnyChild = Child | Supervisor | Dynamic
"""What a supervisor may have as a child."""
