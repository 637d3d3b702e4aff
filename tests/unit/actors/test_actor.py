"""Declaring a class is all it takes, and what cannot work later is refused there."""
# pyright: reportUnusedClass=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import gc
import random
import re
import types
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

import attrs
import pytest

from callboard.actors.actor import Actor, Conflict, actor_type, find_types, transient
from callboard.actors.declared import ActorType
from callboard.actors.errors import DefinitionError
from callboard.actors.handler import handler
from callboard.actors.ref import ActorRef

from . import shop

T = TypeVar("T")


@pytest.fixture
def swept() -> Iterator[None]:
    """Afterwards a class that cannot work is gone: a node would refuse to open with it."""
    yield
    gc.collect()


class Crawler(Actor, type_name="test_actor.Crawler"):
    LIMIT: ClassVar[int] = 3

    site: str
    seen: list[str] = attrs.field(factory=list[str])
    depth: int = 2
    rng: random.Random = transient(factory=random.Random)
    hits: int = transient(default=0)
    client: object = transient()

    @property
    def where(self) -> str:
        return self.site

    @where.setter
    def where(self, value: str) -> None:
        self.site = value


def test_declared_fields_are_parameters_and_state() -> None:
    kind = actor_type(Crawler)
    assert kind.name == "test_actor.Crawler"
    assert kind.state.names == ("site", "seen", "depth")
    assert kind.read(Crawler("a", depth=5)) == ("a", [], 5)
    assert Crawler("a").seen is not Crawler("a").seen


def test_the_name_of_a_type_is_by_default_the_bare_name_of_its_class() -> None:
    class Local(Actor):
        pass

    assert actor_type(Local).name == "Local"
    assert actor_type(Local).state.names == ()
    assert actor_type(Local).read(Local()) == ()


def test_an_actor_is_built_from_its_state_with_fresh_transients() -> None:
    kind = actor_type(Crawler)
    before = Crawler("a", ["b"], 3)
    before.hits = 9
    after = kind.build(kind.state.decode(kind.state.encode(kind.state.check(kind.read(before))), None))
    assert isinstance(after, Crawler)
    assert kind.read(after) == ("a", ["b"], 3)
    assert after.hits == 0
    assert isinstance(after.rng, random.Random)
    assert after.rng is not before.rng
    assert not hasattr(after, "client")
    after.client = "connected"


def test_transient_fields_are_no_parameters_and_not_printed() -> None:
    make: Any = Crawler
    with pytest.raises(TypeError, match="rng"):
        make("a", rng=None)
    assert repr(Crawler("a")) == "Crawler(site='a', seen=[], depth=2)"


def test_restoring_does_not_run_constructors() -> None:
    made: list[str] = []

    class Noisy(Actor):
        x: int

        def __attrs_post_init__(self) -> None:
            made.append("post_init")

    Noisy(1)
    assert vars(actor_type(Noisy).build((2,))) == {"x": 2}
    assert made == ["post_init"]


def test_an_undeclared_attribute_is_refused_with_the_remedy() -> None:
    crawler: Any = Crawler("a")
    with pytest.raises(AttributeError, match=r"write `pages: int` in the class.*transient\(factory"):
        crawler.pages = 3
    crawler.where = "b"
    assert crawler.site == "b"


def test_validators_do_not_lift_the_guard() -> None:
    class Checked(Actor):
        x: int = attrs.field(validator=attrs.validators.ge(0))

    class Heir(Checked):
        y: int = 0

    for made in (Checked(1), Heir(1)):
        loose: Any = made
        loose.x = 2
        with pytest.raises(AttributeError, match="not declared"):
            loose.z = 3
    with pytest.raises(ValueError, match=">= 0"):
        Checked(1).x = -1


def test_fields_are_inherited_with_the_annotations_of_their_home() -> None:
    class Deep(Crawler):
        notes: dict[str, str] = attrs.field(factory=dict[str, str])
        depth: int = 9

    kind = actor_type(Deep)
    assert set(kind.state.names) == {"site", "seen", "depth", "notes"}
    assert kind.name == "Deep"
    assert Deep("a").depth == 9


@pytest.mark.parametrize("default", [[], {}, {1}, bytearray(), [1]])
def test_a_mutable_default_is_refused(default: object) -> None:
    with pytest.raises(DefinitionError, match=r"share the default .*attrs\.field\(factory="):
        type("Bad", (Actor,), {"__annotations__": {"x": list}, "x": default})
    with pytest.raises(DefinitionError, match=r"transient\(factory="):
        transient(default=default)


def test_a_default_must_fit_its_annotation() -> None:
    with pytest.raises(DefinitionError, match=r"the default of Bad\.x: expected int, got str"):

        class Bad(Actor):
            x: int = "1"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def test_a_field_that_cannot_be_stored_is_refused_unless_transient() -> None:
    with pytest.raises(
        DefinitionError, match=r"^Bad\.rng: Random cannot be stored: .*transient\(factory=Random\)"
    ):

        class Bad(Actor):
            rng: random.Random


