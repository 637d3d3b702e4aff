"""Launching: `run --nodes`, a cluster of processes on this machine until it is done or told to stop."""

from pathlib import Path
from typing import Literal

import click
import trio

from ..cluster.launching import LaunchedCluster, launch
from .exits import Exit


def run_nodes(target: str, nodes: str, folder: Path, *, restart: bool, tcp: bool) -> int:
    """Run a program as several nodes, to the end; the exit code.

    Raises:
        click.UsageError: the number or the names of the nodes cannot be.
        LaunchFailed, BadAddress: see `launch`.
    """
    names = int(nodes) if nodes.isdecimal() else [name.strip() for name in nodes.split(",")]

    async def main() -> LaunchedCluster:
        listen: Literal["unix", "tcp"] = "tcp" if tcp else "unix"
        async with launch(target, names, folder=folder, listen=listen, restart=restart) as cluster:
            await cluster.wait_done()
        return cluster

    try:
        cluster = trio.run(main)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    codes = {node.code for node in cluster}
    if Exit.GAVE_UP in codes:
        return Exit.GAVE_UP
    return Exit.OK if codes <= {Exit.OK} else Exit.FAILED
