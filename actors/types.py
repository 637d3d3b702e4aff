"""Types: the actor classes this node knows, by declared name."""

from __future__ import annotations

import attrs

from .actor import Actor, ActorType, Conflict, find_types


class Types:
    """Actor classes by declared name: those given, or all imported subclasses of `Actor`."""

    def __init__(self, given: list[type[Actor]] | None = None) -> None:
        self._given = given
        self._known: dict[str, ActorType | Conflict] = {}

    def find(self, name: str) -> ActorType | None:
        """The type of a name; None if no code here has it, or two classes claim it."""
        kind = self._known.get(name)
        if kind is None:
            self._known = find_types(self._given)
            kind = self._known.get(name)
        return kind if isinstance(kind, ActorType) else None

    def why_not(self, name: str) -> str:
        """Why a name has no type, as a sentence for people."""
        kind = self._known.get(name)
        if isinstance(kind, Conflict):
            return str(kind)
        return (
            f"no imported actor class is declared as {name!r}; "
            "import the module that declares it, or pass it in types="
        )


@attrs.frozen
class NoCode:
    """Mail that waits for a class or a handler that the code does not have."""

    mailbox: str
    reason: str
