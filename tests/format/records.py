"""Every record of a store as values that JSON can hold, by the names of their fields."""

from typing import Any
from zlib import crc32

import msgspec

from callboard.mailbox.envelope import open_envelope
from callboard.mailbox.letter import decode
from callboard.mailbox.records import (
    Box,
    Children,
    Counters,
    Dead,
    Keyed,
    Mark,
    Request,
    Timer,
    Watch,
    open_segment,
    unpack,
    unseal,
)
from callboard.mailbox.store import Store, Table

KINDS: dict[Table, Any] = {
    Table.BOXES: Box,
    Table.TIMERS: Timer,
    Table.KEYED: Keyed,
    Table.REQUESTS: Request,
    Table.MARKS: Mark,
    Table.DEAD: Dead,
    Table.WATCHES: Watch,
    Table.CHILDREN: Children,
}


def everything(store: Store) -> dict[str, dict[str, Any]]:
    """All tables that hold something: key in hex to value."""
    tables = {
        table.name: {at.hex(): _value(table, at, value) for at, value in store.scan(table, limit=1 << 30)}
        for table in Table
    }
    return {name: rows for name, rows in tables.items() if rows}


def _value(table: Table, at: bytes, value: bytes) -> Any:
    if table is Table.NAMES:
        return value.hex()
    if table is Table.BODIES:
        return {"bytes": len(value), "crc": crc32(value)}
    if table is Table.MAIL:
        return [_envelope(raw) for raw in open_segment(value)]
    if table is Table.META and at == b"counters":
        return plain(unpack(Counters, value))
    if table is Table.META and at in {b"uuid", b"node"}:
        return unseal(value).hex()
    if table in KINDS:
        return _record(unpack(KINDS[table], value))
    return plain(decode(unseal(value)))


def _envelope(raw: bytes | None) -> Any:
    assert raw is not None
    return {**plain(envelope := open_envelope(raw)), "body": plain(decode(envelope.body))}


def _record(record: Any) -> Any:
    found = plain(record)
    if getattr(record, "envelope", b""):
        found["envelope"] = _envelope(record.envelope)
    return found


def plain(value: Any) -> Any:
    """A record, or what lies in one, as JSON has it."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    if isinstance(value, msgspec.msgpack.Ext):
        return {"$ext": value.code, "$hex": bytes(value.data).hex()}
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def differences(written: Any, read: Any, place: str = "") -> list[str]:
    """Where what is read today is not what was written then; fields that came later do not count."""
    if isinstance(written, dict) and isinstance(read, dict):
        return [
            line
            for name, value in written.items()  # pyright: ignore[reportUnknownVariableType]
            for line in differences(value, read.get(name, "(missing)"), f"{place}/{name}")  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
        ]
    return [] if written == read else [f"{place}: {written!r} was written, {read!r} is read"]
