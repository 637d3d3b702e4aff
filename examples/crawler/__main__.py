"""The door: `python examples/crawler`.

Python runs a folder as a bare script; its files import each other as a package, which lies one folder up.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("crawler.program", run_name="__main__", alter_sys=True)
