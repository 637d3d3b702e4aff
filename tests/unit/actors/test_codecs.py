"""Types that nobody here knows, by codecs and, asked for by name, by cloudpickle."""

import json
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any

import pytest
import trio
from hypothesis import given, strategies as st

from callboard.actors.actor import Actor, actor_type
from callboard.actors.codecs import register_codec
from callboard.actors.errors import DefinitionError, NotStorable
from callboard.actors.handler import handler
from callboard.actors.pickled import Pickled, cloudpickled
from callboard.actors.reply import Reply
from callboard.mailbox.errors import Undecodable


class Matrix:
    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = rows


register_codec(
    Fraction,
    lambda it: str(it).encode(),
    lambda data: Fraction(data.decode()),
    name="fraction",
    immutable=True,
)
register_codec(
    Matrix, lambda it: json.dumps(it.rows).encode(), lambda data: Matrix(json.loads(data)), name="matrix"
)


ANYTHING: Any = Annotated[Any, cloudpickled]


def reply(annotation: Any) -> Reply:
    return Reply(annotation, "the reply")


@given(st.dictionaries(st.fractions(), st.fractions() | st.none()))
def test_a_registered_type_travels_wherever_it_stands(value: dict[Fraction, Fraction | None]) -> None:
    it = reply(dict[Fraction, Fraction | None])
    assert it.decode(it.encode(it.check(value)), None) == value


def test_a_codec_says_whether_its_values_may_be_shared() -> None:
    assert reply(Fraction).live
    assert not reply(Matrix).live


def test_values_of_subclasses_and_values_a_codec_cannot_write_are_refused_at_the_sender() -> None:
    class Half(Fraction):
        pass

    with pytest.raises(NotStorable, match="a subclass"):
        reply(Fraction).check(Half(1, 2))
    with pytest.raises(NotStorable, match="its codec 'matrix' failed"):
        reply(Matrix).check(Matrix([[object()]]))  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def test_another_codecs_bytes_are_undecodable() -> None:
    with pytest.raises(Undecodable, match="'fraction' stands where 'matrix'"):
        reply(Matrix).decode(reply(Fraction).encode(Fraction(1, 2)), None)


def test_a_decoder_that_raises_makes_bytes_undecodable() -> None:
    import msgspec

    with pytest.raises(Undecodable, match="the reply"):
        reply(Fraction).decode(msgspec.msgpack.encode(("fraction", b"half")), None)


def test_a_type_has_one_codec_and_a_codec_one_type() -> None:
    with pytest.raises(DefinitionError, match="already has 'fraction'"):
        register_codec(Fraction, lambda _: b"", lambda _: Fraction(0), name="ratio")
    with pytest.raises(DefinitionError, match="already has 'fraction'"):
        register_codec(threading.Event, lambda _: b"", lambda _: threading.Event(), name="fraction")
    with pytest.raises(DefinitionError, match="needs a name"):
        register_codec(complex, lambda _: b"", lambda _: 0j, name="")
    register_codec(
        Fraction,
        lambda it: str(it).encode(),
        lambda data: Fraction(data.decode()),
        name="fraction",
        immutable=True,
    )


# Pickles.


class Runner(Actor, type_name="test_codecs.Runner"):
    job: Pickled[Callable[[int], int]] | None = None

    @handler
    async def run(self, job: Pickled[Callable[[int], int]], x: int) -> int:
        return job(x)


def test_a_pickle_is_asked_for_by_name() -> None:
    message = Runner.run(lambda x: x + 1, 3)
    job, x = message.values
    assert job(x) == 4
    kind = actor_type(Runner)
    double: Callable[[int], int] = lambda x: x * 2  # noqa: E731 - the point is that it has no name
    (back,) = kind.state.decode(kind.state.encode(kind.state.check((double,))), None)
    assert back(4) == 8


def test_pickles_are_never_shared_and_only_their_class_is_checked() -> None:
    assert not reply(Annotated[int, cloudpickled]).live
    assert reply(Annotated[dict[int, type], cloudpickled]).check({1: object})
    with pytest.raises(NotStorable, match=r"expected Pickled\[dict\]"):
        reply(Annotated[dict[str, int], cloudpickled]).check([])


def test_what_cannot_be_pickled_is_refused_at_the_sender() -> None:
    with pytest.raises(NotStorable, match="cannot be pickled"):
        reply(ANYTHING).check(threading.Lock())


class Trap:
    """Raises when it is read back."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        return spring, (self.error,)


def spring(error: type[BaseException]) -> None:
    raise error("sprung")


@pytest.mark.parametrize("error", [ValueError, SystemExit, MemoryError, RecursionError, GeneratorExit])
def test_whatever_a_pickle_raises_it_is_undecodable(error: type[BaseException]) -> None:
    it = reply(ANYTHING)
    with pytest.raises(Undecodable, match="a pickle cannot be read"):
        it.decode(it.encode(Trap(error)), None)


def test_an_interrupt_is_nobodys_pickle() -> None:
    it = reply(ANYTHING)
    with pytest.raises(KeyboardInterrupt):
        it.decode(it.encode(Trap(KeyboardInterrupt)), None)


async def test_a_cancellation_is_nobodys_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    it = reply(ANYTHING)
    data = it.encode(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            raised = cancelled

            def loads(_: bytes) -> None:
                raise raised

            monkeypatch.setattr("cloudpickle.loads", loads)
            with pytest.raises(trio.Cancelled):
                it.decode(data, None)
            raise
    assert scope.cancelled_caught
