"""Power loss: what a disk may hold after the power went at any step of a program.

The model, which is harsher than any one file system:

- A file that was synced, and a write to a file opened with O_DSYNC that has returned, are there whole.
- Of what was written since, each page of 4 KiB holds any version it ever had, the last synced one among them,
  whatever the others hold; or each sector of 512 bytes in it does. No sector is torn: disks promise that, and
  LMDB relies on it.
- A file's size is any that it had since its last sync. What is inside it and was never there is zeros.
- What was written through a map may be anything at all.
- Names made, moved and removed since the last sync of their directory are lost or kept: as by a journal, all
  up to some moment, or each by itself. A rename is one change, and its directory is the one it leads to.
  The sync of a file says nothing of its name.

The disk is a pure replay of steps. Everything that is left to chance is drawn from the seed of the crash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import attrs

from .steps import Make, Map, Remove, Rename, Resize, Step, Sync, SyncPart, Write

PAGE = 4096
SECTOR = 512


class File:
    """A file: what the kernel shows, and all that the disk may hold of it."""

    def __init__(self) -> None:
        self.shown = bytearray()
        self.kept = bytearray()
        self.sizes: list[int] = []
        """Those since the last sync."""
        self.pages: dict[int, list[bytes]] = {}
        """Versions since the last sync, of each page."""
        self.mapped = False

    def write(self, at: int, data: bytes) -> None:
        """Bytes that may or may not reach the disk."""
        if at + len(data) > len(self.shown):
            self.resize(at + len(data))
        self.shown[at : at + len(data)] = data
        self._remember(at, len(data))

    def resize(self, size: int) -> None:
        """A size that may or may not reach it."""
        before = len(self.shown)
        del self.shown[size:]
        self.shown.extend(bytes(max(0, size - before)))
        self.sizes.append(size)
        self._remember(min(before, size), abs(size - before))

    def _remember(self, at: int, length: int) -> None:
        for page in range(at // PAGE, -(-(at + length) // PAGE)):
            self.pages.setdefault(page, []).append(self._page(self.shown, page))

    @staticmethod
    def _page(content: bytearray, page: int) -> bytes:
        return bytes(content[page * PAGE : (page + 1) * PAGE]).ljust(PAGE, b"\0")

    def sync(self) -> None:
        """All of it is on the disk."""
        self._keep(list(self.pages))

    def sync_part(self, at: int, length: int) -> None:
        """So much of it is, and its size."""
        self._keep([page for page in range(at // PAGE, -(-(at + length) // PAGE)) if page in self.pages])

    def _keep(self, pages: Iterable[int]) -> None:
        size = len(self.shown)
        self.sizes = []
        self.kept = self.kept[:size].ljust(size, b"\0")
        for page in pages:
            begin, end = page * PAGE, min(size, (page + 1) * PAGE)
            self.kept[begin:end] = self.pages.pop(page)[-1][: max(0, end - begin)]

    def after_crash(self, rng: random.Random, luck: float, unit: int) -> bytes:
        """What a power loss may leave of it; `luck` is the chance of a unit's last version."""
        size = len(self.shown) if rng.random() < luck else rng.choice([len(self.kept), *self.sizes])
        if self.mapped and rng.random() < 0.5:
            return rng.randbytes(size)
        left = bytearray(self.kept[:size].ljust(size, b"\0"))
        for page, versions in self.pages.items():
            kept = self._page(self.kept, page)
            for at in range(0, PAGE, unit):
                chosen = versions[-1] if rng.random() < luck else rng.choice([kept, *versions])
                begin = page * PAGE + at
                left[begin : begin + unit] = chosen[at : at + unit]
        return bytes(left[:size])


class Directory:
    """A directory: the names that are shown, and those on the disk."""

    def __init__(self) -> None:
        self.shown: dict[str, File | Directory] = {}
        self.kept: dict[str, File | Directory] = {}


@attrs.frozen(eq=False)
class Change:
    """A name of a directory leads to an entry, or nowhere; with a rename, another goes with it."""

    where: Directory
    name: str
    entry: File | Directory | None
    also: Change | None = None

    def each(self) -> list[Change]:
        """This one, and the one that goes with it."""
        return [self, *([self.also] if self.also else [])]


