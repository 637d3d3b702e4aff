"""Wording: times, numbers, values and messages as people read them."""

from collections.abc import Mapping
from typing import Any, Final

from ..mailbox.letter import Letter
from .terminal import safe

SECOND: Final = 1_000_000_000
_UNITS: Final = ((2 * 86_400, 86_400, "d"), (2 * 3600, 3600, "h"), (120, 60, "min"))
"""From so many seconds on, count in this many seconds, called so."""

MOST: Final = 400
"""Characters of one value, unless all is asked for."""


def duration(ns: int) -> str:
    """A length of time: `0.4 s`, `12 s`, `4 min`, `5 h`, `9 d`; below nothing counts as nothing."""
    seconds = max(ns, 0) / SECOND
    for least, size, unit in _UNITS:
        if seconds >= least:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def ago(then_ns: int, now_ns: int) -> str:
    """A moment in the past."""
    return f"{duration(now_ns - then_ns)} ago"


def due(then_ns: int, now_ns: int) -> str:
    """A moment to come, or one that is overdue."""
    return f"in {duration(then_ns - now_ns)}" if then_ns > now_ns else f"due {ago(then_ns, now_ns)}"


def count(number: int, noun: str, *, more: bool = False) -> str:
    """A number of things: `1 actor`, `1,204 actors`; `more` says there are even more."""
    return f"{number:,}{'+' if more else ''} {noun if number == 1 and not more else f'{noun}s'}"


def value(data: Any, most: int = MOST) -> str:
    """A decoded value in one line, much like Python writes it; bytes in hex."""
    text = safe(_write(data, most))
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters; --json shows all)"


def _write(data: Any, most: int) -> str:
    if isinstance(data, bytes | bytearray | memoryview):
        data = bytes(data)
        shown = data[: most // 2].hex()
        return f"0x{shown}" if len(data) <= most // 2 else f"0x{shown}… ({len(data):,} bytes)"
    if isinstance(data, list | tuple):
        return f"[{', '.join(_write(each, most) for each in data)}]"
    if isinstance(data, Mapping):
        pairs = (f"{_write(name, most)}: {_write(each, most)}" for name, each in data.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(data)


def message(letter: Letter, home: str = "", most: int = MOST) -> str:
    """A message as a call, `deposit(amount=30)`; its type stands before it unless it is the mailbox's own."""
    if letter.problem and not letter.handler:
        return f"(unreadable: {safe(letter.problem)})"
    body = letter.body
    if isinstance(body, Mapping):
        inside = ", ".join(f"{name}={_write(each, most)}" for name, each in body.items())
    else:
        inside = _write(body, most)
    whose = f"{letter.type}." if letter.type != home else ""
    text = safe(f"{whose}{letter.handler}({inside})")
    text = text if len(text) <= most else f"{text[:most]}…)"
    return f"{text} (unreadable: {safe(letter.problem)})" if letter.problem else text


def hex_lines(data: bytes, most: int = 1024) -> list[str]:
    """Bytes nobody can read, as offset, hex and text, 16 to a line."""
    lines: list[str] = []
    for at in range(0, min(len(data), most), 16):
        row = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{at:06x}  {row.hex(' '):<47}  {text}")
    if len(data) > most:
        lines.append(f"… {len(data) - most:,} bytes more; --json has all")
    return lines
