"""Patterns: names with `*` for any text, the only special character."""

import re
from collections.abc import Callable

Matcher = Callable[[str], object]


def matcher(pattern: str | None) -> Matcher:
    """Whether a text fits a pattern; everything fits none."""
    if pattern is None:
        return lambda _: True
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch


def is_plain(pattern: str | None) -> bool:
    """Whether a pattern is just a name."""
    return pattern is not None and "*" not in pattern
