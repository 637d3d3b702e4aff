"""`dead replay`, `dead redirect` and `dead drop`: first what would be done, and with --yes that it is."""

from pathlib import Path
from typing import Any, Final, Literal

import click

from ..cluster.commands import Letters, Went
from ..mailbox.reading import show_dead
from . import jsonl, wording
from .dead import dead_group, letter_lines, letter_table
from .exits import ProblemsFound
from .reaching import app_option, do
from .terminal import put, safe, say
from .viewing import json_option, looking, store_option

Verb = Literal["replay", "redirect", "drop"]

SHOWN: Final = 10
"""Letters that a dry run shows."""
_PAST: Final = {"replay": "replayed", "redirect": "redirected", "drop": "dropped"}


def which_options(command: Any) -> Any:
    """Which letters are meant, as for `dead ls`, and whether it is meant."""
    numbers = click.IntRange(min=1, max=(1 << 64) - 1)
    for add in (
        json_option,
        click.option("--yes", is_flag=True, help="Do it; without this, only show what would be done."),
        click.option(
            "--most",
            type=click.IntRange(min=1),
            default=1000,
            show_default=True,
            help="Letters at once, in the order of death.",
        ),
        click.option(
            "--reason", metavar="WORD", help="failed, crashed, undecodable, misaddressed or unclaimed."
        ),
        click.option("--box", metavar="NAME", help="Only those of these mailboxes, such as 'order/*'."),
        click.option("--error", metavar="NAME", help="Only those that died of this error."),
        click.option("--type", "type_", metavar="TYPE", help="Only mail for this type of actor."),
        store_option,
        click.argument("numbers", metavar="[NUMBER]...", nargs=-1, type=numbers),
    ):
        command = add(command)
    return command


@dead_group.command("replay")
@which_options
def replay_command(path: Path, *, yes: bool, as_json: bool, **which: Any) -> None:
    """Put messages back into their mailboxes, behind the mail there."""
    _go("replay", path, which, yes=yes, as_json=as_json)


@dead_group.command("redirect")
@click.argument("to", metavar="NAME")
@which_options
@app_option
def redirect_command(path: Path, to: str, app: str, *, yes: bool, as_json: bool, **which: Any) -> None:
    """Put messages into the mailbox of the actor NAME instead of their own."""
    _go("redirect", path, which, yes=yes, as_json=as_json, to=to, app=app)


@dead_group.command("drop")
@which_options
@click.option("--all", "everything", is_flag=True, help="All that can be read.")
def drop_command(path: Path, *, yes: bool, as_json: bool, everything: bool, **which: Any) -> None:
    """Throw messages away for good."""
    if everything and which["reason"] is None:
        which["reason"] = "*"
    if not (which["numbers"] or any(which[each] is not None for each in ("box", "type_", "error", "reason"))):
        raise click.UsageError("drop which? Give numbers, --box, --type, --error, --reason, or --all")
    _go("drop", path, which, yes=yes, as_json=as_json)


def _go(
    verb: Verb,
    path: Path,
    which: dict[str, Any],
    *,
    yes: bool,
    as_json: bool,
    to: str = "",
    app: str = "",
) -> None:
    command = Letters(
        verb,
        numbers=which["numbers"] or None,
        box=which["box"],
        of_type=which["type_"],
        error=which["error"],
        reason=which["reason"],
        to=to,
        most=which["most"],
        dry_run=not yes,
    )
    answer = do(path, command, app=app).answer
    assert isinstance(answer, Went)
    if as_json:
        kept = [{"number": number, "why": why} for number, why in answer.kept]
        put(jsonl.line(verb=verb, done=answer.done, kept=kept, more=answer.more, dry_run=not yes))
    else:
        if not yes:
            _show(path, answer)
        say(_summary(verb, answer, yes=yes))
    if answer.kept:
        raise ProblemsFound("\n".join(safe(f"{number} stays: {why}") for number, why in answer.kept[:SHOWN]))


def _show(path: Path, went: Went) -> None:
    """The first of the letters that are meant."""
    with looking(path) as store:
        views = [view for number in went.done[:SHOWN] if (view := show_dead(store, number)) is not None]
    if views:
        put(*letter_lines(letter_table(), views))


def _summary(verb: Verb, went: Went, *, yes: bool) -> str:
    if not went.done:
        return "no dead letters fit, so there is nothing to do" if not went.kept else "nothing was done"
    many = wording.count(len(went.done), "dead letter")
    more = "; there are more, for which say it again or give --most" if went.more else ""
    if yes:
        return f"{_PAST[verb]} {many}{more}"
    first = f" ({SHOWN} of them above)" if len(went.done) > SHOWN else ""
    return f"would {verb} {many}{first}; nothing was changed: add --yes to do it{more}"
