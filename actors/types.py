"""Types: the actor classes this node knows, by declared name."""

from __future__ import annotations

import logging

from .actor import Actor, ActorType, find_types

log = logging.getLogger("callboard.node")


class Types:
    """Actor classes by declared name: those given, or all imported subclasses of `Actor`."""

    def __init__(self, given: list[type[Actor]] | None = None) -> None:
        """Look at what is imported.

        Raises:
            DefinitionError: an annotation of one of them mentions a name that does not exist.
        """
        self._given = given
        self._known = find_types(given)
        self._missed: set[str] = set()
        for kind in self._known.values():
            if isinstance(kind, ActorType):
                kind.complete()

    def find(self, name: str) -> ActorType | None:
        """The type of a name; None, with a word in the log, if mail for it has to wait (G14)."""
        kind = self._known.get(name)
        if kind is None:
            # Perhaps its module was imported since.
            self._known = find_types(self._given)
            kind = self._known.get(name)
        if isinstance(kind, ActorType):
            return kind
        if name not in self._missed:
            self._missed.add(name)
            log.warning("mail for actors of type %r waits: %s", name, self.why_not(name))
        return None

    def why_not(self, name: str) -> str:
        """Why a name has no type here."""
        return str(self._known.get(name) or _absent(name))


def _absent(name: str) -> str:
    return f"no imported class is declared as {name!r}; import its module, or pass it in types= of open_node"
