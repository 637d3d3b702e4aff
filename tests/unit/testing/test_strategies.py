"""What the strategies draw is what the annotations allow, and it comes back from the disk the same."""

import enum
import gc
import inspect
import weakref
import zoneinfo
from collections.abc import Callable
from datetime import datetime, time, timezone, tzinfo
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from callboard import Actor, ActorRef, BadName, Message, Record, handler, register_codec, transient
from callboard.actors.annotations import NOWHERE, Note
from callboard.actors.pickled import cloudpickled
from callboard.actors.shape import Shape
from callboard.testing import drawing
from callboard.testing.drawing import Undrawable, values_of
from callboard.testing.strategies import messages, refs

from ..actors.annotated import Options, Pair, Point, Tree, annotated, same


class Mode(enum.StrEnum):
    FAST = "fast"
    SAFE = "safe"


class Bits(enum.Flag):
    LOW = 1
    WIDE = 2**70


class Money(msgspec.Struct, frozen=True):
    cents: Annotated[int, msgspec.Meta(ge=0)]


@attrs.frozen
class Even:
    number: int = attrs.field(validator=lambda _self, _field, value: Even.check(value))

    @staticmethod
    def check(value: int) -> None:
        if value % 2:
            raise ValueError(f"{value} is odd")


class Chain(Record):
    value: int
    next: "Chain | None" = None


class Opaque:
    """A type with a codec, which Hypothesis cannot build."""

    def __init__(self, *secret: int) -> None:
        (self.secret,) = secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.secret == self.secret

    def __hash__(self) -> int:
        return hash(self.secret)


