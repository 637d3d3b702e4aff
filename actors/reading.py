"""Reading: one way to make a decoder, and one text for bytes that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..mailbox.errors import Undecodable
from .errors import DefinitionError


def typed_decoder(wire: Any, place: str) -> Callable[[bytes], Any]:
    """A strict decoder of one wire type.

    Raises:
        DefinitionError: msgspec cannot carry the type.
    """
    try:
        return msgspec.msgpack.Decoder(wire).decode
    except (TypeError, NotImplementedError) as error:
        raise DefinitionError(f"{place.format('')}: {error}") from error


def undecodable(error: Exception, place: str) -> Undecodable:
    """The error for bytes that are not what the code of today declares."""
    whole = place.partition("{")[0].rstrip("(.")
    if isinstance(error, Undecodable):
        return Undecodable(f"{whole}: {error}")
    text = str(error) or type(error).__name__
    remedy = ""
    if "missing required field" in text:
        remedy = "; it was written before that field existed: give the field a default"
    elif isinstance(error, msgspec.ValidationError):
        remedy = "; it was written when the annotation was another: change it back, or add a field"
    return Undecodable(f"{whole} cannot be read: {text}{remedy}")


@contextmanager
def reading(place: str) -> Generator[None]:
    """Whatever goes wrong inside, a type's own validator included, makes the bytes undecodable."""
    try:
        yield
    except Exception as error:
        raise undecodable(error, place) from error
