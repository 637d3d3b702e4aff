"""Sockets: the one file that opens them.

What is known here about sockets stays here: how a TLS identity is read, how the owner of the other end
of a Unix socket is asked for, and that a dead node leaves its socket's file behind.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import trio

from .addresses import Address
from .errors import BadCertificate, CannotListen, CannotReach
from .identity import Identity, find_identity
from .streams import reason_of

if TYPE_CHECKING:
    from .security import Context

DIAL_S: Final = 10
"""Seconds to wait for an answer to a dial, before TLS."""
HANDSHAKE_S: Final = 5
"""Seconds a TLS handshake may take."""

Plain = trio.SocketStream
"""A connection."""
Ear = trio.SocketListener
"""What connections come from."""
Tunnel = trio.SSLStream[trio.SocketStream]
"""TLS over a connection."""

_BACKLOG: Final = 128
_LOCAL_PEERCRED: Final = 1
"""On macOS and the BSDs, at level 0: a struct xucred, of which version and uid come first."""


async def dial_tcp(address: Address) -> Plain:
    """Connect to a host's port, over IPv4 or IPv6, whichever answers first.

    Raises:
        CannotReach: the name does not resolve, or nobody answers.
    """
    with trio.move_on_after(DIAL_S):
        try:
            return await trio.open_tcp_stream(address.host, address.port)
        except socket.gaierror as error:
            raise CannotReach(
                f"{address} cannot be reached: the name {address.host} does not resolve ({error.strerror}). "
                "Check its spelling and this machine's DNS, or give an IP address"
            ) from error
        except OSError as error:
            raise CannotReach(
                f"{address} cannot be reached: {_first_reason(error)}. Is a node running there, and does it "
                "listen at this address and port?"
            ) from error
    raise CannotReach(
        f"{address} cannot be reached: nothing answered for {DIAL_S} s. Is the machine up, and does a "
        "firewall let this port through?"
    )


async def listen_tcp(address: Address) -> tuple[list[Ear], Address]:
    """Listen at every IP address of a host; where the system chooses the port, at the first one only.

    Raises:
        CannotListen: the name does not resolve, or the system refuses.
    """
    try:
        listeners = await trio.open_tcp_listeners(address.port, host=address.host, backlog=_BACKLOG)
    except OSError as error:
        remedy = {
            errno.EADDRINUSE: "Another process listens there: stop it, or choose another port",
            errno.EADDRNOTAVAIL: "This machine has no such address: choose one that `ip addr` shows",
            errno.EACCES: "Ports below 1024 need a privilege: choose a higher one",
        }.get(error.errno or 0, "Check the address, or choose another one")
        raise CannotListen(f"cannot listen at {address} ({error.strerror or error}). {remedy}") from error
    if not address.port:
        for listener in listeners[1:]:
            listener.socket.close()
        del listeners[1:]
    return listeners, Address(address.host, listeners[0].socket.getsockname()[1])


async def dial_unix(address: Address) -> Plain:
    """Connect to a Unix socket that a process of our own user listens at.

    Raises:
        CannotReach: there is no such socket, nobody listens, or it is somebody else's.
    """
    try:
        stream = await trio.open_unix_socket(address.path)
    except OSError as error:
        remedy = {
            errno.ENOENT: "There is no such socket: is the node running, and is the path right from here?",
            errno.ECONNREFUSED: "A node was there and died: start it again",
            errno.EACCES: "The socket belongs to another user: run both nodes as one",
        }.get(error.errno or 0, "Is it the socket of a node?")
        raise CannotReach(f"{address} cannot be reached ({error.strerror or error}). {remedy}") from error
    if not is_ours(stream):
        await trio.aclose_forcefully(stream)
        raise CannotReach(
            f"{address} cannot be reached: a process of another user listens there, and mail is not given "
            "to strangers. Run both nodes as one user"
        )
    return stream


@contextmanager
def listening_unix(address: Address) -> Generator[Ear]:
    """Listen at a Unix socket that only our own user can open; its file is removed at the end.

    Two nodes that are given one path and start at the same instant can both believe that the file is
    stale; the later one then has the path. Stores have locks against that, addresses are only configured.

    Raises:
        CannotListen: somebody listens there, the path is not a socket's, or the system refuses.
    """
    path = Path(address.path)
    bound: os.stat_result | None = None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
        try:
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_stale(path)
            before = os.umask(0o177)
            try:
                plain.bind(address.path)
            finally:
                os.umask(before)
            bound = path.lstat()
            plain.listen(_BACKLOG)
        except OSError as error:
            _remove_own(path, bound)
            raise CannotListen(
                f"cannot listen at {address} ({error.strerror or error}). Is its directory yours to write?"
            ) from error
        plain.setblocking(False)
        with trio.socket.from_stdlib_socket(plain) as served:
            try:
                yield trio.SocketListener(served)
            finally:
                _remove_own(path, bound)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a node that died; anything else is not ours to remove."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(
                f"cannot listen at unix:{path}: there is a file that is no socket. Choose another path"
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            answer = probe.connect_ex(str(path))
        if answer in {0, errno.EAGAIN, errno.EINPROGRESS}:  # EAGAIN: its queue is full, so it lives
            raise CannotListen(
                f"cannot listen at unix:{path}: another process does. Stop it, or choose another path"
            )
        if answer == errno.ECONNREFUSED:
            path.unlink()
    except FileNotFoundError:
        return


def _remove_own(path: Path, bound: os.stat_result | None) -> None:
    """Remove our socket's file, unless another node has put its own there meanwhile."""
    try:
        found = path.lstat()
        if bound is not None and (found.st_dev, found.st_ino) == (bound.st_dev, bound.st_ino):
            path.unlink()
    except OSError:
        return


