"""Loading a program's file, and finding in it the function to run.

The file is loaded as a module under its own name and stands in `sys.modules`, its folder
first on the path, much as `python file.py` would have it, except that it is not called
`__main__`. So a second file that imports it gets the same classes and not twins of them, and a
class has the same home from run to run; what a script does `if __name__ == "__main__"` is not done.
"""

import importlib.util
import inspect
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

Main = Callable[[Any], Awaitable[object]]


def split_target(target: str) -> tuple[Path, str]:
    """The file and the function of `file.py[:main]`.

    Raises:
        click.UsageError: there is no such file.
    """
    file, colon, name = target.rpartition(":")
    if not colon or Path(target).is_file():
        file, name = target, "main"
    path = Path(file)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise click.UsageError(f"{file!r} {what}: name a Python file, such as shop.py or shop.py:main")
    return path, name or "main"


def load(path: Path) -> ModuleType:
    """Run a Python file as a module.

    Raises:
        click.UsageError: it cannot be a Python file.
        Exception: whatever the file raised.
    """
    path = path.resolve()
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise click.UsageError(f"{path.name!r} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, unless a module of that name is here already, as for a user's `queue.py`."""
    name = re.sub(r"\W", "_", path.stem)
    return f"{name}_program" if name in sys.modules or name in sys.stdlib_module_names else name


def find_main(module: ModuleType, name: str) -> Main:
    """The function to run.

    Raises:
        click.UsageError: it is not there, not async, or does not take a node.
    """
    file = Path(module.__file__ or "").name
    found = getattr(module, name, None)
    if found is None:
        raise click.UsageError(f"{file} has no function {name!r}{_others(module, file)}")
    if not inspect.iscoroutinefunction(found):
        raise click.UsageError(f"{name} in {file} is not an async function: write  async def {name}(node)")
    if not _takes_node(found):
        raise click.UsageError(
            f"{name} in {file} is called with the node and nothing else, and cannot be: "
            f"write  async def {name}(node)"
        )
    main: Main = found
    return main


def _takes_node(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    return True


def _others(module: ModuleType, file: str) -> str:
    names = [
        name
        for name, found in vars(module).items()
        if inspect.iscoroutinefunction(found) and found.__module__ == module.__name__ and _takes_node(found)
    ]
    if not names:
        return ": write  async def main(node)"
    others = " or ".join(f"callboard run {file}:{name}" for name in names[:3])
    return f": say {others}"
