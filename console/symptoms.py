"""Symptoms: what `doctor` makes of what it found. Pure functions over values, a symptom each."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import attrs

from ..mailbox.anatomy import FAR_BEHIND
from ..mailbox.preflight import DOUBTFUL, MEMORY, REMOTE, REMOTE_FUSE
from . import wording

MEGA: Final = 1_000_000
GIGA: Final = 1_000 * MEGA
MINUTE: Final = 60 * wording.SECOND
DAY: Final = 86_400 * wording.SECOND


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@attrs.frozen
class Symptom:
    """One thing that was looked at."""

    level: Level
    what: str
    """The thing, in a word; for programs, too."""
    text: str
    """What it is like, and why that matters."""
    remedy: str = ""
    """What to do; empty where nothing is to be done."""


def ok(what: str, text: str) -> Symptom:
    """It is as it should be."""
    return Symptom(Level.OK, what, text)


def warn(what: str, text: str, remedy: str = "") -> Symptom:
    """It works, and may hurt later."""
    return Symptom(Level.WARN, what, text, remedy)


def fail(what: str, text: str, remedy: str = "") -> Symptom:
    """It does not work, or loses something."""
    return Symptom(Level.FAIL, what, text, remedy)


def versions(python: tuple[int, int], found: Mapping[str, str], *, wide: bool) -> Symptom:
    """Python and the libraries, as installed; `wide` says that Python has 64 bits."""
    text = ", ".join((f"Python {python[0]}.{python[1]}", *(f"{name} {it}" for name, it in found.items())))
    if not wide:
        return fail("versions", f"{text}: a Python of 32 bits cannot map a store", "install one of 64 bits")
    if python < (3, 11):
        return fail("versions", f"{text}: Python 3.11 is the oldest that will do", "install a newer Python")
    if found.get("lmdb", "3").partition(".")[0] != "3":
        return fail("versions", f"{text}: the store was tried with lmdb 3", "pip install 'lmdb>=3,<4'")
    return ok("versions", text)


def file_system(kind: str) -> Symptom:
    """Where the store lies."""
    family, _, driver = kind.partition(".")
    if family in REMOTE or driver in REMOTE_FUSE:
        text = f"{kind} is a network file system, where locks and maps do not hold: a store is lost there"
        return fail("file system", text, "move the store to a local disk")
    if family in MEMORY:
        return warn("file system", f"{kind} lies in memory: the store is lost at the next boot", "use a disk")
    if family in DOUBTFUL:
        text = f"{kind} is often thrown away with its container, and its syncs are not always real"
        return warn("file system", text, "put the store on a volume of a local disk")
    return ok("file system", kind or "unknown: this system does not say")


def access(modes: Mapping[str, tuple[int, int]], user: int) -> Symptom:
    """Modes and owners of the directory and its files, by name; `user` is who runs this."""
    foreign = sorted(name for name, (_, owner) in modes.items() if owner != user)
    if foreign:
        owner = modes[foreign[0]][1]
        text = (
            f"{', '.join(foreign)} belong to uid {owner}, and this is uid {user}: a node started so may fail"
        )
        return warn("access", text, f"run the node as the owner, or: chown -R {user} on the directory")
    shut = sorted(name for name, (mode, _) in modes.items() if ~mode & (0o700 if name == "." else 0o600))
    if shut:
        text = f"the owner may not read or write {', '.join(shut)}"
        return fail("access", text, "chmod 700 the directory, 600 its files")
    wide = sorted(name for name, (mode, _) in modes.items() if mode & 0o077)
    if wide:
        text = f"others may get at {', '.join(wide)}: whoever reads a store reads all mail"
        return warn("access", text, "chmod 700 the directory, 600 its files")
    return ok("access", "the owner only")


def room(free: int, total: int, file: int) -> Symptom:
    """Free bytes of the file system."""
    text = f"{wording.size(free)} of {wording.size(total)} free"
    if free < 16 * MEGA:
        return fail("disk", f"{text}: a node takes nothing in any more, and loses nothing", "make room")
    if free < total // 20 or free < GIGA:
        return warn("disk", f"{text}: when it is full, senders wait until there is room", "make room")
    if free < file:
        text = f"{text}: too little for a backup or a compaction here, which need {wording.size(file)}"
        return warn("disk", text, "make room, or back up to another disk")
    return ok("disk", text)


def full(why: str) -> Symptom:
    """What the running node has no room for."""
    return (fail if why.startswith("full: the disk") else warn)("room", f"the running node is {why}")


def growth(file: int, limit: int, free_pages: int) -> Symptom:
    """Bytes of the file, those the map may grow to, and those in free pages."""
    text = f"{wording.size(file)}, {wording.size(free_pages)} of it free"
    if file > 64 * MEGA and free_pages > file // 2:
        text = f"{text}: the file never shrinks by itself"
        return warn("size", text, "stop the node and: callboard store compact")
    if limit and file > limit // 10 * 9:
        return ok("size", f"{text}; at {wording.size(limit)} the map is grown, which takes a moment")
    return ok("size", text)


def limits(open_files: int, file_size: int | None, file: int) -> Symptom:
    """What the system allows a process: open files, and bytes of one file (None for any number)."""
    if file_size is not None and file_size < file + 16 * MEGA:
        text = (
            f"a file may have {wording.size(file_size)} (ulimit -f), and the store's has {wording.size(file)}"
        )
        return fail("limits", text, "ulimit -f unlimited, where the node is started")
    if file_size is not None:
        text = f"a file may have {wording.size(file_size)} at the most (ulimit -f): there the store is full"
        return warn("limits", text, "ulimit -f unlimited, where the node is started")
    if open_files < 256:
        text = f"{open_files:,} open files (ulimit -n): links and clients take one each"
        return warn("limits", text, "ulimit -n 4096, where the node is started")
    return ok("limits", f"{open_files:,} open files")


def syncs(times_ms: Sequence[float]) -> Symptom:
    """How long the disk takes to write something down for good, in ms, from some tries."""
    if not times_ms:
        return warn("syncs", "not measured: this user may not write there")
    ordered = sorted(times_ms)
    half, most = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    text = f"half within {half:.2f} ms, 99 % within {most:.2f} ms"
    if half < 0.005:
        return warn("syncs", f"{text}: too fast to be real, so a power cut may lose mail", "use a real disk")
    if half > 20 or most > 250:
        text = f"{text}: every reply and every durable send waits so long"
        return warn("syncs", text, "use a faster disk, or send more at a time")
    return ok("syncs", text)


def readers(dead: int, taken: int, slots: int, behind: int) -> Symptom:
    """Slots of dead readers just freed, those taken, those there are, and commits the slowest is behind."""
    text = f"{taken} of {slots} slots taken"
    if behind > FAR_BEHIND:
        text = f"{text}; one looks at a commit that is {behind:,} old, and the file grows meanwhile"
        return warn("readers", text, "end that process: callboard store info lists them")
    if taken > slots * 3 // 4:
        return warn("readers", f"{text}: when all are, no tool can look any more", "end some of the tools")
    if dead:
        return ok("readers", f"{text}; {dead} left by killed processes were freed")
    return ok("readers", text)


def leftovers(names: Sequence[str], *, has_lock: bool, has_readers: bool) -> Symptom | None:
    """Files that do not belong there, and one that should."""
    if names:
        text = f"{', '.join(names)} do not belong to the store"
        return warn("files", text, "if you did not put them there, a killed command did: remove them")
    if not has_lock and has_readers:
        text = "LOCK is not there: this is a copy, or somebody removed it"
        return warn("files", text, "nothing, if no node runs here: the next one makes it")
    return None


def clock(now: int, written: int) -> Symptom:
    """The wall clock, and the latest moment that the store knows, both ns."""
    if written > now + MINUTE:
        ahead = wording.duration(written - now)
        text = f"the store was opened {ahead} in the future: the clock was set back, and timers wait for it"
        return warn("clock", text, "set the clock (timedatectl)")
    return ok("clock", "not behind what the store has seen")


def dead_letters(number: int, undecodable: int) -> Symptom:
    """Messages that were given up; those among the newest whose bytes could not be read."""
    if not number:
        return ok("dead letters", "none")
    text = f"{wording.count(number, 'message')} were given up"
    if undecodable:
        text = f"{text}, {undecodable:,} of the newest since their bytes could not be read"
    return warn("dead letters", text, "callboard dead ls --group, then dead replay or drop")


def overdue(number: int, worst: int, *, running: bool) -> Symptom:
    """Timers that are due, and for how long the first has been, ns."""
    if not number:
        return ok("timers", "none overdue")
    text = f"{wording.count(number, 'timer')} overdue, the first by {wording.duration(worst)}"
    if running and worst > MINUTE:
        return warn("timers", f"{text}, though a node runs: it is very busy or stuck", "callboard ls")
    return ok("timers", f"{text}: they fire when the node {'comes to it' if running else 'runs again'}")
