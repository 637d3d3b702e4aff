"""Addresses: where a node listens, as people write it."""

import ipaddress
import re
import sys
from typing import Final

import attrs

from .errors import BadAddress

MOST_UNIX_BYTES: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a socket's path that fit into the kernel's `sun_path`, with its closing zero."""

_LABELS: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_FORMS: Final = "write host:port, [ipv6]:port or unix:path, as in 127.0.0.1:7001 or unix:run/a.socket"


@attrs.frozen
class Address:
    """Where a node listens: a host and a port, or the path of a Unix socket."""

    host: str = ""
    """A name, or an IP address without brackets; empty for a Unix socket."""
    port: int = 0
    """0 lets the system choose one, and is for listening only."""
    path: str = ""
    """The socket's file; empty for TCP. A relative one begins where the process was started."""

    def __attrs_post_init__(self) -> None:
        """Refuse what no socket call would take, while the text is still at hand."""
        problem = _path_problem(self.path) if self.is_unix else _tcp_problem(self.host, self.port)
        if problem:
            raise BadAddress(f"{str(self)!a} is no address: {problem}")

    @property
    def is_unix(self) -> bool:
        """Whether this is the path of a Unix socket."""
        return not self.host

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it: a Unix socket is as private as 127.0.0.1."""
        if self.is_unix or self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """The shortest text that `parse_address` reads as this."""
        if self.is_unix:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read an address: `host:port`, `[ipv6]:port`, either after `tcp:`, or `unix:path`.

    Raises:
        BadAddress: it is none of these; the text says what is missing.
    """
    if type(text) is not str:
        raise BadAddress(f"an address is a str, not {type(text).__name__}: {_FORMS}")
    if text.startswith("unix:"):
        return Address(path=text.removeprefix("unix:"))
    host, colon, port = text.removeprefix("tcp:").rpartition(":")
    if not colon:
        missing = "the host is missing" if port.isdigit() else "the port is missing"
        raise BadAddress(f"{text!a} is no address: {missing}; {_FORMS}")
    if host.startswith("[") and host.endswith("]"):
        if ":" not in host:
            raise BadAddress(f"{text!a} is no address: brackets are for IPv6 only; {_FORMS}")
        host = host[1:-1]
    elif ":" in host:
        raise BadAddress(f"{text!a} is no address: an IPv6 address stands in brackets; {_FORMS}")
    if not re.fullmatch("[0-9]{1,5}", port):
        raise BadAddress(f"{text!a} is no address: its port is no number from 0 to 65535; {_FORMS}")
    if not host:
        raise BadAddress(f"{text!a} is no address: the host is missing; {_FORMS}")
    return Address(host, int(port))


def _path_problem(path: str) -> str:
    if not path:
        return f"nothing is named; {_FORMS}"
    if "\0" in path:
        return "a path holds no zero byte, and abstract sockets have no permissions; name a file"
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "the path holds a lone surrogate, which UTF-8 cannot carry; remove it"
    if size > MOST_UNIX_BYTES:
        return (
            f"the path has {size} bytes and a socket's may have {MOST_UNIX_BYTES}; choose a shorter one, "
            "or one relative to the directory the node is started in"
        )
    return ""


def _tcp_problem(host: str, port: int) -> str:
    if not 0 <= port <= 65535:
        return "its port is no number from 0 to 65535"
    if ":" in host or host.rpartition(".")[2].isdigit():
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return f"{host!a} is no IP address; {_FORMS}"
        return ""
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABELS.fullmatch(label) for label in labels):
        return f"{host!a} cannot be the name of a host (write others in punycode: xn--…); {_FORMS}"
    return ""