def test_a_mandatory_field_after_a_default_is_refused() -> None:
    with pytest.raises(DefinitionError, match="class Bad: No mandatory attributes"):

        class Bad(Actor):
            x: int = 1
            y: int  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


def test_a_default_that_looks_at_self_is_refused_unless_transient() -> None:
    class Good(Actor):
        x: int
        twice: int = transient(factory=lambda: 0)

    assert actor_type(Good).build((1,)).__dict__ == {"x": 1, "twice": 0}
    with pytest.raises(DefinitionError, match=r"^Bad\.y: a default that looks at self"):

        class Bad(Actor):
            x: int
            y: int = attrs.field(default=attrs.Factory(lambda self: self.x, takes_self=True))


def test_a_field_without_an_annotation_is_refused() -> None:
    with pytest.raises(DefinitionError, match="class Bad"):

        class Bad(Actor):
            x = attrs.field(default=1)  # pyright: ignore[reportGeneralTypeIssues]


@pytest.mark.parametrize("name", ["turn", "started", "stopped"])
def test_reserved_names_are_refused(name: str) -> None:
    async def method(self: Any) -> None: ...

    def hook(self: Any) -> None: ...

    method.__name__ = name
    with pytest.raises(DefinitionError, match="reserved"):
        type("Bad", (Actor,), {"__annotations__": {name: int}})
    with pytest.raises(DefinitionError, match="reserved"):
        type("Bad", (Actor,), {name: handler(method)})
    with pytest.raises(DefinitionError, match=r"reserved|async def"):
        type("Bad", (Actor,), {name: hook})


def test_names_that_python_renames_are_refused() -> None:
    with pytest.raises(DefinitionError, match="one underscore"):

        class Bad(Actor):
            __secret: int = 0  # pyright: ignore[reportGeneralTypeIssues]

    class Good(Actor):
        _secret: int = 0

    assert actor_type(Good).state.names == ("_secret",)
    assert actor_type(Good).read(Good(secret=1)) == (1,)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_mixins_may_bring_methods_but_no_state_and_no_handlers() -> None:
    class Loud:
        volume: ClassVar[int] = 3

        def shout(self) -> str:
            return "!" * self.volume

    class Stateful:
        x: int

    class Handling:
        @handler
        async def put(self, x: int) -> None: ...

    class Good(Loud, Actor):
        pass

    assert Good().shout() == "!!!"
    with pytest.raises(DefinitionError, match=r"Stateful declares 'x' .* derive Stateful from Actor"):
        type("Bad", (Stateful, Actor), {})
    with pytest.raises(DefinitionError, match="has the handler 'put'"):
        type("Bad", (Handling, Actor), {})


def test_type_names_must_be_storable() -> None:
    for name in ("", "a\nb", "x" * 256, 3):
        with pytest.raises(DefinitionError, match="type_name"):
            types.new_class("Bad", (Actor,), {"type_name": name})


def test_hooks_are_seen_where_they_are_overridden() -> None:
    class Plain(Actor):
        pass

    class Hooked(Actor):
        async def started(self) -> None: ...

    class Heir(Hooked):
        async def stopped(self) -> None: ...

    found = [(actor_type(cls).has_started, actor_type(cls).has_stopped) for cls in (Plain, Hooked, Heir)]
    assert found == [(False, False), (True, False), (True, True)]
    with pytest.raises(DefinitionError, match="must be `async def started"):
        type("Bad", (Actor,), {"started": print})


async def test_the_hooks_of_the_base_do_nothing() -> None:
    await Crawler("a").started()
    await Crawler("a").stopped()


def test_speculation_can_be_turned_off() -> None:
    class Careful(Actor, speculation=False):
        pass

    assert not actor_type(Careful).speculation
    assert actor_type(Crawler).speculation


def test_generic_actors_carry_plain_data() -> None:
    class Box(Actor, Generic[T]):
        items: list[T] = attrs.field(factory=list[T])

        @handler
        async def put(self, item: T) -> int:
            self.items.append(item)
            return len(self.items)

    class Numbers(Box[int]):
        pass

    assert Box[str].put("a").values == ("a",)
    assert actor_type(Numbers).handlers["put"] is Box.put.spec
    kind = actor_type(Numbers)
    assert kind.state.decode(kind.state.encode(kind.read(Numbers([1]))), None) == ([1],)


def test_a_class_may_mention_itself_and_classes_that_come_later() -> None:
    class Node(Actor):
        parent: "ActorRef[Node] | None" = None
        peer: "ActorRef[Peer] | None" = None
        last: "Fact | None" = None

        @handler
        async def learn(self, fact: "Fact") -> "Fact":
            return fact

    @attrs.frozen
    class Fact:
        text: str

    class Peer(Actor):
        pass

    assert Node.learn(Fact("x")).values == (Fact("x"),)
    actor_type(Node).complete()
    assert actor_type(Node).state.live


