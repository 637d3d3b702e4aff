"""The door: `python examples/bank`; what it runs is bank.py, a program of its own."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("bank.py")), run_name="__main__")
