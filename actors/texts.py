"""Texts: what is written down of an exception, whatever its author made of it."""

from __future__ import annotations

import traceback

MAX_TRACEBACK = 16 * 1024
MAX_TEXT = 4096
MAX_VALUE = 1000
"""Characters of a parameter, where a message is shown."""


def brief(value: object) -> str:
    """A value as people read it, cut off where it is long."""
    text = repr(value[:MAX_VALUE] if isinstance(value, str | bytes) else value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = storable(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def storable(error: object) -> str:
    """The text of an exception, whatever its author made of it, as it can be written down."""
    try:
        text = str(error)
    except Exception:
        text = f"<{type(error).__name__}, whose text cannot be had>"
    return text.encode("utf-8", "replace").decode()[:MAX_TEXT]


def show_traceback(error: BaseException | None) -> str:
    """The traceback as text, its end if it is long."""
    if error is None:
        return ""
    text = "".join(traceback.format_exception(error))
    return text[-MAX_TRACEBACK:].encode("utf-8", "replace").decode()
