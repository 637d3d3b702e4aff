"""Checking: the fast path of a shape's check, and the bound of its size, compiled.

A message is checked where it is made, so this is on every send. A loop over the values
costs 400 ns, a function written for just these types 100; so the function is written and
compiled once a shape, as attrs and dataclasses write their constructors. It returns the
values only if nothing is to be said about them; all others take the slow path, which
converts, or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .kinds import Kind, Names

SMALL = 4096
"""Bytes up to which an actor's state is kept as it is until its batch is sealed, and runs ahead uncounted."""
HEAD = 5
"""Bytes before a map's members, or a name's letters, at the most."""

M = TypeVar("M")
Maker = Callable[[tuple[Any, ...]], M]
Check = Callable[[tuple[Any, ...]], tuple[Any, ...]]


def compile_check(kinds: Sequence[Kind], slow: Check) -> Check:
    """A check that tries the values' exact types before it calls `slow`."""
    if not kinds:
        return lambda values: values
    names, variables = Names(), _variables(kinds)
    condition = _condition(kinds, variables, names)
    if condition is None:
        return slow
    source = (
        "def check(values):\n"
        f"    {', '.join(variables)}, = values\n"
        f"    if {condition}:\n"
        "        return values\n"
        "    return slow(values)\n"
    )
    check: Check = _made(source, "check", {**names.known, "slow": slow})
    return check


def compile_maker(
    kinds: Sequence[Kind],
    sizes: tuple[int, str] | None,
    make: Callable[..., M],
    spec: object,
    slow: Maker[M],
) -> Maker[M]:
    """A function that makes `make(spec, values, size)`, as `compile_check` and `compile_most` in one."""
    names, variables = Names(), _variables(kinds)
    condition = _condition(kinds, variables, names) if kinds else "True"
    fixed, varying = sizes or (0, "")
    source = (
        "def maker(values):\n"
        + (f"    {', '.join(variables)}, = values\n" if kinds else "")
        + f"    if {condition or 'False'}:\n"
        + f"        return make(spec, values, {fixed}{varying and ' + '}{varying})\n"
        + "    return slow(values)\n"
    )
    known = {**names.known, "make": make, "spec": spec, "slow": slow}
    maker: Maker[M] = _made(source, "maker", known)
    return maker


def compile_read(
    attributes: Sequence[str], kinds: Sequence[Kind], slow: Check
) -> Callable[[object], tuple[Any, ...]]:
    """The attributes of an object, checked: one function for what a turn does at its end."""
    names, variables = Names(), _variables(kinds)
    condition = _condition(kinds, variables, names) if kinds else "True"
    source = (
        "def read(thing):\n"
        + "".join(
            f"    {v} = thing.{attribute}\n" for v, attribute in zip(variables, attributes, strict=True)
        )
        + f"    values = ({''.join(f'{variable}, ' for variable in variables)})\n"
        + f"    return values if {condition or 'False'} else slow(values)\n"
    )
    read: Callable[[object], tuple[Any, ...]] = _made(source, "read", {**names.known, "slow": slow})
    return read


def sizes_of(names: Sequence[str], kinds: Sequence[Kind]) -> tuple[int, str] | None:
    """The most bytes that values of these kinds become as a map by name.

    Returns:
        What does not depend on the values, and an expression for the rest, empty if there is none;
        None if that is not cheaply told.
    """
    sizes = [kind.most(variable) for kind, variable in zip(kinds, _variables(kinds), strict=True)]
    fixed, varying = HEAD + sum(HEAD + len(name.encode()) for name in names), list[str]()
    for size in sizes:
        if size is None:
            return None
        if size.isdigit():
            fixed += int(size)
        else:
            varying.append(size)
    return fixed, " + ".join(varying)


def compile_most(count: int, fixed: int, varying: str) -> Callable[[tuple[Any, ...]], int]:
    """A function for what `sizes_of` found."""
    if not varying:
        return lambda _: fixed
    variables = ", ".join(f"v{index}" for index in range(count))
    source = f"def most(values):\n    {variables}, = values\n    return {fixed} + {varying}\n"
    most: Callable[[tuple[Any, ...]], int] = _made(source, "most", {})
    return most


def _variables(kinds: Sequence[Kind]) -> list[str]:
    return [f"v{index}" for index in range(len(kinds))]


def _condition(kinds: Sequence[Kind], variables: Sequence[str], names: Names) -> str | None:
    """An expression that is true if nothing is to be said of the values; None if there is none."""
    tests = [kind.passes(variable, names) for kind, variable in zip(kinds, variables, strict=True)]
    return None if None in tests else " and ".join(f"({test})" for test in tests)


def _made(source: str, name: str, namespace: dict[str, Any]) -> Any:
    exec(compile(source, f"<{name} of a callboard shape>", "exec"), namespace)  # noqa: S102 - our own words
    return namespace[name]
