"""Boot: what the system says of the time since it was started."""

import ctypes
import sys
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_VMSTAT = Path("/proc/vmstat")


def boot_id() -> str:
    """The system's name for the time since it was started; empty where it has none.

    Linux has a random id, and macOS the uuid of its boot session.
    """
    if sys.platform == "darwin":
        return _boot_session()
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _boot_session() -> str:
    try:
        call = ctypes.CDLL(None).sysctlbyname
        size = ctypes.c_size_t(64)
        found = ctypes.create_string_buffer(64)
        failed = call(b"kern.bootsessionuuid", found, ctypes.byref(size), None, ctypes.c_size_t(0))
    except (OSError, AttributeError):
        return ""
    return "" if failed else found.value.decode("ascii", "replace")


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since its start; 0 if it does not say."""
    try:
        text = _VMSTAT.read_text(encoding="ascii")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0
