"""A module as people write them: annotations are strings, and a module is imported for checkers only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from callboard.actors.actor import Actor, transient
from callboard.actors.handler import handler
from callboard.actors.ref import ActorRef

if TYPE_CHECKING:
    import random

    from .annotated import Tree
    from .test_message import Till


class Order(Actor, type_name="shop.Order"):
    limit: ClassVar[int] = 3

    id: str
    lines: list[Line] = attrs.field(factory=list["Line"])
    colour_keeper: ActorRef[Keeper] | None = None
    far: ActorRef[Till] | None = None
    dice: random.Random | None = transient(default=None)

    @handler
    async def add(self, line: Line, parent: ActorRef[Order] | None = None) -> list[Line]:
        self.lines.append(line)
        return self.lines


@attrs.frozen
class Line:
    item: str
    price: float
    after: Line | None = None


class Keeper(Actor, type_name="shop.Keeper"):
    pass


def lose() -> type[Actor]:
    """A class that cannot work: it has to know at run time what it imports for checkers."""

    class Gardener(Actor):
        @handler
        async def plant(self, tree: Tree) -> None: ...

    return Gardener


def make() -> type[Actor]:
    """A class whose annotations mention what only this function knows."""

    @attrs.frozen
    class Local:
        x: int

    class Inner(Actor, type_name="shop.Inner"):
        local: Local

        @handler
        async def put(self, local: Local, own: ActorRef[Inner], later: Later) -> Local:
            return local

    @attrs.frozen
    class Later:
        local: Local

    Inner.put(Local(1), ActorRef("a"), Later(Local(2)))
    return Inner