class Named:
    """A type with a codec, which Hypothesis can build."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


register_codec(Opaque, lambda it: b"%d" % it.secret, lambda data: Opaque(int(data)), name="tests.opaque")
register_codec(Named, lambda it: it.name.encode(), lambda data: Named(data.decode()), name="tests.named")


class Account(Actor, type_name="drawn.Account"):
    owner: str
    peer: "ActorRef[Account] | None" = None
    balance: int = 0
    opened: datetime | None = attrs.field(default=None, kw_only=True)
    cache: dict[str, int] = transient(factory=dict[str, int])

    @handler
    async def deposit(self, amount: int) -> int:
        return amount

    @handler
    async def move(
        self, to: ActorRef["Account"], *, amount: Annotated[int, msgspec.Meta(gt=0)] = 1
    ) -> None: ...

    @handler
    async def close(self) -> None: ...


class Vault(Actor, type_name="drawn.Vault"):
    @handler
    async def keep(self, thing: Opaque, label: str = "") -> None: ...


class Silent(Actor, type_name="drawn.Silent"):
    pass


def shape(annotation: Any) -> Shape:
    return Shape(("it",), (Note(NOWHERE.resolve(annotation)),), {}, "{}")


def survives(it: Shape, value: object) -> None:
    assert it.check((value,))[0] is value
    data = it.encode((value,))
    (back,) = it.decode(data, None)
    assert same(back, value)
    assert it.encode((back,)) == data


@given(annotated, st.data())
def test_what_is_drawn_for_an_annotation_survives_the_disk(pair: Pair, data: st.DataObject) -> None:
    it = shape(pair[0])
    survives(it, data.draw(values_of(it.kinds[0])))


ANNOTATIONS: list[Any] = [
    Mode,
    Bits,
    Money,
    Even,
    Chain,
    Tree,
    Named,
    Point,
    Options,
    time,
    PurePosixPath,
    PureWindowsPath,
    Annotated[Money, cloudpickled],
    Literal[3, "x", None],
    list[Chain] | None,
    dict[Any, Any],
    set[Any],
    tuple[()],
    Annotated[int, msgspec.Meta(gt=3, le=20, multiple_of=5)],
    Annotated[Annotated[int, msgspec.Meta(ge=0)], msgspec.Meta(lt=2)],
    Annotated[float, msgspec.Meta(gt=0, lt=1)],
    Annotated[float, msgspec.Meta(ge=0.5, multiple_of=0.25)],
    Annotated[str, msgspec.Meta(min_length=2, max_length=3)],
    Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}[0-9]+$", max_length=8)],
    Annotated[bytes, msgspec.Meta(min_length=1, max_length=1)],
    Annotated[bytearray, msgspec.Meta(max_length=2)],
    Annotated[list[int], msgspec.Meta(min_length=1)],
    Annotated[tuple[bool, ...], msgspec.Meta(max_length=1)],
    Annotated[dict[str, int], msgspec.Meta(min_length=1, max_length=2)],
    Annotated[int | None, msgspec.Meta(title="cents")],
    Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(max_length=1)],
    Annotated[int, msgspec.Meta(title="cents")],
]


@settings(max_examples=30)
@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
@given(data=st.data())
def test_what_is_drawn_for_a_rare_annotation_survives_too(annotation: Any, data: st.DataObject) -> None:
    it = shape(annotation)
    survives(it, data.draw(values_of(it.kinds[0])))


@given(messages(Account))
def test_messages_of_a_class_are_those_of_its_handlers(message: Message[Account, Any]) -> None:
    assert message.spec in {Account.deposit.spec, Account.move.spec, Account.close.spec}
    survives_as_body = message.spec.shape.decode(message.body(), None)
    assert survives_as_body == message.values


@settings(max_examples=500)
@given(st.sets(messages(Account).map(lambda message: message.spec.name), min_size=3, max_size=3))
def test_messages_of_a_class_are_of_every_handler(names: set[str]) -> None:
    assert names == {"deposit", "move", "close"}


@given(messages(Account.deposit, Account.close))
def test_messages_of_some_handlers_are_theirs_alone(message: Message[Account, Any]) -> None:
    assert message.spec.name in ("deposit", "close")


@given(messages(Account, amount=st.integers(1, 9), to=refs(Account, "ann", "bob")))
def test_a_parameter_can_be_given_by_name_wherever_it_stands(message: Message[Account, Any]) -> None:
    values = dict(zip(message.spec.shape.names, message.values, strict=True))
    assert values.get("amount", 1) in range(1, 10)
    assert values.get("to", ActorRef("ann")) in (ActorRef("ann"), ActorRef("bob"))


@given(messages(Vault, thing=st.builds(Opaque, st.integers())))
def test_what_nobody_can_draw_can_be_given_by_name(message: Message[Vault, Any]) -> None:
    assert isinstance(message.values[0], Opaque)


@given(st.from_type(Account), st.builds(Account), st.builds(Account, balance=...))
def test_actors_that_hypothesis_makes_can_be_stored(one: Account, two: Account, three: Account) -> None:
    state = Account.__callboard__.state
    read = Account.__callboard__.read
    for account in (one, two, three):
        assert state.decode(state.encode(state.check(read(account))), None) == read(account)
    assert two.balance == 0


@given(st.builds(Account.deposit), st.builds(Account.move, amount=...), st.from_type(Message[Account, Any]))
def test_messages_that_hypothesis_makes_can_be_sent(
    one: Message[Account, Any], two: Message[Account, Any], three: Message[Account, Any]
) -> None:
    for message in (one, two, three):
        assert message.spec.shape.decode(message.body(), None) == message.values


@given(
    st.from_type(ActorRef[Account]),
    st.from_type(ActorRef),  # pyright: ignore[reportUnknownArgumentType]
    st.from_type(list[ActorRef[Any]]),
    refs(Account),
)
def test_refs_that_hypothesis_makes_are_addresses(
    one: ActorRef[Any], two: ActorRef[Any], many: list[ActorRef[Any]], three: ActorRef[Account]
) -> None:
    assert {ref.name for ref in (one, two, three, *many)} <= {"a", "b", "c"}


@given(st.data())
def test_a_class_that_is_defined_later_is_known_too(data: st.DataObject) -> None:
    class Later(Account, type_name="drawn.Later"):
        note: Literal["x", "y"] = attrs.field(kw_only=True)
        mode: Mode = Mode.FAST

        @handler
        async def tag(self, note: Literal["x"], other: "ActorRef[Later] | int") -> None: ...

    later = data.draw(st.from_type(Later))
    assert (later.note in "xy", type(later.mode), type(later.owner)) == (True, Mode, str)
    assert data.draw(st.builds(Later)).mode is Mode.FAST
    assert {spec.name for spec in Later.__callboard__.handlers.values()} >= {"tag", "deposit"}


def test_a_class_that_nobody_holds_any_more_is_not_held_here() -> None:
    def define() -> weakref.ref[type[Actor]]:
        class Passing(Actor):
            size: int

            @handler
            async def grow(self, by: Literal[1, 2]) -> None: ...

        str(inspect.signature(Passing.grow))
        return weakref.ref(Passing)

    passed = define()
    gc.collect()
    assert passed() is None


def test_people_see_the_signatures_they_wrote() -> None:
    class Own(Account, type_name="drawn.Own"):
        size: int = 0

        def __init__(self, size: str) -> None:
            make: Any = getattr(self, "__attrs_init__")  # noqa: B009 - checkers do not know it
            make("me", size=len(size))

    class Heir(Account, type_name="drawn.Heir"):
        size: int = 0

    def seen(function: Any) -> str:
        return str(inspect.signature(function))

    assert seen(Own) == "(size: str)"
    assert seen(Account).startswith(
        "(owner: str, peer: 'ActorRef[Account] | None' = None, balance: int = 0, *"
    )
    assert seen(Heir) == seen(Account).replace(", *", ", size: int = 0, *")
    assert seen(Account.deposit) == "(amount: int)"
    assert seen(Own.move).startswith("(to: callboard.actors.ref.ActorRef[tests.")


give: Any = messages
"""What a type checker would refuse."""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (give, "takes handlers or actor classes"),
        (lambda: give(int), "int.* is no actor class"),
        (lambda: give(Silent), "Silent has no handlers"),
        (lambda: give(Account("Ann")), "no handler and no actor class"),
        (lambda: give(Account("Ann").deposit), "take it from the class: Account.deposit"),
        (lambda: give(Account.deposit(1)), "give its handler: Account.deposit"),
        (lambda: give(Account.deposit, amout=st.just(1)), r"has a parameter 'amout': deposit\(amount\)"),
        (lambda: give(Account.deposit, amount=1), r"\(amount=1\) is no strategy: write amount=st.just"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(make: Callable[[], object], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        make()


def test_a_ref_is_of_an_actor_class() -> None:
    refs_of: Any = refs
    with pytest.raises(TypeError, match="is no actor class"):
        refs_of(int)


def test_a_name_that_cannot_be_an_address_is_refused() -> None:
    with pytest.raises(BadName):
        refs(Account, "$system")


def test_a_type_that_nobody_can_draw_is_named_with_the_remedy() -> None:
    with pytest.raises(
        Undrawable, match=r"Vault.keep\(thing=...\): values of Opaque cannot be drawn: give a str.*messag"
    ):
        messages(Vault)
    with pytest.raises(
        Undrawable, match=r"thing: values of Opaque cannot be drawn: give a strategy for it, thing=\.\.\."
    ):
        st.builds(Vault.keep).validate()


def test_a_function_cannot_be_drawn() -> None:
    function: Any = Callable[[int], int]
    it = shape(Annotated[function, cloudpickled])
    with pytest.raises(Undrawable, match="Pickled"):
        values_of(it.kinds[0])


def test_a_value_given_by_name_is_checked_like_any_other() -> None:
    @settings(max_examples=1, database=None)
    @given(messages(Account.deposit, amount=st.just("much")))
    def draw(_: Message[Account, Any]) -> None: ...

    with pytest.raises(TypeError, match="expected int, got str 'much'"):
        draw()


def test_without_a_database_of_zones_offsets_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_zone(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(drawing, "ZoneInfo", no_zone)
    zones: Any = drawing._zones.__wrapped__

    @given(zones())
    def draw(zone: tzinfo | None) -> None:
        assert zone is None or type(zone) is timezone

    draw()
