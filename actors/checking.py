"""Checking: the fast path of a shape's check, compiled.

A message is checked where it is made, so this is on every send. A loop over the values
costs 400 ns, a function written for just these types 100; so the function is written and
compiled once a shape, as attrs and dataclasses write their constructors. It returns the
values only if nothing is to be said about them; all others take the slow path, which
converts, or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .kinds import Kind, Names

Check = Callable[[tuple[Any, ...]], tuple[Any, ...]]


def compile_check(kinds: Sequence[Kind], slow: Check) -> Check:
    """A check that tries the values' exact types before it calls `slow`."""
    names = Names()
    variables = [f"v{index}" for index in range(len(kinds))]
    tests = [kind.passes(variable, names) for kind, variable in zip(kinds, variables, strict=True)]
    if not tests:
        return lambda values: values
    if None in tests:
        return slow
    condition = " and ".join(f"({test})" for test in tests)
    source = (
        "def check(values):\n"
        f"    {', '.join(variables)}, = values\n"
        f"    if {condition}:\n"
        "        return values\n"
        "    return slow(values)\n"
    )
    namespace: dict[str, Any] = {**names.known, "slow": slow}
    exec(compile(source, "<check of a callboard shape>", "exec"), namespace)  # noqa: S102 - made of our own words
    check: Check = namespace["check"]
    return check
