"""Strategies of messages, refs and actors, for Hypothesis.

    from callboard.testing import messages, refs

    @given(st.lists(messages(Account)))
    def test_no_order_of_messages_makes_debt(mail: list[Message[Account, Any]]) -> None: ...

Whatever they draw is accepted by the handler's annotations and survives the disk
unchanged. While this module is imported, `st.from_type(Account)`, `st.builds(Account)`,
`st.builds(Account.deposit)` and `st.from_type(ActorRef[Account])` draw such values too.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, get_args, overload

import attrs
from hypothesis import strategies as st

from ..actors.actor import Actor, actor_type
from ..actors.annotations import signature_of
from ..actors.declaring import WITNESSES
from ..actors.handler import Factory, HandlerSpec
from ..actors.message import Message
from ..actors.ref import ActorRef
from ..actors.shape import Shape
from ..mailbox.names import check_name
from .drawing import NAMES, Strategy, Undrawable, ref_to, values_of

A = TypeVar("A", bound=Actor)
R = TypeVar("R")


@overload
def messages(*handlers: Factory[A, ..., R], **parameters: Strategy) -> st.SearchStrategy[Message[A, R]]: ...


@overload
def messages(*kinds: type[A], **parameters: Strategy) -> st.SearchStrategy[Message[A, Any]]: ...


def messages(*targets: Any, **parameters: Any) -> st.SearchStrategy[Message[Any, Any]]:
    """Messages of some handlers, or of all handlers of actor classes.

        messages(Account)
        messages(Account.deposit, Account.withdraw)
        messages(Account.deposit, amount=st.integers(1, 9))

    Without a strategy for it, a parameter takes any value its annotation allows; a ref
    leads to `a`, `b` or `c`, so give such a parameter `refs(...)` of actors that live.

    Args:
        targets: handlers, as `Account.deposit`, and actor classes.
        parameters: strategies for parameters, by name, wherever a handler has one of that name.

    Raises:
        TypeError: a target is neither a handler nor an actor class, no handler has a parameter of
            that name, or what is given for one is no strategy.
        Undrawable: nobody knows how to make values of a parameter's type; give a strategy for it.
    """
    factories = [factory for target in targets for factory in _factories(target)]
    if not factories:
        raise TypeError("messages() takes handlers or actor classes: Account.deposit, Account")
    _check_parameters(factories, parameters)
    return st.one_of([_messages_of(factory, parameters) for factory in factories])


def refs(kind: type[A], *names: str) -> st.SearchStrategy[ActorRef[A]]:
    """Refs by name. They belong to no node, and so find their way inside a turn only.

    Args:
        kind: the actors' class.
        names: of the actors; if none is given, `a`, `b` or `c`.

    Raises:
        TypeError: `kind` is no actor class.
        BadName: a name cannot be an address.
    """
    actor_type(kind)
    chosen = [check_name(name) for name in names or NAMES]
    return st.sampled_from(chosen).map(ref_to)


def _factories(target: object) -> list[Factory[Any, ..., Any]]:
    if isinstance(target, Factory):
        return [target]
    if isinstance(target, type) and issubclass(target, Actor):
        specs = actor_type(target).handlers.values()
        if not specs:
            raise TypeError(f"{target.__name__} has no handlers, so there are no messages for it")
        return [getattr(target, spec.attribute) for spec in specs]
    if isinstance(target, type):
        actor_type(target)  # which raises: it is no actor class
    hint = ""
    if isinstance(target, Message):
        spec = target.spec
        hint = f"; it is one message already, give its handler: {spec.owner.__name__}.{spec.attribute}"
    elif inspect.ismethod(target):
        hint = f"; take it from the class: {type(target.__self__).__name__}.{target.__name__}"
    raise TypeError(f"{target!r:.80} is no handler and no actor class{hint}")


def _check_parameters(factories: list[Factory[Any, ..., Any]], parameters: dict[str, Any]) -> None:
    known = {name for factory in factories for name in factory.spec.shape.names}
    for name, strategy in parameters.items():
        if name not in known:
            there = ", ".join(
                f"{factory.spec.attribute}({', '.join(factory.spec.shape.names)})" for factory in factories
            )
            raise TypeError(f"messages({name}=...): no handler has a parameter {name!r}: {there}")
        if not isinstance(strategy, st.SearchStrategy):
            raise TypeError(
                f"messages({name}={strategy!r:.60}) is no strategy: write {name}=st.just(...) for one value"
            )


def _messages_of(factory: Factory[Any, ..., Any], parameters: dict[str, Any]) -> Strategy:
    shape = factory.spec.shape
    drawn: dict[str, Strategy] = {}
    for name in shape.names:
        try:
            drawn[name] = parameters[name] if name in parameters else _drawn(shape, name)
        except Undrawable as error:
            handler = f"{factory.spec.owner.__name__}.{factory.spec.attribute}"
            raise Undrawable(
                f"{handler}({name}=...): {error}: give a strategy for it, messages({handler}, {name}=...), "
                "or tell Hypothesis once for all, st.register_type_strategy(...)"
            ) from error.__cause__
    return st.builds(factory, **drawn)


def _drawn(shape: Shape, name: str) -> Strategy:
    return values_of(shape.kinds[shape.names.index(name)])


# What Hypothesis sees of us. It asks annotations, and it asks what stands in `Annotated` beside a type
# for a strategy, by the protocol of the annotated-types package.


class _Field:
    """Stands in an annotation: the strategy of one parameter or field, made when somebody draws.

    Its class is held weakly, since `typing` remembers annotations, and a class that lives longer than its
    author thinks is still found by nodes.
    """

    __is_annotated_types_grouped_metadata__ = True

    def __init__(self, owner: type[Actor], handler: str | None, name: str, written: Any) -> None:
        self._owner = weakref.ref(owner)
        self._handler = handler
        """Whose parameter it is; None for a field of the state."""
        self._name = name
        self.written = written
        """The annotation in whose place it stands."""

    def __iter__(self) -> Iterator[Strategy]:
        owner = self._owner()
        assert owner is not None, "whoever draws holds the class"
        kind = actor_type(owner)
        shape = kind.state if self._handler is None else kind.handlers[self._handler].shape
        try:
            yield _drawn(shape, self._name)
        except Undrawable as error:
            raise Undrawable(f"{self._name}: {error}: give a strategy for it, {self._name}=...") from error

    def __repr__(self) -> str:
        return f"what {self._name!r} takes"


class _Parameter(inspect.Parameter):
    """A parameter that tells Hypothesis more than it shows to people."""

    shown: Callable[[], str]

    def __str__(self) -> str:
        return self.shown()


def _written(annotation: Any) -> Any:
    """What the author wrote: a field that is inherited has a note of its base's already."""
    notes = getattr(annotation, "__metadata__", ())
    return next((note.written for note in notes if isinstance(note, _Field)), annotation)


