"""Trees are checked where they are written down; whatever makes no sense is refused with the remedy."""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from callboard.actors.actor import Actor
from callboard.actors.errors import DefinitionError
from callboard.mailbox.errors import BadName
from callboard.supervision.backoff import Backoff
from callboard.supervision.specs import AnyChild, Child, Dynamic, Supervisor

from .fakes import Pawn, child


class Fetcher(Actor, type_name="tests.supervision.Fetcher"):
    """An actor with a parameter."""

    url: str
    depth: int = 1


async def build() -> Fetcher:
    """An actor too late."""
    return Fetcher("x")


def refused(make: Callable[[], object], error: type[Exception], *words: str) -> None:
    """It raises this, and the text has these words."""
    with pytest.raises(error) as caught:
        make()
    assert type(caught.value) is error
    for word in words:
        assert word in str(caught.value)


def loop() -> Supervisor:
    """A supervisor that contains itself, by force."""
    inner = Supervisor("inner")
    outer = Supervisor("outer", [inner])
    object.__setattr__(inner, "children", (outer,))
    return outer


def test_a_tree_is_made_of_children_supervisors_and_dynamics() -> None:
    pool = Dynamic("pool", Fetcher)
    tree = Supervisor("top", [child("a"), Supervisor("s", [child("b")]), pool], strategy="rest_for_one")
    assert [each.name for each in tree.children] == ["a", "s", "pool"]
    assert pool.children == ()


def test_a_tree_does_not_follow_the_list_it_was_made_of() -> None:
    children = [child("a")]
    tree = Supervisor("top", children)
    children.append(child("b"))
    assert len(tree.children) == 1


def test_durations_are_seconds_or_timedeltas() -> None:
    assert child("a", patience=timedelta(seconds=2)).patience == 2.0
    assert child("a", patience=None).patience is None
    assert Supervisor("s", period=timedelta(minutes=1)).period == 60.0
    assert Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=9)) == Backoff(first=1, longest=9)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"restart": "always"}, ValueError, ["'always'", '"permanent", "transient" or "temporary"']),
        ({"restart": ["permanent"]}, ValueError, ['"permanent"']),
        ({"patience": -1}, ValueError, ["patience", "0 or more"]),
        ({"patience": float("inf")}, ValueError, ["patience"]),
        ({"patience": "5"}, TypeError, ["patience", "timedelta"]),
        ({"patience": True}, TypeError, ["patience"]),
        ({"patience": 1e12}, ValueError, ["century"]),
        ({"significant": 1}, TypeError, ["significant", "True or False"]),
        ({"significant": True}, ValueError, ["permanent", '"transient" or "temporary"']),
    ],
)
def test_a_child_that_makes_no_sense_is_refused(
    wrong: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    refused(lambda: child("a", **wrong), error, *words)


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (Fetcher, ["Fetcher is a class", "Fetcher(...)", "Dynamic"]),
        (None, ["None is no actor", "callboard.Actor"]),
        ("till", ["no actor"]),
        (Pawn, ["Pawn is a class"]),
        (Supervisor("s"), ["no actor"]),
    ],
)
def test_what_is_no_actor_cannot_be_a_child(actor: Any, words: list[str]) -> None:
    refused(lambda: Child(actor, name="a"), DefinitionError, "Child(name='a')", *words)


@pytest.mark.parametrize("name", ["", "$a", "a@b", "x" * 256, "a\n", 3, None])
def test_a_name_must_be_an_address(name: Any) -> None:
    refused(lambda: child(name), BadName)
    refused(lambda: Supervisor(name), BadName)
    refused(lambda: Dynamic(name, Pawn), BadName)
    refused(lambda: Dynamic("d", Pawn).child(name), BadName)


