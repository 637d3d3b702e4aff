"""The page on the format says what the code writes."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.mailbox import meta, records
from callboard.mailbox.bodies import CHUNK, Body
from callboard.mailbox.envelope import (
    INLINE,
    MAX_BODY,
    Codec,
    Envelope,
    Flag,
    encode_fields,
    open_envelope,
)
from callboard.mailbox.records import FORMAT, Keyed, pack, pack_number
from callboard.mailbox.segments import SEGMENT_BYTES
from callboard.mailbox.store import Table

PAGE = (Path(__file__).parents[3] / "docs" / "format.md").read_text(encoding="utf-8")
KINDS: list[Any] = [
    *(
        records.Box,
        records.Timer,
        records.Keyed,
        records.Callback,
        records.Request,
        records.Watch,
        records.Children,
        records.Mark,
        records.Dead,
        records.Counters,
        records.Link,
        records.Far,
    ),
    Body,
    Envelope,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_page_has_every_field_in_order(kind: Any) -> None:
    row = re.search(rf"^\| {kind.__name__} \| `(.*)` \|$", PAGE, re.MULTILINE)
    assert row
    assert tuple(row[1].split(", ")) == kind.__struct_fields__


def test_the_page_has_every_table_and_every_key_of_meta() -> None:
    section = PAGE[PAGE.index("## Tables") : PAGE.index("### META")]
    assert list(re.findall(r"^\| ([A-Z]+) \|", section, re.MULTILINE)) == [table.name for table in Table]
    section = PAGE[PAGE.index("### META") : PAGE.index("### Arrays")]
    keys = {value for name, value in vars(meta).items() if name.endswith("_KEY")} | {records.COUNTERS_KEY}
    assert {name.encode() for name in re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)} == keys


def test_the_pages_examples_are_what_is_written() -> None:
    assert f"The number 1 sealed is `{pack_number(1).hex()}`" in PAGE
    assert f"`{pack(Keyed(1, 2, fired=True)).hex()}`" in PAGE
    (example,) = re.findall(r"^9f [0-9a-f ]+$", PAGE, re.MULTILINE)
    number, now = 2**40 + 1, 1_700_000_000_000_000_000
    body = msgspec.msgpack.encode({"n": 3})
    envelope = Envelope(number, b"", "Shop", "sell", 1, Codec.MSGPACK, body, "", now, 0, number, "", 0, 0, {})
    assert encode_fields(envelope) == bytes.fromhex(example)
    assert open_envelope(bytes.fromhex(example)) == envelope


def test_the_page_is_about_this_format() -> None:
    assert PAGE.startswith(f"# The store on disk, format {FORMAT}\n")
    assert f"{SEGMENT_BYTES:,} bytes" in PAGE
    assert f"{Flag.CHUNKED} its body lies apart" in PAGE
    assert f"{CHUNK:,} bytes of the body" in PAGE
    assert (INLINE, MAX_BODY) == (64 << 10, 16 << 20)
    assert "Above 64 KiB it lies apart" in PAGE
    assert "bodies 16 MiB" in PAGE
