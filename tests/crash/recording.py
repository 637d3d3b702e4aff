"""Recording: the calls of a program, made into the steps that it took below one directory.

A write stands where its call begins: from then on it may be on the disk. A sync stands where its call has
returned: only then has anybody been promised anything. What we cannot replay is refused aloud.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .steps import Make, Map, Remove, Rename, Resize, Step, Sync, SyncPart, Write
from .syscalls import Call, read_calls

OPENING = {"open", "openat"}
WRITING = {"write", "writev", "pwrite64", "pwritev"}
SYNCING = {"fsync", "fdatasync"}
NAMING = {"mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"}


def read_steps(log: Path, root: Path) -> list[Step]:
    """The steps in a log of strace that were taken below a directory, which was empty before."""
    with log.open(encoding="ascii") as lines:
        return list(Reader(root).steps(read_calls(lines)))


class Reader:
    """Calls become steps; it knows what each descriptor was opened as, and where it stands."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._known: set[str] = set()
        self._flags: dict[int, str] = {}
        self._positions: dict[int, int] = {}
        self._sizes: dict[str, int] = {}
        self._syncing: set[str] = set()

    def steps(self, moments: Iterable[tuple[bool, Call]]) -> Iterator[Step]:
        """The steps of these moments, in order."""
        for begins, call in moments:
            if call.name in OPENING:
                if not begins:
                    yield from self._open(call)
            elif call.name in NAMING:
                if begins:
                    yield from self._name(call)
            elif call.files and (path := self._below(call.files[0][1])) is not None:
                yield from self._use(call, path, begins=begins)

    def _below(self, path: str) -> str | None:
        if path == self._root:
            return "."
        return path[len(self._root) + 1 :] if path.startswith(self._root + os.sep) else None

    def _paths(self, call: Call) -> list[str | None]:
        """The paths among its arguments, from the descriptors of their directories if need be."""
        where = [path for _, path in call.files] or [""]
        given = [text.decode() for text in call.strings]
        return [self._below(str(Path(where[min(i, len(where) - 1)], each))) for i, each in enumerate(given)]

    def _open(self, call: Call) -> Iterator[Step]:
        (path,) = self._paths(call)
        if path is None:
            return
        fd = int(call.result)
        self._flags[fd], self._positions[fd] = call.args, 0
        assert "O_TMPFILE" not in call.args, f"we do not know how to replay {call}"
        if path not in self._known and "O_CREAT" in call.args:
            self._known.add(path)
            self._sizes[path] = 0
            yield Make(path)
        elif "O_TRUNC" in call.args:
            self._sizes[path] = 0
            yield Resize(path, 0)

    def _name(self, call: Call) -> Iterator[Step]:
        paths = self._paths(call)
        path = paths[0]
        if call.name.startswith("rename"):
            to = paths[1]
            assert (path is None) == (to is None), f"into the directory, or out of it: {call}"
            if path is not None and to is not None:
                self._known = {to if each == path else each for each in self._known}
                self._sizes[to] = self._sizes.pop(path, 0)
                yield Rename(path, to)
        elif path is not None and call.name.startswith("mkdir"):
            self._known.add(path)
            yield Make(path, directory=True)
        elif path in self._known:
            self._known.remove(path)
            yield Remove(path)

    def _use(self, call: Call, path: str, *, begins: bool) -> Iterator[Step]:
        fd = call.files[0][0]
        if call.name in SYNCING:
            (self._syncing.add if begins else self._syncing.discard)(path)
            if not begins:
                yield Sync(path)
        elif call.name in WRITING:
            yield from self._write(call, fd, path, begins=begins)
        elif call.name == "lseek":
            if not begins:
                self._positions[fd] = int(call.result)
        elif call.name == "ftruncate":
            if begins:
                (self._sizes[path],) = call.last_numbers(1)
                yield Resize(path, self._sizes[path])
        elif call.name == "fallocate":
            if begins:
                self._sizes[path] = max(self._sizes[path], sum(call.last_numbers(2)))
                yield Resize(path, self._sizes[path])
        elif call.name == "mmap":
            if begins and "PROT_WRITE" in call.args and "MAP_SHARED" in call.args:
                yield Map(path)
        else:
            raise AssertionError(f"we do not know how to replay {call}")

    def _write(self, call: Call, fd: int, path: str, *, begins: bool) -> Iterator[Step]:
        data = b"".join(call.strings)
        flags = self._flags[fd]
        if begins:
            assert path not in self._syncing, f"written while it is synced: which was first? {call}"
            written = len(data) if call.result == "?" else int(call.result)
            at = self._position(call, fd, path)
            self._positions[fd] = at + written
            self._sizes[path] = max(self._sizes[path], at + written)
            yield Write(path, at, data[:written])
        elif "SYNC" in flags:
            end = self._position(call, fd, path) + int(call.result) if "pwrite" in call.name else None
            assert end is not None, f"a synced write without its place: {call}"
            yield SyncPart(path, end - int(call.result), int(call.result))

    def _position(self, call: Call, fd: int, path: str) -> int:
        if call.name.startswith("pwrite"):
            return call.last_numbers(1)[0]
        return self._sizes[path] if "O_APPEND" in self._flags[fd] else self._positions[fd]
