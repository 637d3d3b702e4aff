"""In hand: which message is being stepped at this very moment, written where a killed process leaves it (G8).

A file of 64 bytes beside the data file is mapped into memory. Writing a word of it costs some
nanoseconds and no call to the system, and the kernel keeps what was written however the process dies.
It is never synced: after a power cut or a restart of the machine the boot id does not match, and nobody is
blamed. Whatever else cannot be made sense of blames nobody either.
"""

import hashlib
import mmap
import os
import struct
import threading
from pathlib import Path
from typing import Final

import msgspec

from .boot import boot_id, oom_kills

FILE: Final = "inhand"
SIZE: Final = 64
NUMBER: Final = 3
"""Word: number of the message whose code is running now; 0 while none is. Written after `BOX`."""
BOX: Final = 4
"""Word: its mailbox."""
LONE: Final = 5
"""Word: number of the suspect that runs alone, from its beginning to its end; 0 while none does."""
FLAGS: Final = 6
"""Word: `SURVIVED` and `CAREFUL`."""
SURVIVED: Final = 1
"""Flag: the step of a lone turn has lasted `GRACE_S`."""
CAREFUL: Final = 2
"""Flag: some mailboxes do not run ahead, since the process before was killed, too."""
OOM: Final = 7
"""Word: how often the kernel had killed for want of memory when the lone turn began."""
GRACE_S: float = 0.5
"""A process that dies later than this in one step is not said to have been killed by it, seconds."""
_MAGIC: Final = b"callbd\0\1"
_WORDS: Final = struct.Struct("=8s16s5Q")

Words = memoryview
"""Eight unsigned words; see above for what five of them mean. The others say whose they are."""


class Left(msgspec.Struct, frozen=True):
    """What was in hand when the process before this one died, in this same boot."""

    number: int
    """The message being stepped; 0 if none was."""
    box: int
    lone: int
    """The suspect that ran alone; 0 if none did."""
    sudden: bool
    """Its step was a short one, or the kernel has run out of memory since."""
    careful: bool = False
    """Some mailboxes did not run ahead in that life."""


class InHand:
    """The slot of one store, from its opening; nothing is written before `begin`."""

    def __init__(self, path: Path | None = None, left: bytes = b"") -> None:
        """Know where the slot is.

        Args:
            path: the store's directory; None for a store in memory.
            left: in its stead, what the life before left.
        """
        self._file = None if path is None else path / FILE
        self._image = left
        self._watch: threading.Timer | None = None
        self._begun = False
        self.words = _blank()
        """What a runtime writes into, after `begin`."""

    def left(self) -> Left | None:
        """What the life before left; None if there is nothing to be made of it."""
        image = self._image
        if self._file is not None and not self._begun:
            try:
                fd = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    image = os.read(fd, SIZE + 1)
                finally:
                    os.close(fd)
            except OSError:
                return None
        return self._judge(image)

    def _judge(self, image: bytes) -> Left | None:
        if len(image) != SIZE or image[:24] != self._head():
            return None
        _, boot, number, box, lone, flags, oom = _WORDS.unpack(image)
        if boot == bytes(16):
            return None
        starved = self._file is not None and oom_kills() > oom
        sudden = not flags & SURVIVED or starved
        return Left(number, box, lone, sudden=sudden, careful=bool(flags & CAREFUL))

    def _head(self) -> bytes:
        """Magic, and a digest of the boot; one of zeros, which is never believed, if that is unknown."""
        boot = boot_id() if self._file is not None else "memory"
        return _MAGIC + (hashlib.blake2b(boot.encode(), digest_size=16).digest() if boot else bytes(16))

    def begin(self) -> None:
        """Forget what was left, and take down from now on; a file that cannot be had blames nobody."""
        words = _blank()
        words.cast("B")[:24] = self._head()
        self._begun = True
        if self._file is not None:
            try:
                words = _map(self._file, bytes(words))
            except (OSError, ValueError):
                return
        self.words = words

    def close(self) -> None:
        """Let go of the file: while it is mapped, its file system cannot be unmounted.

        Who holds on to the words can write them no more; nobody does whose runtime has ended.
        """
        self.rest()
        words, self.words = self.words, _blank()
        if isinstance(mapped := words.obj, mmap.mmap):
            words.release()
            mapped.close()

    def image(self) -> bytes:
        """The bytes that a killed process would leave now."""
        return bytes(self.words) if self._begun else self._image

    def note_careful(self) -> None:
        """Let the next life know that some mailboxes did not run ahead in this one."""
        self.words[FLAGS] |= CAREFUL

    # Of a lone turn.

    def begin_alone(self, number: int) -> None:
        """A suspect begins its lone turn."""
        self.words[FLAGS] &= ~SURVIVED
        self.words[OOM] = 0 if self._file is None else oom_kills()
        self.words[LONE] = number

    def end_alone(self) -> None:
        """No suspect runs alone any more."""
        self.rest()
        self.words[LONE] = 0

    def watch(self) -> None:
        """A step of a lone turn begins: note it if the process still lives after `GRACE_S`."""
        self.rest()
        self.words[FLAGS] &= ~SURVIVED
        if self._file is None:
            return  # a virtual clock would jump over it
        self._watch = threading.Timer(GRACE_S, self._survive)
        self._watch.daemon = True
        self._watch.start()

    def rest(self) -> None:
        """That step is over."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()

    def _survive(self) -> None:
        self.words[FLAGS] |= SURVIVED


def _blank() -> Words:
    return memoryview(bytearray(SIZE)).cast("Q")


def _map(file: Path, image: bytes) -> Words:
    """The words of a file that begins as this image."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        # Real blocks, and no hole: a full disk is an error here, and would be a SIGBUS in the map.
        if os.pwrite(fd, image, 0) != SIZE:
            raise OSError(f"{file} could not be written")
        os.ftruncate(fd, SIZE)
        return memoryview(mmap.mmap(fd, SIZE)).cast("Q")
    finally:
        os.close(fd)
