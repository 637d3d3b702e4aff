"""Index: who imports whom and who defines what; the value that both sides compute and that must be equal."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

V = TypeVar("V")


@dataclass
class Entry:
    """One module."""

    importers: dict[str, int] = field(default_factory=dict[str, int])
    """Modules that import it, and in how many statements each."""
    defines: list[str] = field(default_factory=list[str])
    """Its top-level names, sorted; empty for a module that is only imported."""

    def add(self, importer: str, statements: int) -> None:
        """Count import statements of another module."""
        self.importers[importer] = self.importers.get(importer, 0) + statements


@dataclass
class Index:
    """All that was found under a root."""

    modules: dict[str, Entry] = field(default_factory=dict[str, Entry])
    unparsed: dict[str, str] = field(default_factory=dict[str, str])
    """Files that are no Python, and why."""

    def entry(self, module: str) -> Entry:
        """The entry of a module, made if it is new."""
        return self.modules.setdefault(module, Entry())

    def most_imported(self, count: int) -> list[tuple[str, Entry]]:
        """The modules that most others import, the first first."""
        return sorted(self.modules.items(), key=lambda pair: (-len(pair[1].importers), pair[0]))[:count]


def save(index: Index, path: Path) -> None:
    """Write an index to a file, whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.encode(index))
    unfinished.replace(path)


def load(path: Path) -> Index:
    """Read an index from a file."""
    return msgspec.json.decode(path.read_bytes(), type=Index)


def differences(one: Index, other: Index) -> Iterator[str]:
    """Everything in which two indexes are not equal, one line each."""
    yield from unequal("module", one.modules, other.modules)
    yield from unequal("does not parse:", one.unparsed, other.unparsed)


def unequal(what: str, one: dict[str, V], other: dict[str, V]) -> Iterator[str]:
    """The keys under which two dicts differ."""
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield f"{what} {key}: {one.get(key)} is not {other.get(key)}"
