"""`demo crash`: a bank at work is killed with SIGKILL, again and again, and its money is counted.

The bank (`demo_bank.py`) runs in a child process over a real store. We only look: at the store beside it, to
know when to kill, and at what a killed process left on disk. A store that this demo has not made is
left alone, and whatever ends the command takes the child with it.
"""

import os
import random
import shlex
from pathlib import Path
from typing import Final

import click

from ..mailbox.preflight import Place, look_at
from .exits import Declined, ProblemsFound
from .terminal import put, safe, say
from .viewing import looking, now_ns

NAME: Final = "callboard-demo"
"""The node's name, by which a store of the demo is known."""
KILLS: Final = 3


@click.group("demo")
def demo_group() -> None:
    """See it work: no code to write, no service to start."""


@demo_group.command("crash")
@click.option(
    *("--store", "--data", "path"),
    type=click.Path(path_type=Path),
    default=Path(NAME),
    show_default=True,
    metavar="PATH",
    help="The directory of the bank's store, made if it is not there.",
)
@click.option("--source", is_flag=True, help="Print the program that is killed, and do nothing else.")
def crash_command(path: Path, *, source: bool) -> None:
    """Kill a bank with SIGKILL while it works, and count its money.

    A transfer takes two messages, so money is under way whenever the process dies. In the end
    every account is compared with a plain loop: exit code 1 if one differs. Run again, it makes the next
    500 transfers.
    """
    if source:
        put(Path(__file__).with_name("demo_bank.py").read_text("utf-8").rstrip())
        return
    _prepare(path)
    show(path)
    shown = shlex.quote(str(path))
    say(f"    Source: callboard demo crash --source    Look inside: callboard ls --store {safe(shown)}")


def _prepare(path: Path) -> None:
    """Make the store, or see that the one that is there is the demo's own and can be opened.

    Raises:
        Declined: it is somebody's store; nothing was changed.
        StoreError: one of its kinds.
    """
    if look_at(path) is Place.STORE:
        with looking(path) as store:
            if store.identity.node != NAME:
                raise Declined(
                    f"{path} is a store that this demo has not made, and it is left alone: "
                    "name another directory with --store"
                )
    from ..mailbox.opening import open_disk

    open_disk(path, node=NAME, entropy=os.urandom, now_ns=now_ns).close()


def show(path: Path) -> None:
    """Let the bank work, kill it on the way, and compare.

    Raises:
        DemoFailed: the bank failed by itself.
        ProblemsFound: money is missing, or there is too much of it.
    """
    # The runtime is loaded only where it is needed.
    from .books import TOTAL, plain_loop, read_books
    from .demo_bank import ACCOUNTS, TRANSFERS
    from .victim import Victim

    done = read_books(path).entries
    first = done // 2 // TRANSFERS * TRANSFERS
    end = first + TRANSFERS
    put(f"1/4 a bank of {ACCOUNTS} accounts, {TOTAL:,} in total, in {safe(str(path))}")
    resumed = f" ({done - 2 * first} are done)" if done > 2 * first else ""
    put(f"2/4 {TRANSFERS} transfers, two bookings each{resumed}; their process is killed on the way:")
    for mark in marks(done, 2 * end):
        with Victim(path, first) as victim:
            if not victim.wait_booked(mark):
                break  # so fast that it was done before we saw it
            victim.kill()
        left = read_books(path)
        put(
            f"    kill -9 {victim.pid} after {left.entries - 2 * first} bookings; on disk: "
            f"{left.total:,} in accounts, {left.under_way:,} under way, {left.waiting} messages waiting"
        )
    with Victim(path, first) as victim:
        put(f"3/4 process {victim.pid} goes on from there, to the end")
        victim.wait_booked(None)
    books = read_books(path)
    if books.balances != plain_loop(end) or books.entries != 2 * end or books.waiting:
        raise ProblemsFound(
            f"{books.entries - 2 * first} of {2 * TRANSFERS} bookings are done, the total is "
            f"{books.total:,}, and the accounts are not what a plain loop says: this is a bug of ours, "
            "please report it with the store"
        )
    put(f"4/4 total is {books.total:,}, each account as a plain loop says: nothing lost, nothing twice")


def marks(done: int, end: int) -> list[int]:
    """After how many bookings to kill: one in each part of what is left, but for the last part."""
    share = (end - done) // (KILLS + 1)
    return [done + share * kill + random.randrange(share // 2 + 1) for kill in range(1, KILLS + 1)]
