"""`run`: a program's `main(node)` over its store, until it is done or told to stop."""

import sys
import traceback
from pathlib import Path
from types import ModuleType

import click
from click.core import ParameterSource

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
@click.option(
    "--nodes",
    metavar="N|NAMES",
    help="Run so many nodes, called a, b, c…, or those of these names (a comma between them), linked to one "
    "another; each is a process with a store of its own.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --nodes: where the stores are; by default FILE.nodes beside FILE.PY.",
)
@click.option("--restart", is_flag=True, help="With --nodes: start a node again that has crashed.")
@click.option("--tcp", is_flag=True, help="With --nodes: link them by TCP on loopback, not by Unix sockets.")
@click.pass_context
def run_command(
    ctx: click.Context,
    target: str,
    store: Path | None,
    nodes: str | None,
    folder: Path | None,
    *,
    restart: bool,
    tcp: bool,
) -> None:
    """Run the async function main(node) of a Python file.

    The node runs until main returns and no mail can be handled any more. SIGINT and SIGTERM let the
    turns in hand finish; a second one ends the process at once. Either way nothing is lost, and the
    next run goes on. If the supervision tree gives up, stderr has a report of what led there, and the
    exit code is 70.

    With --nodes, several nodes run the same function, which can tell by node.name which one it is in.
    Their output comes line by line with the name before it. They end when main has returned in all of them.
    """
    path, name = split_target(target)
    if nodes is not None:
        if ctx.get_parameter_source("store") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                "with --nodes there is a store for each node: say --folder instead of --store"
            )
        from .launching import run_nodes

        where = folder or path.with_suffix(".nodes")
        raise click.exceptions.Exit(run_nodes(target, nodes, where, restart=restart, tcp=tcp))
    if folder or restart or tcp:
        raise click.UsageError("--folder, --restart and --tcp are for several nodes: add --nodes 3")
    module = loaded(path)
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


def loaded(path: Path) -> ModuleType:
    """A program's module; if it cannot be loaded, its traceback is shown.

    Raises:
        click.exceptions.Exit: it raised something.
    """
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