@pytest.mark.parametrize("make", [Supervisor, functools.partial(Dynamic, template=Pawn)])
@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"intensity": -1}, ValueError, ["intensity=-1", "0 (never restart) or more"]),
        ({"intensity": 1.0}, ValueError, ["intensity=1.0"]),
        ({"intensity": True}, ValueError, ["intensity=True"]),
        ({"period": 0}, ValueError, ["period=0.0", "more than 0"]),
        ({"period": -1}, ValueError, ["period"]),
        ({"period": None}, TypeError, ["period", "timedelta"]),
        ({"backoff": 3}, TypeError, ["backoff=3", "Backoff(first=...)", "None"]),
        ({"auto_shutdown": "always"}, ValueError, ['"never", "any_significant" or "all_significant"']),
        ({"auto_shutdown": True}, ValueError, ["auto_shutdown=True"]),
        ({"restart": "once"}, ValueError, ["restart='once'"]),
    ],
)
def test_a_supervisor_that_makes_no_sense_is_refused(
    make: Callable[..., object], wrong: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    refused(lambda: make("s", **wrong), error, *words)


@pytest.mark.parametrize("strategy", ["simple_one_for_one", "one-for-one", None, 1])
def test_an_unknown_strategy_is_refused(strategy: Any) -> None:
    words = '"one_for_one", "one_for_all" or "rest_for_one"'
    refused(lambda: Supervisor("s", strategy=strategy), ValueError, words, repr(strategy))


@pytest.mark.parametrize(
    ("children", "error", "words"),
    [
        ([Pawn()], DefinitionError, ["Child(Pawn(...), name=...)"]),
        ([Pawn], DefinitionError, ["is no child", "Child, Supervisor or Dynamic"]),
        ([None], DefinitionError, ["None is no child"]),
        (child("a"), TypeError, ["a list of"]),
        (Supervisor("x"), TypeError, ["a list of"]),
        ({"a": child("a")}, TypeError, ["a list of"]),
        ("abc", TypeError, ["a list of"]),
        (None, TypeError, ["a list of"]),
        (7, TypeError, ["a list of"]),
    ],
)
def test_what_is_no_list_of_children_is_refused(
    children: Any, error: type[Exception], words: list[str]
) -> None:
    refused(lambda: Supervisor("s", children), error, *words)


@pytest.mark.parametrize(
    "children",
    [
        [child("a"), child("a")],
        [child("top")],
        [child("a"), Supervisor("s", [child("a")])],
        [Supervisor("a"), Dynamic("a", Pawn)],
        [Supervisor("s", [child("x")]), Supervisor("t", [Supervisor("x")])],
        [Supervisor("s", [child("s2"), Dynamic("top", Pawn)])],
    ],
)
def test_a_name_stands_only_once_in_a_tree(children: list[Any]) -> None:
    refused(lambda: Supervisor("top", children), ValueError, "two children are named", "give one of them")


def test_an_actor_object_lives_at_one_name_only() -> None:
    one = Pawn()
    children: list[AnyChild] = [Child(one, name="a"), Supervisor("s", [Child(one, name="b")])]
    refused(lambda: Supervisor("top", children), ValueError, "one Pawn object", "'a'", "'b'", "build one")


def test_a_supervisor_that_contains_itself_is_refused() -> None:
    tree = loop()
    chain = "'top' > 'outer' > 'inner' > 'outer'"
    refused(lambda: Supervisor("top", [tree]), ValueError, "contains itself", chain, "take it out")


def test_significant_means_nothing_under_never() -> None:
    for spec in (
        child("a", restart="transient", significant=True),
        Supervisor("a", restart="temporary", significant=True),
        Dynamic("a", Pawn, own_restart="transient", own_significant=True),
    ):
        refused(functools.partial(Supervisor, "s", [spec]), ValueError, "'a'", "never", "any_significant")
        assert Supervisor("s", [spec], auto_shutdown="any_significant").children == (spec,)


def test_significant_is_refused_on_whatever_is_permanent() -> None:
    refused(lambda: Supervisor("s", significant=True), ValueError, "permanent")
    refused(lambda: Dynamic("d", Pawn, significant=True), ValueError, "permanent")
    refused(lambda: Dynamic("d", Pawn, own_significant=True), ValueError, "permanent")
    refused(lambda: Dynamic("d", Pawn, restart="transient", significant=True), ValueError, "never")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (Pawn(), ["the template is an actor", "functools.partial(Pawn, ...)"]),
        (None, ["cannot be called", "actor class"]),
        (child("a"), ["cannot be called"]),
        (build, ["is async", "`started`"]),
    ],
)
def test_a_template_is_something_that_builds_actors(template: Any, words: list[str]) -> None:
    refused(lambda: Dynamic("d", template), DefinitionError, "Dynamic('d')", *words)


