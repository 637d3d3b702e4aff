"""Disks that break on demand: small file systems, and a library between a process and the system."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The file $FAULT says which call fails, with which errno, after how many microseconds; 0 is no failure. */
static int fault(const char *call) {
    char found[32]; int code = 0, wait = 0;
    const char *path = getenv("FAULT");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    int read = fscanf(file, "%31s %d %d", found, &code, &wait);
    fclose(file);
    if (read != 3 || strcmp(found, call)) return 0;
    if (wait) usleep(wait);
    errno = code;
    return code != 0;
}
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    return fault("fdatasync") ? -1 : real(fd);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return fault(at < 8192 ? "meta" : "pwrite") ? -1 : real(fd, bytes, size, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = dlsym(RTLD_NEXT, "writev");
    return fault("pwrite") ? -1 : real(fd, parts, count);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) {
    static ssize_t (*real)(int, const struct iovec *, int, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwritev64");
    return fault("pwrite") ? -1 : real(fd, parts, count, at);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return pwritev64(fd, parts, count, at);
}
"""


PROGRAM = Path(__file__).with_name("jars.py")


class Child:
    """A process with a node that tells a jar one number after the other, and says which are acknowledged."""

    def __init__(self, store: Path, *, shim: Path | None = None, **options: object) -> None:
        self.fault = store.parent / "fault"
        env = {**os.environ, "FAULT": str(self.fault)}
        if shim is not None:
            env["LD_PRELOAD"] = str(shim)
        given = [f"{name}={value}" for name, value in {"size": 10, **options}.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-P", PROGRAM, store, *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        self.acked = 0

    def next(self) -> int:
        """Wait for the next acknowledgement; 0 if the process has ended."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.acked = int(line) if line else self.acked
        return self.acked if line else 0

    def until(self, number: int) -> None:
        """Wait until so many are acknowledged."""
        while self.next() not in (0, number):
            pass
        assert self.acked == number, self.ended()[1]

    def break_disk(self, call: str, code: int, wait_us: int = 0) -> None:
        """From now on let a call of the system fail, or take longer."""
        new = self.fault.with_suffix(".new")
        new.write_text(f"{call} {code} {wait_us}")
        new.rename(self.fault)

    def mend_disk(self) -> None:
        """Let it be a good disk again."""
        self.fault.unlink()

    def ended(self, timeout: float = 30) -> tuple[int, str]:
        """Its exit code and what it said at its end; what was acknowledged meanwhile counts."""
        assert self.process.stdout
        assert self.process.stderr
        self.process.wait(timeout)  # what it has to say until then fits into the pipes
        out = self.process.stdout.read()  # not `communicate`, which does not see what `next` has read ahead
        self.acked = int(out.split()[-1]) if out.split() else self.acked
        return self.process.returncode, self.process.stderr.read()


@contextmanager
def running(store: Path, *, shim: Path | None = None, **options: object) -> Generator[Child]:
    """Such a process, killed at the end of the block if it still runs."""
    child = Child(store, shim=shim, **options)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate()


def made_shim(directory: Path) -> Path:
    """The library that lets calls fail, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.xfail("no C compiler here, or not Linux")
    source, library = directory / "shim.c", directory / "shim.so"
    source.write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", library, source, "-ldl"], check=True)
    return library


@contextmanager
def small_disk(path: Path, size: str = "8m") -> Generator[Path]:
    """A file system of its own; the test is expected to fail where we may not mount."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.xfail("no right to mount here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk: Path) -> Path:
    """Let somebody else's file take all that is left of a file system."""
    file = disk / "somebody's"
    fd = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        while True:
            os.write(fd, bytes(4096))
    except OSError:
        return file
    finally:
        os.close(fd)