def is_ours(stream: Plain) -> bool:
    """Whether the process at the other end of a Unix socket is run by our own user."""
    if hasattr(socket, "SO_PEERCRED"):
        raw = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        uid = struct.unpack("3i", raw)[1]
    else:
        uid = struct.unpack_from("2I", stream.getsockopt(0, _LOCAL_PEERCRED, 128))[1]
    return int(uid) == os.geteuid()


def other_end(stream: Plain) -> str:
    """Who dialled, for people."""
    try:
        host, port = stream.socket.getpeername()[:2]
    except OSError:
        return "a dialler that is gone"
    return str(Address(host, port))


def tunnel(stream: Plain, context: Context, *, server: bool) -> Tunnel:
    """TLS over a connection, before its handshake."""
    return trio.SSLStream(stream, context, server_side=server)


async def prove(through: Tunnel, other: str) -> Identity:
    """Shake hands, and read from the certificate who the other side is.

    Raises:
        CannotReach: the handshake failed or took too long, or the certificate names no node.
    """
    with trio.move_on_after(HANDSHAKE_S) as scope:
        try:
            await through.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise CannotReach(
                f"TLS with {other} failed ({reason_of(error.__cause__)}). Both nodes need tls=, and "
                "certificates that one authority made: callboard cert node NAME"
            ) from error
    if scope.cancelled_caught:
        raise CannotReach(f"TLS with {other} failed: no handshake within {HANDSHAKE_S} s. Does it speak TLS?")
    names = through.getpeercert().get("subjectAltName", ())
    try:
        identity = find_identity(value for kind, value in names if kind == "URI")
    except BadCertificate as error:
        raise CannotReach(f"{other} cannot be trusted: {error}") from error
    if not identity.node:
        raise CannotReach(f"{other} cannot be trusted: it shows the authority's certificate, not a node's")
    return identity


def _first_reason(error: OSError) -> str:
    """Why the first of the host's addresses did not answer; trio wraps one error for each."""
    inner = error.__cause__
    if isinstance(inner, ExceptionGroup):
        inner = cast("ExceptionGroup[OSError]", inner).exceptions[0]
    return reason_of(inner or error)