def test_a_template_is_called_with_what_start_child_is_given() -> None:
    one = Dynamic("d", Fetcher, restart="temporary", patience=1).child("f/1", "http://x", depth=3)
    assert isinstance(one.actor, Fetcher)
    assert (one.actor.url, one.actor.depth) == ("http://x", 3)
    assert (one.name, one.restart, one.patience) == ("f/1", "temporary", 1.0)
    two = Dynamic("d", functools.partial(Fetcher, "http://y")).child("f/2", depth=2)
    assert isinstance(two.actor, Fetcher)
    assert two.actor.url == "http://y"


@pytest.mark.parametrize(
    ("template", "args", "kwargs", "words"),
    [
        (Fetcher, (), {}, ["Fetcher(url: str, depth: int = 1)", "'url'", "'f'"]),
        (Fetcher, ("x", 1, 2), {}, ["too many"]),
        (Fetcher, ("x",), {"deep": 2}, ["'deep'"]),
        (functools.partial(Fetcher, "x"), (1, 2), {}, ["Fetcher(depth: int = 1)", "too many"]),
    ],
)
def test_arguments_that_do_not_fit_the_template_are_refused(
    template: Any, args: tuple[Any, ...], kwargs: dict[str, Any], words: list[str]
) -> None:
    refused(lambda: Dynamic("d", template).child("f", *args, **kwargs), TypeError, "do not fit", *words)


def test_a_template_that_builds_no_actor_is_refused() -> None:
    refused(lambda: Dynamic("d", dict).child("a"), DefinitionError, "{} is no actor")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 0},
        {"first": -1},
        {"first": "1"},
        {"longest": 0.01},
        {"longest": float("nan")},
        {"factor": 0.5},
        {"factor": float("inf")},
        {"factor": "2"},
        {"reset_after": -1},
        {"reset_after": None},
        {"jitter": 1.1},
        {"jitter": True},
    ],
)
def test_a_backoff_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"Backoff\({next(iter(wrong))}="):
        Backoff(**wrong)


parts = st.floats(0, 1)


def make_backoff(first: float, more: float, factor: float, jitter: float) -> Backoff:
    return Backoff(first=first, longest=first + more, factor=factor, jitter=jitter)


backoffs = st.builds(
    make_backoff,
    st.floats(0.001, 1000),
    st.floats(0, 1000),
    st.floats(1, 1000),
    parts,
)


@given(backoffs, st.integers(0, 10**9), parts)
def test_a_wait_lies_within_the_jitter_of_what_has_grown_so_far(
    backoff: Backoff, restarts: int, random: float
) -> None:
    middle, seconds = backoff.wait_seconds(restarts, 0.5), backoff.wait_seconds(restarts, random)
    assert backoff.first <= middle <= backoff.longest
    assert abs(seconds - middle) <= middle * (backoff.jitter + 1e-12)


@given(backoffs, st.integers(0, 2000))
def test_without_luck_a_wait_is_never_shorter_than_the_one_before(backoff: Backoff, restarts: int) -> None:
    assert backoff.wait_seconds(restarts, 0.5) <= backoff.wait_seconds(restarts + 1, 0.5)
