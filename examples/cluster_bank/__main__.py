"""The door: `python examples/cluster_bank`; what it runs is chaos.py, a program of its own."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("chaos.py")), run_name="__main__")
