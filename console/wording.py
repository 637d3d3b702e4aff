"""Wording: times, numbers, values and messages as people read them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, TypeGuard

from ..mailbox.letter import Letter
from .terminal import safe

SECOND: Final = 1_000_000_000
_UNITS: Final = ((2 * 86_400, 86_400, "d"), (2 * 3600, 3600, "h"), (120, 60, "min"))
"""From so many seconds on, count in this many seconds, called so."""

MOST: Final = 400
"""Characters of one value."""
DEEPEST: Final = 50


def is_mapping(data: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether a decoded value is a map."""
    return isinstance(data, Mapping)


def is_sequence(data: Any) -> TypeGuard[Sequence[Any]]:
    """Whether a decoded value is an array."""
    return isinstance(data, list | tuple)


def duration(ns: int) -> str:
    """A length of time: `0.4 s`, `12 s`, `4 min`, `5 h`, `9 d`; below nothing counts as nothing."""
    seconds = max(ns, 0) / SECOND
    for least, size, unit in _UNITS:
        if seconds >= least:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def ago(then_ns: int, now_ns: int) -> str:
    """A moment in the past."""
    return f"{duration(now_ns - then_ns)} ago"


def due(then_ns: int, now_ns: int) -> str:
    """A moment to come, or one that is overdue."""
    return f"in {duration(then_ns - now_ns)}" if then_ns > now_ns else f"due {ago(then_ns, now_ns)}"


def count(number: int, noun: str, *, plural: str = "", more: bool = False) -> str:
    """A number of things: `1 actor`, `1,204 actors`; with `more`, there are even more: `10,000+ timers`."""
    many = plural or f"{noun}s"
    return f"{number:,}+ {many}" if more else f"{number:,} {noun if number == 1 else many}"


def size(bytes: int) -> str:
    """A number of bytes: `812 B`, `4.1 MB`; in powers of ten, as disks are sold."""
    amount = float(bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def value(data: Any, most: int = MOST) -> str:
    """A decoded value in one line, much as Python writes it, bytes in hex; cut off where it is long."""
    return safe(_cut(_write(data, most), most))


def message(letter: Letter, home: str = "", most: int = MOST) -> str:
    """A message as a call, `deposit(amount=30)`; its type stands before it unless it is the mailbox's own."""
    trouble = f"(unreadable: {letter.problem})"
    if letter.problem and not letter.handler:
        return safe(trouble)
    whose = f"{letter.type}." if letter.type != home else ""
    arguments = [f"… {size(letter.apart)}"] if letter.apart else _arguments(letter.body, most)
    text = _cut((f"{whose}{letter.handler}(", *arguments, ")"), most)
    return safe(f"{text} {trouble}" if letter.problem else text)


def _arguments(body: Any, most: int) -> Iterator[str]:
    if not is_mapping(body):
        yield from _write(body, most)
        return
    for comma, (name, each) in zip(_commas(), body.items(), strict=False):
        yield f"{comma}{name}="
        yield from _write(each, most)


def _write(data: Any, most: int, depth: int = 0) -> Iterator[str]:
    """A value in pieces, so that nobody waits for the end of a long one."""
    if depth > DEEPEST:
        yield "…"
    elif isinstance(data, str):
        yield repr(data[: most + 1])
    elif isinstance(data, bytes):
        yield f"0x{data[:most].hex()}"
    elif is_sequence(data):
        yield "["
        for comma, each in zip(_commas(), data, strict=False):
            yield comma
            yield from _write(each, most, depth + 1)
        yield "]"
    elif is_mapping(data):
        yield "{"
        for comma, (name, each) in zip(_commas(), data.items(), strict=False):
            yield comma
            yield from _write(name, most, depth + 1)
            yield ": "
            yield from _write(each, most, depth + 1)
        yield "}"
    else:
        yield repr(data)


def _commas() -> Iterator[str]:
    yield ""
    yield from repeat(", ")


def _cut(pieces: Iterable[str], most: int) -> str:
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > most:
            return f"{text[:most]}…"
    return text


def hex_lines(data: bytes, most: int = 1024) -> list[str]:
    """Bytes that nobody could decode, as offset, hex and text, 16 to a line."""
    lines: list[str] = []
    for at in range(0, min(len(data), most), 16):
        row = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{at:06x}  {row.hex(' '):<47}  {text}")
    if len(data) > most:
        lines.append(f"… {len(data) - most:,} bytes more; --json shows all")
    return lines
