"""Doorbell: where a node's control socket lies, for the node and for who calls it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOCKET: Final = "control.sock"
"""Name of the socket in the store's directory."""
LONGEST: Final = 103
"""Bytes of a path that every system takes as the address of a Unix socket."""


@contextmanager
def address(directory: Path) -> Generator[str, None, None]:
    """The address of a directory's control socket, good while the block lasts.

    A path may be longer than the address of a socket: then it leads through an open descriptor of the
    directory, where the system shows those as files.

    Raises:
        OSError: the directory cannot be opened.
    """
    path = str(directory.absolute() / SOCKET)
    if len(os.fsencode(path)) <= LONGEST:
        yield path
        return
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET}"
    finally:
        os.close(fd)
