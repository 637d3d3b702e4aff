"""Facts: the machine a run was made on, without which its numbers say nothing."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "callboard",
    "trio",
    "lmdb",
    "msgspec",
    "pykka",
    "thespian",
    "xoscar",
    "persist-queue",
    "huey",
    "redis",
)
IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}


def file_system(folder: Path) -> str:
    """What kind of file system a folder lies on; empty where nobody says."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    place, found, depth = folder.resolve(), "", -1
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, point, kind, *_ = line.split()
        at = Path(point)
        if (place == at or at in place.parents) and len(at.parts) >= depth:
            found, depth = kind, len(at.parts)
    return found


def facts(folder: Path) -> dict[str, str]:
    """Versions, processors, and the file system of the stores."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return found | {
        "system": system,
        "processors": str(os.cpu_count()),
        "load before": load,
        "file system": file_system(folder) or "unknown",
    }
