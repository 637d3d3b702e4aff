"""`send` and `ask`: messages from the command line. Their parameters pass the checks of any message."""

import uuid
from pathlib import Path
from typing import Any

import click
import msgspec

from ..cluster.commands import Ask, Replied, Send, Typed
from . import jsonl
from .reaching import app_option, do
from .terminal import put, safe, say
from .viewing import store_option


def parameters(command: Any) -> Any:
    """What `send` and `ask` have in common."""
    for add in (
        click.option("--id", metavar="TEXT", help="Makes another try with this id safe for a day."),
        click.option("--type", "type_", default="", metavar="TYPE", help="Of the actor, where none lives."),
        click.option("--json", "object_", default="{}", metavar="OBJECT", help="Parameters, as JSON."),
        store_option,
        click.argument("words", metavar="[KEY=VALUE]...", nargs=-1),
        click.argument("handler"),
        click.argument("name"),
    ):
        command = add(command)
    return command


@click.command("send")
@parameters
@click.option("--delay", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Send it later.")
@app_option
def send_command(
    path: Path,
    name: str,
    handler: str,
    words: tuple[str, ...],
    object_: str,
    type_: str,
    id: str | None,
    delay: float,
    app: str,
) -> None:
    """Put a message into an actor's mailbox; it is on disk when this returns.

    A value is read by the handler's annotation: callboard send ann deposit amount=30. On a store without a
    running node --app names the code, and the message waits for the next run.
    """
    used = id or uuid.uuid4().hex
    typed = _typed(words, object_)
    command = Send(name, handler, typed, type=type_, id=used, delay=delay)
    later = ", where it waits for the next run" if do(path, command, app=app).at_rest else ""
    say(safe(f"sent {handler} to {name!r}{later}; id {used}"))


@click.command("ask")
@parameters
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the reply.",
)
def ask_command(
    path: Path,
    name: str,
    handler: str,
    words: tuple[str, ...],
    object_: str,
    type_: str,
    id: str | None,
    timeout: float,
) -> None:
    """Send a message to an actor of a running node, and print its reply as JSON."""
    command = Ask(
        name, handler, _typed(words, object_), type=type_, id=id or uuid.uuid4().hex, timeout=timeout
    )
    answer = do(path, command).answer
    assert isinstance(answer, Replied)
    put(msgspec.json.encode(jsonl.plain(msgspec.msgpack.decode(answer.body))).decode())


def _typed(words: tuple[str, ...], object_: str) -> Typed:
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{word!r} is no parameter: write KEY=VALUE, such as amount=30")
        if key in values:
            raise click.UsageError(f"{key} is given twice")
        values[key] = value
    return Typed(object_, values)
