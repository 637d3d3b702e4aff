"""Fields: what the specs of supervision have in common, and how each field is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, get_args

import msgspec

from ..actors.durations import Seconds, in_seconds
from ..mailbox.names import check_name
from .backoff import Backoff

Restart = Literal["permanent", "transient", "temporary"]
"""Always restarted; restarted unless its exit is normal; never, and forgotten when it has ended."""
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
"""Who is restarted when a child fails: it alone; all; it and those after it in start order."""
AutoShutdown = Literal["never", "any_significant", "all_significant"]
"""Whether the supervisor ends when any, or the last, of its significant children has ended by itself."""

DEFAULT_BACKOFF: Final = Backoff()
"""What supervisors have unless they say otherwise."""


def spec_text(spec: object) -> str:
    """How errors name a spec: `Supervisor('shop')`."""
    kind, name = type(spec).__name__, getattr(spec, "name", "")
    return f"{kind}(name={name!r})" if kind == "Child" else f"{kind}({name!r})"


def to_patience(value: Seconds | None) -> float | None:
    """Seconds, or None for no limit."""
    return None if value is None else in_seconds(value, "patience=...")


def to_period(value: Seconds) -> float:
    """Seconds."""
    return in_seconds(value, "period=...")


def check_address(_: object, __: object, value: Any) -> None:
    """Refuse what cannot be an address."""
    check_name(value)


def one_of(words: Any) -> Callable[[Any, Any, object], None]:
    """A validator that allows the words of a Literal only."""
    choices = get_args(words)

    def check(spec: Any, field: Any, value: object) -> None:
        if not isinstance(value, str) or value not in choices:
            *others, last = [f'"{choice}"' for choice in choices]
            raise ValueError(f"{spec_text(spec)}: {field.name}={value!r}; give {', '.join(others)} or {last}")

    return check


def check_intensity(spec: object, _: object, value: object) -> None:
    """Refuse what is no number of restarts."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{spec_text(spec)}: intensity={value!r}; give 0 (never restart) or more restarts")


def check_period(spec: object, _: object, value: float) -> None:
    """Refuse a window without length."""
    if value <= 0:
        raise ValueError(f"{spec_text(spec)}: period={value!r}; give more than 0 seconds")


def check_backoff(spec: object, _: object, value: object) -> None:
    """Refuse what is neither a Backoff nor None."""
    if value is not None and not isinstance(value, Backoff):
        raise TypeError(
            f"{spec_text(spec)}: backoff={value!r:.60}; give Backoff(first=...), or None to restart at once"
        )


def check_bool(spec: object, field: Any, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{spec_text(spec)}: {field.name}={value!r:.60}; give True or False")


def check_significant(spec: object, restart: str, *, significant: bool) -> None:
    """Refuse a significant child that never ends for good."""
    if significant and restart == "permanent":
        raise ValueError(
            f"{spec_text(spec)}: a permanent child is always restarted and cannot be significant; make it "
            '"transient" or "temporary", or drop the significant flag'
        )


class Terms(msgspec.Struct, frozen=True):
    """How a supervisor treats one of its children."""

    restart: Restart
    patience: float | None
    """Seconds from being asked to stop to being killed; None is without limit, 0 kills at once."""
    significant: bool
