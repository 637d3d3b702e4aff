"""Reaching: a command is done by the node that runs over a store, or on the store itself when none runs."""

import functools
import importlib
import logging
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import attrs
import click

from ..cluster.commands import (
    Answer,
    Ask,
    Command,
    End,
    Failed,
    Letters,
    Links,
    Redirect,
    Send,
)
from ..cluster.errors import NodeUnreachable
from ..mailbox.errors import StoreInUse
from .exits import Declined
from .running import loaded
from .viewing import looking

PATIENCE_S: Final = 1.0
"""A node that opens or closes holds the store for a moment and takes no commands."""
BETWEEN_TRIES_S: Final = 0.05

app_option = click.option(
    "--app", default="", metavar="FILE.PY|MODULE", help="The actors' code, if no node runs over the store."
)


@attrs.frozen
class Outcome:
    """What became of a command that was done."""

    answer: Answer
    at_rest: bool
    """No node runs: what was changed shows at the next run."""


def do(path: Path, command: Command, *, app: str = "") -> Outcome:
    """Have a command done.

    Args:
        path: the store's directory.
        command: what to do.
        app: the file or the module with the actors' classes, for a store without a running node.

    Raises:
        click.UsageError: its parameters do not fit.
        CallboardError: it was not done; the text says why and what to do.
    """
    with looking(path):
        pass  # which says of a path without a store what is wrong with it
    given_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _try(path, command, app)
        except StoreInUse:
            if time.monotonic() >= given_up_at:
                raise
            time.sleep(BETWEEN_TRIES_S)


def _try(path: Path, command: Command, app: str) -> Outcome:
    from ..cluster.client import Client  # sockets are loaded only where one is used

    try:
        with Client(path, timeout=0) as client:
            return Outcome(_whole(client.do(command)), at_rest=False)
    except NodeUnreachable as error:
        unreachable = error
    if isinstance(command, Ask | End | Links | Redirect):
        raise _nobody(command, unreachable)
    if app:
        _load(app)
    try:
        return Outcome(_whole(_do_at_rest(path, command, app)), at_rest=True)
    except StoreInUse as error:
        raise StoreInUse(f"{error}. It takes no commands either: {unreachable}") from error


def _nobody(command: Command, unreachable: NodeUnreachable) -> NodeUnreachable:
    advice = ""
    if isinstance(command, Ask):
        advice = ". Nobody would answer: callboard send leaves a message for the next run"
    return NodeUnreachable(f"{unreachable}{advice}")


def _do_at_rest(path: Path, command: Command, app: str) -> Answer:
    import trio

    from ..cluster.resting import open_at_rest

    async def go() -> Answer:
        async with open_at_rest(path) as clerk:
            if _needs_code(command) and not app:
                raise Declined(
                    "no node runs over this store, so the code of its actors has to be loaded to know what "
                    "they take: add --app shop.py, or --app module:Class. Nothing was sent"
                )
            return await clerk.do(command)

    with _quiet():
        return trio.run(go)


def _needs_code(command: Command) -> bool:
    return isinstance(command, Send) or (isinstance(command, Letters) and command.verb == "redirect")


def _whole(answer: Answer) -> Answer:
    """The answer of a command that was done.

    Raises:
        click.UsageError: its parameters do not fit.
        Exception: what else went wrong.
    """
    if not isinstance(answer, Failed):
        return answer
    from ..cluster.failures import raised

    error = raised(answer)
    if isinstance(error, TypeError | ValueError):
        raise click.UsageError(str(error)) from error
    raise error


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Mail whose code is not loaded waits, which is nothing to warn of here: all of it does."""
    log = logging.getLogger("callboard")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@functools.cache
def _load(app: str) -> ModuleType:
    """Load `shop.py`, `module` or `module:Class`, once: a second time would make twins of its classes.

    Raises:
        click.UsageError: there is no such thing.
    """
    name, _, attribute = app.partition(":")
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise click.UsageError(f"--app: {name!r} does not exist: name a Python file, or module:Class")
        module = loaded(Path(name))
    else:
        sys.path.insert(0, str(Path.cwd()))
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise click.UsageError(
                f"--app: {error}: name a Python file such as shop.py, or module:Class"
            ) from error
    if attribute and not hasattr(module, attribute):
        raise click.UsageError(f"--app: {name} has no {attribute!r}")
    return module
