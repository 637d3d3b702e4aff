"""Abroad: what is different while bytes are made for another node, or read from one.

Inside a node a ref without a node's name means an actor of that very node. In bytes that leave, it has to
name its home; and bytes that came from a node that is not trusted so far must not be unpickled, since a
pickle runs whatever its maker wrote. Both hold for one synchronous piece of work, so that a variable of
the context serves where every kind of value would otherwise need two more parameters.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

HOME: ContextVar[str] = ContextVar("home", default="")
"""The node whose actors are meant by refs that name none, while bytes are made for another; else empty."""
DISTRUSTED: ContextVar[str] = ContextVar("distrusted", default="")
"""The node whose bytes are read and whose pickles are not; else empty."""


@contextmanager
def speaking_from(node: str) -> Generator[None]:
    """Let refs that are encoded name their home."""
    token = HOME.set(node)
    try:
        yield
    finally:
        HOME.reset(token)


@contextmanager
def reading_from(node: str) -> Generator[None]:
    """Let nothing be unpickled; a name that is empty changes nothing."""
    token = DISTRUSTED.set(node)
    try:
        yield
    finally:
        DISTRUSTED.reset(token)
