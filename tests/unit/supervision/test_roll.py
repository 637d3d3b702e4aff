"""Rolls: what follows a supervisor's children event by event is what one made anew would be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, strategies as st

from callboard import Actor, Child, Dynamic, handler
from callboard.supervision.register import Roll
from callboard.supervision.state import Place, State


class Tenor(Actor, type_name="roll.Tenor"):
    @handler
    async def sing(self) -> None: ...


class Bass(Actor, type_name="roll.Bass"):
    @handler
    async def sing(self) -> None: ...


NAMES = st.sampled_from("abcd")
Change = tuple[set[str], tuple[str, type[Tenor] | type[Bass]] | None]
EVENTS = st.lists(
    st.tuples(st.sets(NAMES), st.none() | st.tuples(NAMES, st.sampled_from([Tenor, Bass]))), max_size=20
)
"""Of each event: who is deleted, and then who is added, if nobody of that name is there."""


@given(EVENTS)
def test_it_says_what_one_made_anew_would_say(
    events: list[Change],
) -> None:
    spec = Dynamic("choir", Tenor)
    overseer: Any = SimpleNamespace(name="choir", parent=None, spec=spec, state=State({}))
    roll = Roll(overseer)
    for gone, added in events:
        before = roll.record()
        said = list(before.names), list(before.types)
        children = {name: place for name, place in overseer.state.children.items() if name not in gone}
        if added is not None and added[0] not in children:
            name, kind = added
            children[name] = Place(Child(kind(), name=name))
        overseer.state = State(children)
        changed = roll.follow()
        now, anew = roll.record(), Roll(overseer).record()
        assert (now.names, now.types) == (anew.names, anew.types)
        assert changed or said == (anew.names, anew.types)