class Disk:
    """A disk to which steps are taken, and which can lose its power.

    Attributes:
        lies: words for what it only pretends to do: `files`, `writes` (those with O_DSYNC), `names`. A disk
            that lies breaks promises, and so shows that the checks find it.
    """

    def __init__(self, lies: frozenset[str] = frozenset()) -> None:
        self.lies = lies
        self.root = Directory()
        self._pending: list[Change] = []

    def take(self, step: Step) -> None:
        """Go on by a step."""
        where, name = self._find(step.path)
        entry = where.shown.get(name) if name else where
        match step:
            case Make():
                self._change(Change(where, name, Directory() if step.directory else File()))
            case Rename():
                assert entry is not None, step
                there, new = self._find(step.to)
                self._change(Change(there, new, entry, also=Change(where, name, None)))
            case Remove():
                self._change(Change(where, name, None))
            case Sync():
                self._sync(entry)
            case Write() | Resize() | SyncPart() | Map():
                assert isinstance(entry, File), step
                self._use(entry, step)

    def _use(self, file: File, step: Write | Resize | SyncPart | Map) -> None:
        match step:
            case Write():
                file.write(step.at, step.data)
            case Resize():
                file.resize(step.size)
            case Map():
                file.mapped = True
            case SyncPart():
                if "writes" not in self.lies:
                    file.sync_part(step.at, step.length)

    def _find(self, path: str) -> tuple[Directory, str]:
        where = self.root
        *above, name = PurePosixPath(path).parts or ("",)  # the root itself has none
        for each in above:
            entry = where.shown[each]
            assert isinstance(entry, Directory), path
            where = entry
        return where, name

    def _change(self, change: Change) -> None:
        self._pending.append(change)
        for each in change.each():
            apply(each, each.where.shown)

    def _sync(self, entry: File | Directory | None) -> None:
        if isinstance(entry, File) and "files" not in self.lies:
            entry.sync()
        elif isinstance(entry, Directory) and "names" not in self.lies:
            self._settle(entry)

    def _settle(self, where: Directory) -> None:
        """Keep what happened in a directory, and before it to the same names elsewhere."""
        names: set[tuple[int, str]] = set()
        settled: list[Change] = []
        for change in reversed(self._pending):
            touched = {(id(each.where), each.name) for each in change.each()}
            if change.where is where or touched & names:
                names |= touched
                settled.append(change)
        self._pending = [change for change in self._pending if change not in settled]
        for change in reversed(settled):
            for each in change.each():
                apply(each, each.where.kept)

    def at_stake(self, path: str) -> int:
        """How many pages of a file a power loss could take now."""
        entry: File | Directory | None = self.root
        for name in PurePosixPath(path).parts:
            entry = entry.shown.get(name) if isinstance(entry, Directory) else None
        return len(entry.pages) if isinstance(entry, File) else 0

    def lose_power(self, rng: random.Random, survives: Callable[[str], bool]) -> dict[str, bytes | None]:
        """The files that are found afterwards, and the directories (None).

        Args:
            rng: draws what is lost.
            survives: whether what is at a path belongs to another machine, which goes on.
        """
        luck = rng.choice((0.0, 1.0, rng.random()))
        unit = rng.choice((PAGE, PAGE, SECTOR))
        names = self._names(rng, luck)
        found: dict[str, bytes | None] = {}

        def walk(where: Directory, at: str) -> None:
            safe = {name: entry for name, entry in where.shown.items() if survives(f"{at}{name}")}
            for name, entry in sorted({**names.get(id(where), where.kept), **safe}.items()):
                path = f"{at}{name}"
                if isinstance(entry, Directory):
                    found[path] = None
                    walk(entry, f"{path}/")
                elif survives(path):
                    found[path] = bytes(entry.shown)
                else:
                    found[path] = entry.after_crash(rng, luck, unit)

        walk(self.root, "")
        return found

    def _names(self, rng: random.Random, luck: float) -> dict[int, dict[str, File | Directory]]:
        """The names of each directory in which some are not settled, by its id."""
        if rng.random() < 0.5:
            chosen = self._pending[: rng.randint(0, len(self._pending))]
        else:
            chosen = [change for change in self._pending if rng.random() < luck]
        names: dict[int, dict[str, File | Directory]] = {}
        for change in chosen:
            for each in change.each():
                apply(each, names.setdefault(id(each.where), dict(each.where.kept)))
        return names


def apply(change: Change, names: dict[str, File | Directory]) -> None:
    """Let a name lead where a change says."""
    if change.entry is None:
        names.pop(change.name, None)
    else:
        names[change.name] = change.entry


def lay_out(found: dict[str, bytes | None], place: Path) -> None:
    """Write what a power loss left into an empty directory."""
    for path, content in found.items():
        if content is None:
            (place / path).mkdir(0o700)
        else:
            (place / path).write_bytes(content)
