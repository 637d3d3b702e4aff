"""The command line: `callboard` and `python -m callboard`."""

import errno
import sys
from typing import Any

import click

from ..mailbox.errors import CallboardError
from .dead import dead_group
from .exits import Exit, exit_code
from .looking import list_command, peek_command, show_command
from .running import run_command
from .terminal import complain, give_up_stdout
from .tree import tree_command
from .why import why_command


class Console(click.Group):
    """A group whose errors become a sentence on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and write its data out to the last byte."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except CallboardError as error:
            complain(str(error))
            raise click.exceptions.Exit(exit_code(error)) from error
        except KeyboardInterrupt as error:
            raise click.exceptions.Exit(Exit.INTERRUPTED) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our data has enough: `callboard ls | head`
                give_up_stdout()
                raise click.exceptions.Exit(Exit.OK) from error
            complain(f"the output cannot be written ({error.strerror or error})")
            give_up_stdout()
            raise click.exceptions.Exit(Exit.FAILED) from error
        return result

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people meet them."""
        return list(self.commands)


@click.group(
    cls=Console,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Data goes to stdout, talk to stderr. Exit codes: 0 ok, 1 failed or problems found, 2 usage, "
    "3 not found, 4 store unreachable or in use, 5 store damaged or newer, 6 refused, "
    "70 the supervision tree gave up, 130 SIGINT, 143 SIGTERM.",
)
@click.version_option(package_name="callboard", message="%(package)s %(version)s")
def main() -> None:
    """Actors whose mailboxes survive kill -9.

    All commands but run only look: they take nothing and change nothing, on a stopped store and
    beside a running node.
    """


for command in (run_command, list_command, show_command, peek_command, dead_group, tree_command, why_command):
    main.add_command(command)
