"""Index: who imports whom and who defines what; the value that both sides compute and that must be equal."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


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
    """Every fact in which two indexes are not equal, one line each."""
    ours, theirs = facts(one), facts(other)
    for fact in sorted({*ours, *theirs}):
        if ours.get(fact) != theirs.get(fact):
            yield f"{fact}: {ours.get(fact, 0)} instead of {theirs.get(fact, 0)}"


def facts(index: Index) -> dict[str, int | str]:
    """All that an index says, one fact at a time: how often, or why."""
    found: dict[str, int | str] = {f"{path} does not parse": why for path, why in index.unparsed.items()}
    for name, entry in index.modules.items():
        found[f"{name} is known"] = 1
        for importer, statements in entry.importers.items():
            found[f"{name} is imported by {importer}"] = statements
        for defined, times in Counter(entry.defines).items():
            found[f"{name} defines {defined}"] = times
    return found