def _telling(parameter: inspect.Parameter, note: Any, shown: Callable[[], str]) -> _Parameter:
    told = _Parameter(parameter.name, parameter.kind, default=parameter.default, annotation=note)
    told.shown = shown
    return told


def _introduce(cls: type[Actor]) -> None:
    """Show Hypothesis what an actor class and its handlers take."""
    kind = actor_type(cls)
    for spec in kind.handlers.values():
        if spec.owner is cls:
            getattr(cls, spec.attribute).__signature__ = _signature_of_messages(spec)
    made_by_attrs: Any = cls
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(made_by_attrs)
    _, *own = signature_of(made_by_attrs.__init__).parameters.values()
    parameters = {parameter.name: parameter for parameter in own}
    for field in fields:
        name = field.alias or field.name
        if field.init and field.name in kind.state.names:
            written = _written(field.type)
            note = Annotated[Any, _Field(cls, None, field.name, written)]
            # A constructor of the author's own may mean something else by a parameter of that name.
            if name in parameters and parameters[name].annotation is field.type:
                shown = functools.partial(str, parameters[name].replace(annotation=written))
                parameters[name] = _telling(parameters[name], note, shown)
            object.__setattr__(field, "type", note)  # as attrs.resolve_types does
    made_by_attrs.__signature__ = inspect.Signature(list(parameters.values()))


def _signature_of_messages(spec: HandlerSpec) -> inspect.Signature:
    def shown(name: str) -> str:
        spec.complete()
        return str(spec.signature.of_messages(spec.shape).parameters[name])

    told: list[_Parameter] = []
    for name, parameter in spec.signature.parameters.items():
        note = Annotated[Any, _Field(spec.owner, spec.name, name, parameter.annotation)]
        told.append(_telling(parameter, note, functools.partial(shown, name)))
    return inspect.Signature(told)


def _introduce_all() -> None:
    WITNESSES.append(_introduce)
    open_: list[type[Actor]] = Actor.__subclasses__()
    while open_:
        cls = open_.pop()
        if "__callboard__" in vars(cls):
            _introduce(cls)
            open_ += cls.__subclasses__()


def _by_argument(draw: Callable[[type[Actor]], Strategy], otherwise: Any) -> Callable[[Any], Any]:
    """A strategy for `Generic[Account, ...]`, drawn for its first argument."""

    def resolve(thing: Any) -> Any:
        kind = next(iter(get_args(thing)), None)
        if isinstance(kind, type) and issubclass(kind, Actor) and kind is not Actor:
            return draw(kind)
        return otherwise

    return resolve


_introduce_all()
st.register_type_strategy(ActorRef, _by_argument(refs, st.sampled_from(NAMES).map(ref_to)))
st.register_type_strategy(Message, _by_argument(messages, NotImplemented))
