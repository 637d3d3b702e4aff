"""System calls: what strace writes down of a program, with every byte, read back as values.

strace splits a call in two lines when another thread calls in between, so each call has the place
where it begins and the place where it has returned.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import attrs

CALLS = (
    "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,truncate,"
    "fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,"
    "mmap,lseek,copy_file_range,sendfile"
)
"""All calls that write into files or change names, and those that say what a descriptor is."""
STRACE = ("strace", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-e", f"trace={CALLS}")

_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_FILE = re.compile(r"(?:AT_FDCWD|(\d+))<((?:\\x[0-9a-f]{2})+)>(\(deleted\))?")


@attrs.frozen
class Call:
    """One call that succeeded, or was under way when its process was killed."""

    name: str
    args: str = attrs.field(repr=lambda args: f"{args:.80}")
    """With the strings left empty."""
    result: str
    """A question mark if it never returned."""
    files: list[tuple[int, str]]
    """Descriptors among its arguments, with their paths; -1 is the working directory."""
    strings: list[bytes]

    def last_numbers(self, count: int) -> list[int]:
        """Its last arguments."""
        return [int(each, 0) for each in self.args.rsplit(", ", count)[-count:]]


def record(command: Sequence[str], log: Path, cwd: Path) -> None:
    """Run a command to its end with all its calls written to a log."""
    done = subprocess.run(
        [*STRACE, "-o", str(log), *command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@cache
def why_not() -> str:
    """Why nothing can be recorded here; empty if it can."""
    if sys.platform != "linux":
        return "power losses are replayed from strace, which only Linux has"
    if shutil.which("strace") is None:
        return "strace is not installed: power losses cannot be replayed (apt-get install strace)"
    with tempfile.NamedTemporaryFile() as log:
        tried = subprocess.run([*STRACE, "-o", log.name, "true"], capture_output=True, text=True, check=False)
        if tried.returncode or b"exited with 0" not in Path(log.name).read_bytes():
            return f"strace cannot trace here, so power losses cannot be replayed: {tried.stderr.strip()}"
    return ""


def read_calls(lines: Iterable[str]) -> Iterator[tuple[bool, Call]]:
    """Each call, twice and in order: as it begins (True), and as it has returned (False)."""
    waiting: dict[str, tuple[int, str]] = {}
    moments: list[tuple[int, bool, Call]] = []
    for place, line in enumerate(lines):
        found = _LINE.match(line)
        assert found, f"not a line of strace: {line[:100]!r}"
        pid, text = found.groups()
        begun = place
        if text.endswith("<unfinished ...>"):
            waiting[pid] = place, text.removesuffix("<unfinished ...>").rstrip()
            continue
        if text.startswith("<... "):
            begun, head = waiting.pop(pid)
            text = f"{head} {text.partition(' resumed>')[2].lstrip()}"
        if call := _parse(text.replace("<unfinished ...>) = ?", ") = ?")):
            moments.append((begun, True, call))
            if call.result != "?":
                moments.append((place, False, call))
    moments.sort(key=lambda moment: moment[0])  # stable: what begins and ends in one line does so in order
    return ((begins, call) for _, begins, call in moments)


def _parse(text: str) -> Call | None:
    found = _CALL.match(text)
    if found is None or found[3].startswith("-"):
        return None
    name, args, result, _ = found.groups()
    strings: list[bytes] = []
    for string in _STRING.finditer(args):
        assert not string[2], f"strace has cut off what {name} wrote"
        strings.append(_bytes(string[1]))
    bare = _STRING.sub('""', args)
    files = [(int(fd or -1), _bytes(path).decode()) for fd, path, gone in _FILE.findall(bare) if not gone]
    return Call(name, bare, result, files, strings)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
