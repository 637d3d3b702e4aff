"""The two streams: data goes to stdout, talk to stderr, and each knows whether a person reads it."""

import io
import os
import shutil
import sys
from typing import Final, TextIO

import click

AT_ONCE: Final = 200
"""Lines of one write."""


def put(*lines: str) -> None:
    """Some lines of data, which are out when this returns.

    They leave in pieces: where Python's output is unbuffered, a write that a leaving reader cut short
    is no error, and only the next one tells.
    """
    for at in range(0, len(lines), AT_ONCE):
        click.echo("\n".join(lines[at : at + AT_ONCE]), color=has_color(sys.stdout))


def say(text: str) -> None:
    """Something for the person at the terminal, beside the data."""
    click.echo(text, err=True, color=has_color(sys.stderr))


def complain(text: str) -> None:
    """Say what went wrong."""
    say(f"{paint('Error:', 'red')} {safe(text, lines=True)}")


def paint(text: str, color: str) -> str:
    """Text in a color, `bold` or `dim`; a stream without colors takes it out again."""
    if color == "bold":
        return click.style(text, bold=True)
    return click.style(text, dim=True) if color == "dim" else click.style(text, fg=color)


def has_color(stream: TextIO) -> bool:
    """Whether a stream shows colors: NO_COLOR forbids, FORCE_COLOR commands, else terminals do."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def line_width() -> int | None:
    """Columns of the terminal that shows the data; None where a line may be as long as it likes."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def accept_any_text() -> None:
    """Escape what a stream's encoding lacks instead of failing over it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_stdout() -> None:
    """Nobody reads any more: let what is left of the data go nowhere, and quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def safe(text: str, *, lines: bool = False) -> str:
    """Text without anything that would steer a terminal; line ends and tabs stay only where asked."""
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(each if each.isprintable() or each in kept else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
