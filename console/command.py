"""The command line: `callboard` and `python -m callboard`."""

import errno
import sys
from typing import Any

import click

from ..mailbox.errors import CallboardError
from .cert import cert_group
from .changing import pause_command, resume_command, stop_command
from .dead import dead_group
from .demo import demo_group
from .doctor import doctor_command
from .errands import replay_command as replay_command  # which hangs its verbs under `dead`
from .exits import Exit, exit_code
from .looking import list_command, peek_command, show_command
from .nodes import nodes_command
from .running import run_command
from .sending import ask_command, send_command
from .store import store_group
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
    "3 not found, 4 store or node unreachable, or in use, 5 store damaged or newer, 6 refused, "
    "70 the supervision tree gave up, 130 SIGINT, 143 SIGTERM.",
)
@click.version_option(package_name="callboard", message="%(package)s %(version)s")
def main() -> None:
    """Actors whose mailboxes survive kill -9.

    ls, show, peek, tree, why, dead ls and dead show only look: they take nothing and change nothing, on a
    stopped store and beside a running node. send, ask, pause, resume, stop and the other verbs of dead are
    done by the node that runs over the store, or on the store itself when none runs.
    """


for command in (
    run_command,
    list_command,
    show_command,
    peek_command,
    dead_group,
    tree_command,
    why_command,
    send_command,
    ask_command,
    pause_command,
    resume_command,
    stop_command,
    nodes_command,
    store_group,
    doctor_command,
    cert_group,
    demo_group,
):
    main.add_command(command)
