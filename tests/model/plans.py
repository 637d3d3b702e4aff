"""Plans: what is done to a node from outside, drawn as a list."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .pawns import NAMES, Program, Step

names = st.sampled_from(NAMES)
keys = st.sampled_from(["k", "l"])
delays = st.sampled_from([0.5, 2.0, 10.0, 30.0])
leaf: st.SearchStrategy[Program] = st.just(())


def steps(inner: st.SearchStrategy[Program], *, timed: bool) -> st.SearchStrategy[Step]:
    """One step of a program; `timed` adds what depends on who is first."""
    always: list[st.SearchStrategy[Step]] = [
        st.tuples(st.just("tell"), names, inner),
        st.tuples(st.just("after"), delays, st.none(), inner),
        st.tuples(st.just("request"), names, inner, st.none()),
        st.tuples(st.just("spawn"), st.just("d"), inner),
        st.tuples(st.just("fail"), st.integers(1, 3)),
        st.tuples(st.just("refuse")),
        st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.01, 1.0])),
        st.tuples(st.just("effect")),
    ]
    racing: list[st.SearchStrategy[Step]] = [
        st.tuples(st.just("after"), delays, keys, inner),
        st.tuples(st.just("cancel"), keys),
        st.tuples(st.just("request"), names, inner, delays),
        st.tuples(st.just("stop")),
    ]
    return st.one_of(always + racing if timed else always)


def programs(*, timed: bool = True, depth: int = 2) -> st.SearchStrategy[Program]:
    """A program whose messages carry programs."""
    if depth == 0:
        return leaf
    inner = programs(timed=timed, depth=depth - 1)
    return st.lists(steps(inner, timed=timed), max_size=3).map(tuple).filter(_stops_last)


def _stops_last(program: Program) -> bool:
    """A pawn archives its log when it stops, so it must do nothing after that."""
    return ("stop",) not in program[:-1]


def sends(*, timed: bool, depth: int = 2) -> list[st.SearchStrategy[Step]]:
    """What sends messages from outside."""
    program = programs(timed=timed, depth=depth)
    return [
        st.tuples(st.just("tell"), names, program),
        st.tuples(st.just("tell"), names, program),
        st.tuples(st.just("tell_all"), st.lists(st.tuples(names, program), min_size=1, max_size=4)),
        st.tuples(st.just("delayed"), names, program, delays),
        st.tuples(st.just("ask"), names, program),
        st.tuples(st.just("marked"), names, program, st.booleans()),
        st.tuples(st.just("sleep"), st.sampled_from([0.001, 1.0, 20.0])),
    ]


def plans(*, timed: bool, extra: Any = ()) -> st.SearchStrategy[list[Step]]:
    """A list of acts."""
    return st.lists(st.one_of([*sends(timed=timed), *extra]), min_size=1, max_size=12)


doomed: st.SearchStrategy[Step] = st.tuples(
    st.just("doomed"),
    st.lists(st.one_of(sends(timed=True, depth=1)), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.1, 1.0]),
)
"""Things done after the last sync before a power loss."""

ACCIDENTS: list[st.SearchStrategy[Step]] = [
    st.tuples(st.just("spawn"), names),
    st.tuples(st.just("pause"), names),
    st.tuples(st.just("resume"), names),
    st.tuples(st.just("hold")),
    st.tuples(st.just("release")),
    st.tuples(st.just("crash")),
    st.tuples(
        st.just("doomed"),
        st.lists(st.one_of(sends(timed=True, depth=1)), min_size=1, max_size=3),
        st.sampled_from([0.0, 1.0, 20.0]),
    ),
    st.tuples(st.just("restart")),
]
