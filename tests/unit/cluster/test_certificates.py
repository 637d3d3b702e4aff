"""Certificates say which node of which cluster they are for; keys are private and never replaced."""

import builtins
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, strategies as st

from callboard.cluster.certificates import (
    AUTHORITY,
    AUTHORITY_LASTS,
    NODE_LASTS,
    make_authority,
    make_node,
    pair_of,
)
from callboard.cluster.errors import AlreadyThere, BadCertificate, CertificateError, NoCryptography
from callboard.cluster.identity import Identity, find_identity
from callboard.mailbox.errors import BadName

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="@$"), min_size=1, max_size=40
)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def uris(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def lasts(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def test_a_node_is_certified_by_its_clusters_authority(tmp_path: Path) -> None:
    authority = load(make_authority(tmp_path, "shop").certificate)
    node = load(make_node(tmp_path, "till/1").certificate)
    node.verify_directly_issued_by(authority)
    assert uris(authority) == ["callboard://shop/"]
    assert uris(node) == ["callboard://shop/till%2F1"]
    assert lasts(authority) - AUTHORITY_LASTS == lasts(node) - NODE_LASTS == timedelta(hours=1)
    for certificate, signs in ((authority, True), (node, False)):
        key = certificate.public_key()
        assert isinstance(key, EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert constraints.value.ca is signs
        assert usage.value.key_cert_sign is signs
        assert usage.value.digital_signature is not signs


def test_openssl_takes_what_was_made_even_when_strict(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, "shop")
    ends = [make_node(tmp_path, name) for name in ("a", "b")]
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)]
    boxes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in ends]
    sides: list[ssl.SSLObject] = []
    for context, pair, (incoming, outgoing) in zip(contexts, ends, boxes, strict=True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(authority.certificate)
        context.load_cert_chain(pair.certificate, pair.key)
        server = context is contexts[1]
        sides.append(context.wrap_bio(incoming, outgoing, server_side=server))
    for _ in range(4):
        for at, side in enumerate(sides):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            boxes[1 - at][0].write(boxes[at][1].read())
    assert [side.version() for side in sides] == ["TLSv1.3", "TLSv1.3"]
    assert all(side.getpeercert() for side in sides)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "certs"
    for pair in (make_authority(folder, "shop"), make_node(folder, "a")):
        assert pair.key.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("left", ["certificate", "key"])
def test_nothing_is_ever_overwritten(tmp_path: Path, left: str) -> None:
    for make, name in ((make_authority, "shop"), (make_node, "a")):
        pair = make(tmp_path, name)
        before = pair.certificate.read_bytes(), pair.key.read_bytes()
        with pytest.raises(AlreadyThere, match="exists and is not overwritten"):
            make(tmp_path, name)
        assert before == (pair.certificate.read_bytes(), pair.key.read_bytes())
    gone, stays = (pair.key, pair.certificate) if left == "certificate" else (pair.certificate, pair.key)
    gone.unlink()
    with pytest.raises(AlreadyThere, match=str(stays)):
        make_node(tmp_path, "a")
    assert not gone.exists()


@given(name=NAMES)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = Path("certs")
    for path in (pair_of(folder, name).certificate, pair_of(folder, name).key):
        assert path.parent == folder
        assert path.name not in {"", ".", ".."}


def test_a_node_with_a_name_that_cannot_be_one_gets_nothing(tmp_path: Path) -> None:
    make_authority(tmp_path, "shop")
    before = sorted(tmp_path.iterdir())
    for name in ("", "a@b", "$a", "a\n"):
        with pytest.raises(BadName):
            make_node(tmp_path, name)
    with pytest.raises(AlreadyThere, match="its files would be the authority's"):
        make_node(tmp_path, AUTHORITY)
    with pytest.raises(CertificateError, match="cannot be written"):
        make_node(tmp_path, "ä" * 120)  # longer than a file's name may be
    assert sorted(tmp_path.iterdir()) == before


def test_without_an_authority_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadCertificate, match="callboard cert init"):
        make_node(tmp_path, "a")
    assert not list(tmp_path.iterdir())


def test_an_authority_that_cannot_be_used_is_told_apart(tmp_path: Path) -> None:
    pair = make_authority(tmp_path, "shop")
    other = make_authority(tmp_path / "other", "other")
    own, own_key = pair.certificate.read_bytes(), pair.key.read_bytes()
    locked = load_pem_private_key(own_key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    for certificate, key, problem in (
        (own, other.key.read_bytes(), "is not the key of"),
        (own, b"junk", "no certificate and unencrypted key"),
        (own, locked, "no certificate and unencrypted key"),
        (b"junk", own_key, "no certificate and unencrypted key"),
    ):
        pair.certificate.write_bytes(certificate)
        pair.key.write_bytes(key)
        with pytest.raises(BadCertificate, match=problem):
            make_node(tmp_path, "a")


def test_without_the_package_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    for make in (make_authority, make_node):
        with pytest.raises(NoCryptography, match=r"pip install 'callboard\[tls\]'"):
            make(tmp_path, "a")
    assert not list(tmp_path.iterdir())


@given(cluster=NAMES, node=NAMES)
def test_an_identity_is_read_as_it_was_written(cluster: str, node: str) -> None:
    identity = Identity(cluster, node)
    assert identity.uri.isascii()
    assert find_identity(["https://example.org", identity.uri]) == identity


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([], "no identity of a node"),
        (["https://a/b"], "no identity of a node"),
        (["callboard://a/b", "callboard://a/c"], "several identities"),
        (["callboard://"], "names no cluster"),
        (["callboard:///b"], "names no cluster"),
        (["callboard://a"], "names no cluster"),
        (["callboard://a/b/c"], "names no cluster"),
        (["callboard://a/b?c"], "names no cluster"),
        (["callboard://a/%62"], "names no cluster"),
        (["callboard://a/%ff"], "names no cluster"),
        (["callboard://a/%00"], "names no cluster"),
        (["callboard://a/b%40c"], "names no cluster"),
    ],
)
def test_what_names_no_node_is_no_identity(found: list[str], problem: str) -> None:
    with pytest.raises(BadCertificate, match=problem):
        find_identity(found)


@given(st.text())
def test_any_uri_is_an_identity_or_a_bad_certificate(text: str) -> None:
    with suppress(BadCertificate):
        assert find_identity([f"callboard://{text}"]).cluster
