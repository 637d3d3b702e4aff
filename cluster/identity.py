"""Identity: which node of which cluster a certificate is for, as one URI.

`callboard://<cluster>/<node>`, both percent-encoded: a name may hold any letter, a certificate's URI is
ASCII. It stands among the certificate's alternative names; host names play no part, since a node is the
same node on another machine.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

import attrs

from ..mailbox.errors import BadName
from ..mailbox.names import check_name
from .errors import BadCertificate

SCHEME: Final = "callboard://"

_URI: Final = re.compile(r"callboard://([^/?#]+)(?:/([^/?#]*))?", re.ASCII)


@attrs.frozen
class Identity:
    """One node of one cluster; the cluster's authority itself where the node is empty."""

    cluster: str
    node: str

    @property
    def uri(self) -> str:
        """How a certificate says it."""
        return f"{SCHEME}{quote(self.cluster, safe='')}/{quote(self.node, safe='')}"


def find_identity(uris: Iterable[str]) -> Identity:
    """The one identity among a certificate's URIs; those of other schemes are not ours to read.

    Raises:
        BadCertificate: there is none, there are several, or it is not written as we write it.
    """
    ours = [uri for uri in uris if uri.startswith(SCHEME)]
    if len(ours) != 1:
        found = "no identity of a node" if not ours else "several identities"
        raise BadCertificate(
            f"the certificate holds {found} ({SCHEME}cluster/node): make one with callboard cert node NAME"
        )
    match = _URI.fullmatch(ours[0])
    try:
        found_names = [unquote(part, errors="strict") for part in match.groups("")] if match else []
        identity = Identity(*(check_name(name) if name else "" for name in found_names))
    except (TypeError, UnicodeDecodeError, BadName):
        identity = Identity("", "")
    if not identity.cluster or identity.uri != ours[0]:  # one name has one spelling
        raise BadCertificate(f"the certificate's identity {ours[0]!a} names no cluster and node")
    return identity
