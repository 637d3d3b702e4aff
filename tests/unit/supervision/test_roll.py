"""Rolls: what follows a supervisor's children event by event is what one made anew would be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, strategies as st

from callboard import Actor, Child, Dynamic, handler
from callboard.supervision.roll import Roll
from callboard.supervision.state import Place, State


class Tenor(Actor, type_name="roll.Tenor"):
    @handler
    async def sing(self) -> None: ...


class Bass(Actor, type_name="roll.Bass"):
    @handler
    async def sing(self) -> None: ...


NAMES = st.sampled_from("abcd")
Change = tuple[set[str], tuple[str, type[Tenor] | type[Bass]] | None, str]
EVENTS = st.lists(
    st.tuples(
        st.sets(NAMES),
        st.none() | st.tuples(NAMES, st.sampled_from([Tenor, Bass])),
        st.sampled_from(["", "meanwhile", "afterwards"]),
    ),
    max_size=20,
)
"""Of each event: who is deleted; who is added, if nobody is called so; when the list is asked for."""


def said(roll: Roll) -> list[tuple[str, str]]:
    record = roll.record()
    return list(zip(record.names, record.types, strict=True))


@given(EVENTS)
def test_it_says_what_one_made_anew_would_say_whenever_it_is_asked(events: list[Change]) -> None:
    spec = Dynamic("choir", Tenor)
    overseer: Any = SimpleNamespace(name="choir", parent=None, spec=spec, state=State({}))
    roll, known = Roll(overseer), list[tuple[str, str]]()
    for gone, added, asked in events:
        children = {name: place for name, place in overseer.state.children.items() if name not in gone}
        if added is not None and added[0] not in children:
            name, kind = added
            children[name] = Place(Child(kind(), name=name))
        overseer.state = State(children)
        now = said(Roll(overseer))
        if asked == "meanwhile":
            roll.record()
        assert roll.follow() or now == known or asked == "meanwhile"
        if asked == "afterwards":
            assert said(roll) == now
        known = now
    assert said(roll) == said(Roll(overseer))
