"""The door: `python examples/orders`; what it runs is orders.py, a program of its own."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("orders.py")), run_name="__main__")
