"""Certificates: making a cluster's authority and the certificates of its nodes.

A cluster has one authority of its own; whoever holds its key can admit nodes, so the key stays with whoever
runs `callboard cert`, and nodes need only the authority's certificate. Keys are ECDSA on P-256. Nothing
that is there is ever overwritten: a lost key would shut nodes out.

Making takes the package `cryptography`, an extra, which is imported only then; using takes OpenSSL alone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs

from ..mailbox.names import check_name
from .errors import AlreadyThere, BadCertificate, CertificateError, NoCryptography
from .identity import Identity, find_identity

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY: Final = "authority"
AUTHORITY_LASTS: Final = timedelta(days=3652)
NODE_LASTS: Final = timedelta(days=825)

_CLOCKS_DIFFER: Final = timedelta(hours=1)
"""A certificate is valid a little earlier than it was made, for machines whose clocks are behind."""
_MOST_COMMON_NAME: Final = 64


@attrs.frozen
class Pair:
    """Where a certificate and its key are."""

    certificate: Path
    key: Path


def pair_of(folder: Path, name: str) -> Pair:
    """Where the certificate and the key of a node are kept, or those of the `AUTHORITY`."""
    stem = quote(name, safe="")  # a name is no path, whatever it holds
    return Pair(folder / f"{stem}.pem", folder / f"{stem}.key")


def make_authority(folder: Path, cluster: str) -> Pair:
    """Make the authority of a new cluster, and its folder.

    Raises:
        AlreadyThere: the folder has an authority.
        BadName: the cluster's name cannot be one.
        NoCryptography: the package is not installed.
        CertificateError: the files cannot be written.
    """
    identity = Identity(check_name(cluster), "")
    pair = pair_of(folder, AUTHORITY)
    _check_absent(pair, "every node with a certificate of it would be shut out by a new one")
    key = _new_key()
    _write(pair, key, _sign(identity, f"callboard {cluster}", key, AUTHORITY_LASTS))
    return pair


def make_node(folder: Path, name: str) -> Pair:
    """Make a node's certificate and key, signed by the authority in the same folder.

    Raises:
        AlreadyThere: the node has a certificate or a key there.
        BadCertificate: there is no authority, or its files cannot be used.
        BadName: the node's name cannot be one.
        NoCryptography: the package is not installed.
        CertificateError: the files cannot be written.
    """
    pair = pair_of(folder, check_name(name))
    if name == AUTHORITY:
        raise AlreadyThere(f"a node cannot be called {AUTHORITY}: its files would be the authority's")
    authority, authority_key = _load_authority(folder)
    _check_absent(pair, f"remove both files first if {name} is to have new ones")
    identity = Identity(cluster_of(authority), name)
    key = _new_key()
    _write(pair, key, _sign(identity, name, key, NODE_LASTS, (authority, authority_key)))
    return pair


def cluster_of(authority: x509.Certificate) -> str:
    """The cluster an authority is for.

    Raises:
        BadCertificate: it does not say.
    """
    from cryptography import x509

    try:
        names = authority.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return find_identity([]).cluster
    return find_identity(names.get_values_for_type(x509.UniformResourceIdentifier)).cluster


def _new_key() -> EllipticCurvePrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise NoCryptography(
            "making certificates takes the package cryptography: pip install 'callboard[tls]'. Nodes "
            "that only use certificates do not need it"
        ) from error
    return ec.generate_private_key(ec.SECP256R1())


def _sign(
    identity: Identity,
    title: str,
    key: EllipticCurvePrivateKey,
    lasts: timedelta,
    authority: tuple[x509.Certificate, EllipticCurvePrivateKey] | None = None,
) -> x509.Certificate:
    """A certificate, signed by an authority, or by itself if it is to be one."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    title = title.encode()[:_MOST_COMMON_NAME].decode(errors="ignore")  # for people; the URI has all of it
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    signer = authority[1] if authority else key
    now = datetime.now(UTC)
    end = now + lasts
    if authority:
        end = min(end, authority[0].not_valid_after_utc)
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority[0].subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(end)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=False
        )
        .add_extension(own_id, critical=False)
        .add_extension(signer_id, critical=False)
        .add_extension(_usage(signs=authority is None), critical=True)
    )
    if authority is None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    else:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load_authority(folder: Path) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    _new_key()  # says what to install before anything else can fail over it
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pair = pair_of(folder, AUTHORITY)
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = load_pem_private_key(pair.key.read_bytes(), None)
    except FileNotFoundError as error:
        raise BadCertificate(
            f"there is no {error.filename}: make the cluster's authority first with callboard cert init, or "
            "say where it is with --dir"
        ) from error
    except OSError as error:
        raise BadCertificate(f"{error.filename} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise BadCertificate(
            f"{pair.certificate} and {pair.key} are no certificate and unencrypted key in PEM ({error})"
        ) from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise BadCertificate(
            f"{pair.key} is not the key of {pair.certificate}: put back the pair that was made"
        )
    return certificate, key


def _check_absent(pair: Pair, why: str) -> None:
    for path in (pair.certificate, pair.key):
        if os.path.lexists(path):
            raise AlreadyThere(f"{path} exists and is not overwritten: {why}")


def _write(pair: Pair, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Write both files or none."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    written: list[Path] = []
    try:
        pair.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(pair.key, secret, 0o600, written)
        _write_new(pair.certificate, certificate.public_bytes(Encoding.PEM), 0o644, written)
    except OSError as error:
        for path in written:
            with suppress(OSError):
                path.unlink()
        if isinstance(error, FileExistsError):
            raise AlreadyThere(f"{error.filename} exists and is not overwritten") from error
        raise CertificateError(f"{error.filename} cannot be written ({error.strerror})") from error


def _write_new(path: Path, data: bytes, mode: int, written: list[Path]) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    written.append(path)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
