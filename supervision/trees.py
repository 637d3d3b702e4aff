"""Trees: what must hold for a supervision tree as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from .fields import Terms, spec_text

NEVER = (
    'a significant child means nothing while auto_shutdown is "never"; set auto_shutdown to '
    '"any_significant" or "all_significant", or drop the flag'
)


class Node(Protocol):
    """Any spec: the files that declare them are above this one."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def terms(self) -> Terms:
        """How its supervisor treats it."""
        ...


def insignificant(supervisor: Any, child: Node) -> str:
    """Why a child's significant flag cannot stand under this supervisor; empty if it can."""
    if child.terms.significant and supervisor.auto_shutdown == "never":
        return f"{spec_text(child)}: {NEVER}"
    return ""


def walk(root: Node) -> Iterator[Node]:
    """A spec and all below it, in start order.

    Raises:
        ValueError: a supervisor contains itself.
    """
    return _walk(root, ())


def _walk(node: Any, path: tuple[Node, ...]) -> Iterator[Node]:
    if any(node is above for above in path):
        chain = " > ".join(repr(above.name) for above in (*path, node))
        raise ValueError(f"{spec_text(node)} contains itself: {chain}; take it out of its own children")
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child, (*path, node))


def check_tree(root: Node) -> None:
    """Refuse a tree in which a name or an actor stands twice, or that contains itself.

    Raises:
        ValueError: the text says where and what to do.
    """
    names: dict[str, Node] = {}
    actors: dict[int, Any] = {}
    for node in walk(root):
        if node.name in names:
            raise ValueError(
                f"{spec_text(root)}: two children are named {node.name!r}: a {_kind(names[node.name])} and a "
                f"{_kind(node)}; names are addresses, so give one of them another"
            )
        names[node.name] = node
        actor = getattr(node, "actor", None)
        if actor is not None:
            other: Any = actors.setdefault(id(actor), node)
            if other is not node:
                raise ValueError(
                    f"{spec_text(root)}: one {type(actor).__name__} object is to live at {other.name!r} "
                    f"and at {node.name!r}; build one for each"
                )


def _kind(node: Node) -> str:
    return type(node).__name__
