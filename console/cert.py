"""`cert`: the certificates with which the nodes of a cluster know one another."""

from pathlib import Path
from typing import Any

import click

from .terminal import put, safe, say


def _dir_option(command: Any) -> Any:
    return click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("certs"),
        show_default=True,
        metavar="PATH",
        help="Where the certificates and keys are.",
    )(command)


@click.group("cert")
def cert_group() -> None:
    """Make the certificates with which nodes know one another.

    Once: `cert init`. For each node: `cert node NAME`, then take NAME.pem, NAME.key and authority.pem to its
    machine. Keep authority.key here: whoever has it can admit nodes.
    """


@cert_group.command("init")
@_dir_option
@click.option(
    "--cluster",
    default="callboard",
    show_default=True,
    metavar="NAME",
    help="The cluster's name; nodes of others are refused.",
)
def init_command(folder: Path, cluster: str) -> None:
    """Make the authority of a cluster, valid for ten years."""
    from ..cluster.certificates import make_authority

    pair = make_authority(folder, cluster)
    put(safe(str(pair.certificate)), safe(str(pair.key)))
    key = safe(pair.key.name)
    say(f"{key} signs certificates: keep it to yourself. For each node: callboard cert node NAME")


@cert_group.command("node")
@click.argument("name")
@_dir_option
def node_command(name: str, folder: Path) -> None:
    """Make the certificate and the key of node NAME, valid for 825 days."""
    from ..cluster.certificates import AUTHORITY, make_node, pair_of

    pair = make_node(folder, name)
    put(safe(str(pair.certificate)), safe(str(pair.key)))
    authority = pair_of(folder, AUTHORITY).certificate.name
    say(
        f"the node takes them as tls=Tls({pair.certificate.name!r}, {pair.key.name!r}, {authority!r}); "
        "the key is its alone"
    )
