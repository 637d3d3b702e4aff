"""`run`: a program's `main(node)` over its store, until it is done or told to stop."""

import sys
import traceback
from pathlib import Path
from types import ModuleType

import click

from ..mailbox.errors import BadName, StoreError
from .exits import Exit
from .loading import find_main, load, split_target
from .terminal import safe, say


@click.command("run")
@click.argument("target", metavar="FILE.PY[:MAIN]")
@click.option(
    "--store",
    "store",
    envvar="CALLBOARD_STORE",
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The store's directory, made if it is not there; by default FILE.store beside FILE.PY.",
)
def run_command(target: str, store: Path | None) -> None:
    """Run the async function main(node) of a Python file.

    The node runs until main returns and no mail can be handled any more. SIGINT and SIGTERM let the
    turns in hand finish; a second one ends the process at once. Either way nothing is lost, and the
    next run goes on. If the supervision tree gives up, stderr has a report of what led there, and the
    exit code is 70.
    """
    path, name = split_target(target)
    module = _loaded(path)
    main = find_main(module, name)
    from ..cluster.running import run  # trio and the runtime are loaded only where a node runs

    try:
        run(main, store=store or default_store(path))
    except (StoreError, BadName, click.ClickException, KeyboardInterrupt):
        raise  # told without a traceback, since they are about the store and not about the program
    except Exception as error:
        _show_traceback(error, Path(module.__file__ or path))
        raise click.exceptions.Exit(Exit.FAILED) from error


def default_store(path: Path) -> Path:
    """Where a program keeps its store unless told otherwise: `shop.store` beside `shop.py`."""
    return path.with_suffix(".store")


def _loaded(path: Path) -> ModuleType:
    try:
        return load(path)
    except (click.ClickException, KeyboardInterrupt):
        raise
    except Exception as error:
        _show_traceback(error, path.resolve())
        raise click.exceptions.Exit(Exit.FAILED) from error


def _show_traceback(error: Exception, path: Path) -> None:
    """The traceback as Python would print it, without the frames of the command line above the program's."""
    frame = error.__traceback__
    while frame is not None and Path(frame.tb_frame.f_code.co_filename) != path:
        frame = frame.tb_next
    text = "".join(traceback.format_exception(error.with_traceback(frame or error.__traceback__)))
    sys.stdout.flush()
    say(safe(text.rstrip(), lines=True))
