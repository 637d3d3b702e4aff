"""JSON for programs: one object a line, each with `"v": 1`, times in UTC."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from ..mailbox.identity import show_number
from ..mailbox.letter import Letter
from .wording import is_mapping, is_sequence

VERSION: Final = 1
"""Raised when a field changes its meaning or goes; new ones may come at any time."""

DEEPEST: Final = 100
"""Containers within containers; what lies deeper is left out."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def line(**fields: Any) -> str:
    """One object."""
    shown = {name: plain(field) for name, field in fields.items()}
    return msgspec.json.encode({"v": VERSION, **shown}).decode()


def moment(ns: int | None) -> str | None:
    """A time as ISO 8601 in UTC; None for none."""
    if not ns:
        return None
    at = _EPOCH + timedelta(microseconds=ns // 1000)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def plain(data: Any, depth: int = 0) -> Any:
    """A decoded value as JSON can carry it: bytes become `{"$hex": …}`, keys text, and no number is NaN."""
    if isinstance(data, bytes):
        return {"$hex": data.hex()}
    if isinstance(data, msgspec.msgpack.Ext):
        return {"$ext": data.code, "$hex": bytes(data.data).hex()}
    if is_mapping(data) or is_sequence(data):
        return _container(data, depth) if depth < DEEPEST else "…"
    if isinstance(data, float):
        return data if math.isfinite(data) else str(data)
    if data is None or isinstance(data, bool | int | str):
        return data
    return data.isoformat() if isinstance(data, datetime) else repr(data)


def _container(data: Mapping[Any, Any] | Sequence[Any], depth: int) -> Any:
    if is_mapping(data):
        return {_key(name): plain(each, depth + 1) for name, each in data.items()}
    return [plain(each, depth + 1) for each in data]


def _key(name: Any) -> str:
    if isinstance(name, str):
        return name
    return name.hex() if isinstance(name, bytes) else str(name)


def letter_fields(letter: Letter) -> dict[str, Any]:
    """A message's fields, the same wherever one is shown."""
    return {
        "id": show_number(letter.number) if letter.number else None,
        "type": letter.type,
        "handler": letter.handler,
        "version": letter.version,
        "body": letter.body,
        "body_bytes": letter.apart or None,
        "sender": letter.sender or None,
        "sent": moment(letter.sent_at),
        "cause": show_number(letter.cause) if letter.cause else None,
        "root": show_number(letter.root) if letter.root else None,
        "trace": letter.trace or None,
        "sender_id": letter.id or None,
        "problem": letter.problem or None,
    }
