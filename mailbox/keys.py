"""The keys of the tables: big-endian numbers and digests, so that byte order is the order we want.

No name of a user's becomes a key. `records` has the values, and hands these on beside them.
"""

from hashlib import blake2b
from struct import Struct

import msgspec

_u64 = Struct(">Q").pack
_pair = Struct(">QQ").pack
_unpair = Struct(">QQ").unpack_from


def key(number: int) -> bytes:
    """A key of one number: BOXES, STATES, DEAD."""
    return _u64(number)


def pair_key(first: int, second: int) -> bytes:
    """A key of two numbers: MAIL (box, first sequence), TIMERS (due, number), REQUESTS (box, number)."""
    return _pair(first, second)


def open_key(data: bytes) -> int:
    """The number in a key of one."""
    return int.from_bytes(data[:8], "big")


def open_pair(data: bytes) -> tuple[int, int]:
    """The two numbers in a key of two."""
    first, second = _unpair(data)
    return first, second


def watch_key(target: str, watcher: int, *, stops: bool) -> bytes:
    """WATCHES: a digest of the watched address, the watcher's mailbox, and whether it stops, too."""
    return name_key(target) + _u64(watcher) + bytes([stops])


def away_watch_key(target: str, watcher: str, number: int, *, stops: bool) -> bytes:
    """WATCHES: the same where the watcher is on another node, or somebody outside there, by a number."""
    who = blake2b(msgspec.msgpack.encode((watcher, number)), digest_size=8).digest()
    return name_key(target) + who + bytes([stops])


def far_key(node: str) -> bytes:
    """LINKS: a digest of the name of a node that mail is sent to; a store that sends has its uuid."""
    return b"@" + name_key(node)


def name_key(name: str) -> bytes:
    """NAMES: a digest of an address."""
    return blake2b(name.encode(), digest_size=16).digest()


def timer_key(setter: str, receiver: str, text: str) -> bytes:
    """KEYED: a timer's key belongs to its setter and its receiver."""
    parts = (setter, receiver, text)
    return blake2b(msgspec.msgpack.encode(parts), digest_size=16).digest()


def mark_key(box: int, id: str) -> bytes:
    """MARKS: a sender's `id=` in the scope of the receiving mailbox."""
    return _u64(box) + blake2b(id.encode(), digest_size=16).digest()
