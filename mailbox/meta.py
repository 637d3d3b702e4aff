"""The META records that say whose store this is, and what opening and closing write there.

Both stores share these decisions; they are functions over the values found, and who
calls them reads and commits. The record under `FORMAT_KEY` has its shape for ever, so that
every release can say of every store whether it is one and whether it can be read.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from .errors import NotAStore, StoreDamaged, StoreTooNew, Undecodable, WrongNode
from .identity import COUNT_BITS, Identity
from .names import check_name
from .records import FORMAT, INCARNATION_KEY, pack_number, seal, unpack_number, unseal

FORMAT_KEY: Final = b"callboard"
"""The store's format, as `pack_number`. That it is there at all says: this is a callboard store."""
UUID_KEY: Final = b"uuid"
"""16 sealed bytes."""
NODE_KEY: Final = b"node"
"""The sealed UTF-8 name of the store's node; absent until one is given."""
CLEAN_KEY: Final = b"clean"
"""1 after a clean close, 0 while the store is open or after a crash, as `pack_number`."""
MADE_KEY: Final = b"made"
"""When the store was made, ns, as `pack_number`."""
OPENED_KEY: Final = b"opened"
"""When it was last opened to write, ns, as `pack_number`."""
PAUSED_KEY: Final = b"paused"
"""Actor types that are paused, and why; absent while none is. See `maps`."""
SUSPECTS_KEY: Final = b"suspects"
"""Messages in whose turn the process was killed; absent while there is none. See `suspects`."""
LOOSE_KEY: Final = b"loose"
"""Large bodies that no message has; absent while there is none. See `maps`."""

Changes = dict[bytes, bytes | None]
"""What to write into META."""


def birth(uuid: bytes, now_ns: int) -> dict[bytes, bytes]:
    """META of a new store, before its first opening."""
    assert len(uuid) == 16
    return {
        FORMAT_KEY: pack_number(FORMAT),
        UUID_KEY: seal(uuid),
        INCARNATION_KEY: pack_number(0),
        CLEAN_KEY: pack_number(1),
        MADE_KEY: pack_number(now_ns),
    }


def read_identity(get: Callable[[bytes], bytes | None], where: str) -> Identity:
    """Who a store is, from its META.

    Raises:
        NotAStore: META does not say that it is one.
        StoreTooNew: a newer release wrote it.
        StoreDamaged: a record's checksum or shape is wrong, or one is missing.
    """
    check_format(get(FORMAT_KEY), where)
    node = get(NODE_KEY)
    try:
        return Identity(
            uuid=unseal(_found(get(UUID_KEY))),
            incarnation=unpack_number(_found(get(INCARNATION_KEY))),
            node="" if node is None else unseal(node).decode(),
            created=False,
            clean=unpack_number(_found(get(CLEAN_KEY))) == 1,
        )
    except (Undecodable, UnicodeDecodeError) as error:
        raise StoreDamaged(
            f"the store {where} is damaged: the records that say whose it is cannot be read ({error}). "
            "Nothing was changed: restore it from a copy"
        ) from error


def check_format(value: bytes | None, where: str) -> None:
    """Whether this release reads a store of this format.

    Raises:
        NotAStore: there is no such record.
        StoreTooNew: the format is newer.
        StoreDamaged: the record cannot be read.
    """
    if value is None:
        raise NotAStore(
            f"{where} is an LMDB database of another program: it has no callboard format record. Nothing was "
            "changed: give the store a directory of its own. If it is a copy of a store, it was torn, since "
            "it was made with cp under a running node: use callboard store backup"
        )
    try:
        found = unpack_number(value)
    except Undecodable as error:
        raise StoreDamaged(
            f"the store {where} is damaged: its format record cannot be read ({error}). "
            "Nothing was changed: restore it from a copy"
        ) from error
    if found > FORMAT:
        raise StoreTooNew(
            f"the store {where} has format {found}, and this release reads up to format {FORMAT}. "
            "A newer release wrote it: upgrade callboard, nothing was changed"
        )


def raised(identity: Identity, *, node: str, now_ns: int, where: str) -> tuple[Identity, Changes]:
    """The identity after an opening to write, and what must be committed before its first use.

    `clean` goes on telling how the last node left.

    Raises:
        WrongNode: the store belongs to a node of another name.
        BadName: the node's name cannot be one.
    """
    name = _node_name(identity.node, node, where)
    incarnation = identity.incarnation + 1
    assert incarnation < 1 << (64 - COUNT_BITS), "a store opened 16 million times has no numbers left"
    changes: Changes = {
        INCARNATION_KEY: pack_number(incarnation),
        CLEAN_KEY: pack_number(0),
        OPENED_KEY: pack_number(now_ns),
    }
    if name != identity.node:
        changes[NODE_KEY] = seal(name.encode())
    return msgspec.structs.replace(identity, incarnation=incarnation, node=name), changes


def closing() -> Changes:
    """What a clean close writes."""
    return {CLEAN_KEY: pack_number(1)}


def _node_name(fixed: str, given: str, where: str) -> str:
    if not given or given == fixed:
        return fixed
    if fixed:
        raise WrongNode(
            f"the store {where} belongs to the node {fixed!r}, and {given!r} wants to open it. A store keeps "
            f"its node's name for life, since other nodes know it by that name: open it as node={fixed!r}, "
            f"or give {given!r} a store of its own"
        )
    return check_name(given)


def _found(value: bytes | None) -> bytes:
    if value is None:
        raise Undecodable("a record is missing")
    return value