@pytest.mark.usefixtures("swept")
def test_a_name_that_never_comes_is_named_when_it_is_needed() -> None:
    class Lost(Actor):
        @handler
        async def put(self, x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]

    text = r"^Lost\.put\(x=\.\.\.\): the name 'Nowhere' is not defined"
    with pytest.raises(DefinitionError, match=text):
        Lost.put(1)
    with pytest.raises(DefinitionError, match=text):
        actor_type(Lost).complete()


def test_annotations_may_be_strings_and_mention_what_only_checkers_import() -> None:
    kind = actor_type(shop.Order)
    lines = [shop.Line("a", 1.0, shop.Line("b", 2.0))]
    message = shop.Order.add(lines[0], ActorRef("o"))
    assert message.spec.shape.decode(message.body(), None) == (lines[0], ActorRef("o"))
    order = shop.Order("1", lines)
    assert kind.state.decode(kind.state.encode(kind.state.check(kind.read(order))), None)[1] == lines


@pytest.mark.usefixtures("swept")
def test_what_must_be_known_at_run_time_cannot_be_imported_for_checkers_only() -> None:
    with pytest.raises(
        DefinitionError, match=r"^Gardener\.plant\(tree=\.\.\.\): the name 'Tree'.*TYPE_CHECKING"
    ):
        actor_type(shop.lose()).complete()


def test_annotations_may_mention_what_only_a_function_knows() -> None:
    actor_type(shop.make()).complete()


def test_a_complete_class_keeps_no_frame_alive() -> None:
    class Witness:
        pass

    def define() -> tuple[type[Actor], weakref.ref[Witness]]:
        witness = Witness()

        class Holder(Actor):
            x: "int"

            @handler
            async def put(self, x: "list[int]") -> "int":
                return 1

        return Holder, weakref.ref(witness)

    holder, witness = define()
    gc.collect()
    assert witness() is None
    assert actor_type(holder).state.live


def test_only_actor_classes_have_types() -> None:
    for thing in (int, Actor, Crawler("a"), None):
        bad: Any = thing
        with pytest.raises(TypeError, match="no actor class"):
            actor_type(bad)


def test_an_unknown_class_keyword_is_refused() -> None:
    with pytest.raises(TypeError):
        types.new_class("Bad", (Actor,), {"typename": "x"})


# Finding types.


@pytest.fixture
def unique() -> Iterator[str]:
    yield "test_actor.Unique"
    gc.collect()


def declare(name: str, module: str, qualname: str) -> type[Actor]:
    body = {"__module__": module, "__qualname__": qualname}
    return types.new_class(
        qualname.rpartition(".")[2], (Actor,), {"type_name": name}, lambda ns: ns.update(body)
    )


def test_imported_subclasses_are_found_and_dead_ones_are_not(unique: str) -> None:
    cls = declare(unique, "shop", "Order")
    found = find_types()[unique]
    assert isinstance(found, ActorType)
    assert found.cls is cls
    del cls, found
    gc.collect()
    assert unique not in find_types()


def test_two_classes_of_one_name_are_a_conflict_that_names_both_places(unique: str) -> None:
    here, there = declare(unique, "shop", "Order"), declare(unique, "depot", "Order")
    conflict = find_types()[unique]
    assert isinstance(conflict, Conflict)
    for place in ("shop", "depot"):
        assert re.search(rf"{place}\.Order \(.*test_actor\.py:\d+\)", str(conflict))
    chosen = find_types([here])[unique]
    assert isinstance(chosen, ActorType)
    assert (chosen.cls, there.__module__) == (here, "depot")


def test_of_a_class_that_was_defined_again_the_newest_counts(unique: str) -> None:
    old, new = declare(unique, "shop", "Order"), declare(unique, "shop", "Order")
    found = find_types()[unique]
    assert isinstance(found, ActorType)
    assert found.cls is new is not old


def test_a_dead_class_that_lingers_is_no_conflict(unique: str) -> None:
    cls = declare(unique, "shop", "Order")
    gc.disable()
    try:
        declare(unique, "depot", "Order")
        assert isinstance(find_types()[unique], ActorType)
    finally:
        gc.enable()
    del cls


def test_abstract_classes_have_no_mailboxes() -> None:
    import abc

    class Api(Actor, abc.ABC, type_name="test_actor.Api"):
        @handler
        @abc.abstractmethod
        async def put(self) -> None: ...

    assert "test_actor.Api" not in find_types()


def test_a_handler_cannot_be_called_like_one_of_the_runtime() -> None:
    with pytest.raises(DefinitionError, match=r"begins with \$, as the runtime's own do"):

        @handler(name="$stop")
        async def stop(self: Any) -> None: ...
