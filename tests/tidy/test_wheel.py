"""The wheel holds the package and nothing else: what stands at the root would ship."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .source import ROOT, package

BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.mark.slow
def test_the_wheel_holds_exactly_the_package(tmp_path: Path) -> None:
    tree = tmp_path / "tree"  # built in a copy, since setuptools writes beside what it reads
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__"))
    # -P, or the root would stand first on the path and our mailbox before the standard library's
    build = [sys.executable, "-P", "-c", BUILD, str(tmp_path)]
    subprocess.run(build, cwd=tree, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in inside if ".dist-info/" not in name}
    # What pytest loads stands beside the package, too, so that loading it does not load the package.
    beside = {"callboard/py.typed", "callboard_pytest.py"}
    assert code == beside | {f"callboard/{source.path}" for source in package()}
    assert any(name.endswith("/licenses/LICENSE") for name in inside)
