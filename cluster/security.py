"""Security: who may connect, and what must not cross a network in clear.

Both sides of a connection show a certificate of the cluster's own authority, and TLS 1.3 is the only
version. The certificate says which node of which cluster its owner is (see `identity`); "any certificate
of the authority" is not enough, so the link compares it with the hello.

A trap of TLS 1.3: the dialler's handshake succeeds before the listener has looked at the dialler's
certificate. A refusal shows at the first read, so nobody may think a wire is up before it has received.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from .addresses import Address
from .errors import BadCertificate, NotSecure

if TYPE_CHECKING:
    import ssl

    Context = ssl.SSLContext

"""What one side of a connection shows and whom it trusts."""

_log: Final = logging.getLogger("callboard.cluster")

_REMEDY: Final = (
    "Make certificates with callboard cert init and callboard cert node NAME and pass "
    "tls=Tls(certificate, key, authority); or use a loopback address or a unix: path; or, if everybody who "
    "can reach this network may read and forge your messages, pass insecure_network=True"
)


@attrs.frozen
class Tls:
    """Where a node's certificate, its key and the certificate of the cluster's authority are."""

    certificate: Path = attrs.field(converter=Path)
    key: Path = attrs.field(converter=Path)
    authority: Path = attrs.field(converter=Path)

    def for_dialling(self) -> ssl.SSLContext:
        """What a dialler shows and whom it trusts.

        Raises:
            BadCertificate: a file is missing or cannot be used.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # a node is who its certificate says, wherever it runs
        return self._prepared(context)

    def for_listening(self) -> ssl.SSLContext:
        """What a listener shows and whom it trusts.

        Raises:
            BadCertificate: a file is missing or cannot be used.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0  # nobody resumes, and unread tickets would turn a close into a reset
        return self._prepared(context)

    def _prepared(self, context: ssl.SSLContext) -> ssl.SSLContext:
        import ssl  # slow to load, and most nodes need none of it

        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        for path in (self.certificate, self.key, self.authority):
            _check_readable(path)
        try:
            context.load_verify_locations(cafile=self.authority)
        except (ssl.SSLError, ValueError) as error:
            raise BadCertificate(f"{self.authority} is no certificate of an authority in PEM") from error
        try:
            # Without the password OpenSSL would ask for one at the terminal, and the node would hang.
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise BadCertificate(
                f"{self.certificate} and {self.key} are no certificate and its unencrypted key in PEM "
                f"({getattr(error, 'reason', None) or error}). Make a pair with callboard cert node NAME"
            ) from error
        return context


def check_listen(address: Address, tls: Tls | None, *, insecure_network: bool = False) -> None:
    """Refuse to listen where anybody could connect, unless that was spelled out.

    Raises:
        NotSecure: the address is beyond this machine, and there is no TLS.
    """
    if tls is not None or address.is_loopback:
        return
    if not insecure_network:
        raise NotSecure(f"listening at {address} would take mail from anybody, unencrypted. {_REMEDY}")
    _log.warning("listening at %s without TLS: everybody who can reach it may read and forge mail", address)


def check_dial(address: Address, tls: Tls | None, *, insecure_network: bool = False) -> None:
    """Refuse to send mail through a network in clear, unless that was spelled out.

    Raises:
        NotSecure: the address is beyond this machine, and there is no TLS.
    """
    if tls is None and not address.is_loopback and not insecure_network:
        raise NotSecure(f"dialling {address} would send mail unencrypted to anybody there. {_REMEDY}")


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise BadCertificate(
            f"{path} cannot be read ({error.strerror}). Make certificates with callboard cert init and "
            "callboard cert node NAME"
        ) from error
