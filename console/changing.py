"""`pause`, `resume` and `stop`: actors, all actors of a type, or the node."""

from pathlib import Path

import click

from ..cluster.commands import End, Pause, Resume, Stop
from ..mailbox.reading import find_mailbox
from . import wording
from .reaching import Outcome, do
from .terminal import safe, say
from .viewing import is_utf8, looking, nobody_called, store_option

type_option = click.option("--type", "type_", default="", metavar="TYPE", help="All actors of this type.")


@click.command("pause")
@click.argument("name", default="")
@type_option
@click.option("--reason", default="paused by hand", show_default=True, help="What ls and why say.")
@store_option
def pause_command(path: Path, name: str, type_: str, reason: str) -> None:
    """Let an actor, or all of a type, take mail and begin no turn until resumed."""
    _check_one(name, type_)
    _tell("paused", name, type_, do(path, Pause(reason, name, type_)))


@click.command("resume")
@click.argument("name", default="")
@type_option
@store_option
def resume_command(path: Path, name: str, type_: str) -> None:
    """Let an actor, or all of a type, go on; an actor's attempts begin at zero."""
    _check_one(name, type_)
    _tell("resumed", name, type_, do(path, Resume(name, type_)))


@click.command("stop")
@click.argument("name", default="")
@click.option("--node", "whole", is_flag=True, help="End the node itself, in good order; nothing is lost.")
@click.option("--yes", is_flag=True, help="End the actor's life; without it, only say what would be done.")
@store_option
def stop_command(path: Path, name: str, *, whole: bool, yes: bool) -> None:
    """End an actor's life when its mail up to now is handled. Its state goes for good.

    With --node the node ends instead, as by SIGTERM, and the next run goes on where it was.
    """
    if bool(name) == whole:
        raise click.UsageError("stop what? Give the name of an actor, or --node: one of them")
    if whole:
        do(path, End())
        say("the node has ended; what was waiting goes on at the next start")
    elif yes:
        outcome = do(path, Stop(name))
        say(safe(f"{name!r} stops behind its mail{_later(outcome)}"))
    else:
        say(f"{_prospect(path, name)}; nothing was changed: add --yes to do it")


def _prospect(path: Path, name: str) -> str:
    with looking(path) as store:
        view = find_mailbox(store, name) if is_utf8(name) else None
        if view is None:
            raise nobody_called(store, name)
    if not view.type:
        return safe(f"no actor lives at {name!r}, so there is no life to end")
    mail = f", behind {wording.count(view.mail, 'message')}" if view.mail else ""
    return safe(f"would end the life of {name!r} ({view.type}){mail}, and its state would go for good")


def _check_one(name: str, type_: str) -> None:
    if bool(name) == bool(type_):
        raise click.UsageError("give the name of an actor, or --type TYPE: one of them")


def _tell(what: str, name: str, type_: str, outcome: Outcome) -> None:
    whom = f"all actors of type {type_}" if type_ else repr(name)
    say(safe(f"{what} {whom}{_later(outcome)}"))


def _later(outcome: Outcome) -> str:
    return ", as the next run will see" if outcome.at_rest else ""
