"""Steps: what a program did to the files of a directory, as values; paths are relative to that directory."""

from __future__ import annotations

import attrs


@attrs.frozen
class Make:
    """A file or directory comes into being, empty."""

    path: str
    directory: bool = False


@attrs.frozen
class Write:
    """Bytes are written; until a sync nobody knows whether they reach the disk."""

    path: str
    at: int
    data: bytes = attrs.field(repr=lambda data: f"{len(data)} bytes")


@attrs.frozen
class Resize:
    """A file is cut off, or made longer by zeros."""

    path: str
    size: int


@attrs.frozen
class Map:
    """A file is mapped into memory to be written there, where no call tells what is written."""

    path: str


@attrs.frozen
class Sync:
    """A sync has returned: of a file's bytes and size, or of the names in a directory."""

    path: str


@attrs.frozen
class SyncPart:
    """A write to a file opened with O_DSYNC has returned: these bytes are on the disk."""

    path: str
    at: int
    length: int


@attrs.frozen
class Rename:
    """One name takes the place of another, at once."""

    path: str
    to: str


@attrs.frozen
class Remove:
    """A name is removed."""

    path: str


Step = Make | Write | Resize | Map | Sync | SyncPart | Rename | Remove
