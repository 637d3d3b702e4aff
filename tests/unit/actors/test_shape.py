"""Shapes: named values to bytes and back, through changes of the code."""

import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from callboard.actors.annotations import NOWHERE, Note, Scope
from callboard.actors.errors import DefinitionError, NotStorable
from callboard.actors.ref import ActorRef
from callboard.actors.shape import Default, Shape
from callboard.mailbox.errors import Undecodable

from .annotated import Circle, Pair, Square, annotated, same


def shape(defaults: dict[str, Default] | None = None, **annotations: Any) -> Shape:
    notes = tuple(map(Note, annotations.values()))
    return Shape(tuple(annotations), notes, defaults or {}, "order({}=...)")


@given(st.lists(annotated, max_size=4), st.data())
def test_checked_values_come_back_by_name(pairs: list[Pair], data: st.DataObject) -> None:
    it = shape(**{f"p{index}": annotation for index, (annotation, _) in enumerate(pairs)})
    values = tuple(data.draw(strategy) for _, strategy in pairs)
    checked = it.check(values)
    assert same(checked, values)
    written = it.encode(checked)
    assert same(it.decode(written, None), values)
    assert list(msgspec.msgpack.decode(written)) == list(it.names)


@given(st.lists(annotated, min_size=1, max_size=4), st.data())
def test_some_of_the_values_come_back_too(pairs: list[Pair], data: st.DataObject) -> None:
    it = shape(**{f"p{index}": annotation for index, (annotation, _) in enumerate(pairs)})
    chosen = data.draw(st.sets(st.integers(0, len(pairs) - 1)))
    some = {f"p{index}": data.draw(pairs[index][1]) for index in chosen}
    of_these = shape(**{name: pairs[int(name[1:])][0] for name in some})
    assert same(of_these.decode(it.encode_some(some), None), tuple(some.values()))


def test_a_shape_is_live_if_every_annotation_is_immutable() -> None:
    assert shape(a=int, b=tuple[str, ...], c=ActorRef[Any]).live
    assert shape().live
    assert not shape(a=int, b=list[int]).live


def test_an_int_is_converted_where_a_float_is_annotated() -> None:
    assert same(shape(a=float, b=int).check((1, 2)), (1.0, 2))


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, True, "1", None, 1.0])
def test_the_fast_path_lets_nothing_inexact_pass(value: object) -> None:
    with pytest.raises(NotStorable, match=r"^order\(b=\.\.\.\): expected"):
        shape(a=str, b=int).check(("x", value))


@pytest.mark.parametrize("value", [0, -(2**63), 2**64 - 1])
def test_the_fast_path_lets_every_64_bit_integer_pass(value: int) -> None:
    values = ("ascii", value)
    assert shape(a=str, b=int).check(values) is values


def test_text_that_utf8_cannot_carry_is_refused() -> None:
    with pytest.raises(NotStorable, match="surrogate"):
        shape(a=str).check(("\ud800",))
    assert shape(a=str).check(("grüß dich",)) == ("grüß dich",)


def test_missing_values_take_their_defaults() -> None:
    it = shape(
        {"b": Default(2), "c": Default(factory=list), "d": Default([1]), "e": Default(1)},
        a=int,
        b=int,
        c=list[int],
        d=list[int],
        e=float,
    )
    empty = msgspec.msgpack.encode({"a": 1})
    first, second = it.decode(empty, None), it.decode(empty, None)
    nothing: list[int] = []
    assert same(first, (1, 2, nothing, [1], 1.0))
    assert first[2] is not second[2]
    assert first[3] is not second[3]


def test_a_missing_value_without_a_default_is_undecodable_and_says_so() -> None:
    with pytest.raises(Undecodable, match=r"^order cannot be read: .*`a`.* give the field a default"):
        shape(a=int).decode(msgspec.msgpack.encode({}), None)


def test_unknown_values_are_skipped() -> None:
    assert shape(a=int).decode(msgspec.msgpack.encode({"x": [1, {}], "a": 1}), None) == (1,)


def test_a_changed_annotation_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="another"):
        shape(a=str).decode(shape(a=int).encode((1,)), None)


def test_a_validator_that_raises_makes_bytes_undecodable() -> None:
    import attrs

    @attrs.frozen
    class Even:
        x: int = attrs.field()

    it = shape(a=Even)
    written = it.encode((Even(3),))

    def refuse(*_: object, **__: object) -> None:
        raise ZeroDivisionError("odd")

    Even.__init__ = refuse  # type: ignore[method-assign]
    with pytest.raises(Undecodable, match="odd"):
        it.decode(written, None)


def test_refs_are_bound_to_the_post_of_the_reader() -> None:
    it = shape(a=ActorRef[Any], b=ActorRef[Any] | None)

    class Post:
        name = "b"

    post: Any = Post()
    ann: ActorRef[Any] = ActorRef("ann")
    first, second = it.decode(it.encode((ann, None)), post)
    assert first == ann
    assert first._post is post
    assert second is None


def test_a_ref_to_the_readers_own_node_is_a_local_one() -> None:
    class Post:
        name = "b"

    it = shape(a=ActorRef[Any], b=ActorRef[Any])
    post: Any = Post()
    ann: ActorRef[Any] = ActorRef("ann", "b")
    bob: ActorRef[Any] = ActorRef("bob", "c")
    first, second = it.decode(it.encode((ann, bob)), post)
    assert (first.node, second.node) == ("", "c")


def test_records_of_a_union_are_told_apart() -> None:
    it = shape(a=list[Circle | Square])
    values = ([Circle(1.0), Square(2), Circle(3.0)],)
    assert it.decode(it.encode(values), None) == values


def test_some_refuses_names_and_values_that_do_not_fit() -> None:
    with pytest.raises(TypeError, match="no 'b', only a"):
        shape(a=int).encode_some({"b": 1})
    with pytest.raises(NotStorable, match="expected int"):
        shape(a=int).encode_some({"a": "1"})


def test_a_default_must_fit_its_annotation() -> None:
    with pytest.raises(
        DefinitionError, match=r"the default of order\(a=\.\.\.\): expected int, got None.*None"
    ):
        shape({"a": Default(None)}, a=int)


def test_an_annotation_that_cannot_be_stored_is_refused_with_its_place() -> None:
    with pytest.raises(DefinitionError, match=r"^order\(b=\.\.\.\): complex cannot be stored"):
        shape(a=int, b=complex)


def test_a_name_that_is_not_there_yet_is_looked_for_again() -> None:
    names: dict[str, Any] = {}
    it = Shape(("a",), (Note("list[Thing]", Scope(names, {})),), {}, "order({}=...)")
    with pytest.raises(DefinitionError, match=r"^order\(a=\.\.\.\): the name 'Thing' is not defined"):
        it.check(([],))
    names["Thing"] = int
    assert it.check(([1],)) == ([1],)


def test_what_a_ref_refers_to_need_not_exist() -> None:
    it = Shape(("a",), (Note("ActorRef[orders.Order] | None", Scope(globals(), {})),), {}, "{}")
    assert it.live


def test_a_complete_shape_keeps_no_frame_alive() -> None:
    frame = sys._getframe()
    it = Shape(("a",), (Note("int", Scope({}, {}, frame)),), {}, "{}")
    assert it.notes == (Note(int, NOWHERE),)
