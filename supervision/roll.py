"""Roll: the children of one supervisor as the store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..actors.actor import actor_type
from ..mailbox.records import Children
from .specs import AnyChild, AnySupervisor, Child, Dynamic

if TYPE_CHECKING:
    from .overseer import Overseer
    from .state import Place


class Roll:
    """The children of one supervisor as they are written down; who comes is added, and no list made anew."""

    __slots__ = ("_count", "_last", "_names", "_stale", "_types", "overseer")

    def __init__(self, overseer: Overseer) -> None:
        self.overseer = overseer
        self._names: list[str] = []
        self._types: list[str] = []
        self._last: AnyChild | None = None
        self._count, self._stale = 0, True
        self.follow()

    def follow(self) -> bool:
        """Take over what has changed since the last event; whether anything has.

        An event may delete children; it adds one at most, and at the end.
        """
        children = self._children
        count, last = len(children), _last_of(children)
        if count == self._count and last is self._last:
            return False
        if count == self._count + 1 and last is not None and not self._stale:
            self._names.append(last.name)
            self._types.append(_type(last))
        else:
            self._stale = True
        self._count, self._last = count, last
        return True

    def record(self) -> Children:
        """What the store is to remember: lists that grow, so it is packed at once."""
        if self._stale:
            self._call_all()
        overseer = self.overseer
        above = overseer.parent.name if overseer.parent is not None else ""
        return Children(overseer.name, above, about(overseer.spec), self._names, self._types)

    @property
    def _children(self) -> dict[str, Place]:
        return cast("dict[str, Place]", self.overseer.state.children)

    def _call_all(self) -> None:
        children = self._children
        self._names = list(children)
        self._types = [_type(place.spec) for place in children.values()]
        self._stale = False
        # Somebody may ask in the middle of an event, before this hears of it.
        self._count, self._last = len(children), _last_of(children)


def _last_of(children: dict[str, Place]) -> AnyChild | None:
    return next(reversed(children.values())).spec if children else None


def about(spec: AnySupervisor) -> str:
    """A supervisor's strategy and budget, for people."""
    strategy = "dynamic" if isinstance(spec, Dynamic) else spec.strategy
    restarts = "1 restart" if spec.intensity == 1 else f"{spec.intensity} restarts"
    return f"{strategy}, {restarts} in {spec.period:g} s"


def _type(spec: AnyChild) -> str:
    return actor_type(type(spec.actor)).name if isinstance(spec, Child) else ""
