"""The head of LMDB's data file, read without LMDB.

LMDB maps the file and trusts it: a file of 0 bytes becomes a new empty store, a truncated one
kills the process by SIGBUS. So the two meta pages are read first, and the file's length is
compared with the last page they speak of.

A file may rightly end earlier: a page that was taken and freed within one commit is never
written, and about one commit in fifty leaves such pages at the very end. They are on the free
list then, so a short file is whole exactly if every page it lacks is free. The free list is
an LMDB tree like any other (key: transaction, value: a count and that many page numbers).

Layout of LMDB 0.9 on 64-bit machines, in the machine's byte order.
"""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec

MAGIC: Final = 0xBEEFC0DE
VERSION: Final = 1
"""Of LMDB 0.9; LMDB 1.0 writes 3, with a longer page head."""
NO_PAGE: Final = 2**64 - 1

_PAGE_HEAD: Final = Struct("=QHHHH")  # number, pad, flags, lower, upper
_META: Final = Struct("=IIQQ")  # magic, version, address, map size; behind the page head
_TREE: Final = Struct("=IHHQQQQQ")  # pad, flags, depth, branch, leaf and overflow pages, entries, root
_TAIL: Final = Struct("=QQ")  # last page, transaction
_NODE: Final = Struct("=HHHH")  # low and high half of the size, flags, size of the key
_U16: Final = Struct("=H")
_U64: Final = Struct("=Q")
_META_AT: Final = _PAGE_HEAD.size
_FREE_AT: Final = _META_AT + _META.size
_TAIL_AT: Final = _FREE_AT + 2 * _TREE.size
_META_BYTES: Final = _TAIL_AT + _TAIL.size
_NEW_META_AT: Final = 24
"""Where LMDB 1.0 has its magic number."""
_BRANCH, _LEAF, _META_PAGE, _BIG = 1, 2, 8, 1
_MOST_DEPTH: Final = 32

READABLE: Final = sys.maxsize > 2**32
"""Whether this machine's data files have the layout above."""


class BadHead(Exception):
    """The file's head is not that of a data file that can be opened; the text says how."""


class ForeignHead(BadHead):
    """The file has no head of LMDB at all, or one of another version."""


class Head(msgspec.Struct, frozen=True):
    """One of the two meta pages."""

    page_size: int
    free_root: int
    last_page: int
    transaction: int


def check_data_file(path: Path) -> None:
    """Whether LMDB can open a data file without harm.

    Raises:
        BadHead: it cannot.
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise BadHead("it has 0 bytes")
        if READABLE:
            head = read_head(file.fileno(), size)
            # The length is taken after the head: a node may be writing beside us, and the
            # file has grown before the head says so.
            _check_length(file.fileno(), head, os.fstat(file.fileno()).st_size)


def read_head(fd: int, size: int) -> Head:
    """The newer of the two meta pages.

    Raises:
        BadHead: one of them is not there or not whole.
    """
    first = _read_meta(os.pread(fd, _META_BYTES, 0), "first")
    second = _read_meta(os.pread(fd, _META_BYTES, first.page_size), "second")
    if size < 2 * first.page_size or first.page_size != second.page_size:
        raise BadHead(f"its {size} bytes do not hold two meta pages")
    return max(first, second, key=lambda head: head.transaction)


def _read_meta(data: bytes, which: str) -> Head:
    if len(data) < _META_BYTES:
        raise BadHead(f"it ends within the {which} meta page")
    _, _, flags, _, _ = _PAGE_HEAD.unpack_from(data)
    magic, version, _, _ = _META.unpack_from(data, _META_AT)
    if magic != MAGIC or version != VERSION:
        newer = _META.unpack_from(data, _NEW_META_AT)[:2]
        if newer[0] == MAGIC or magic == MAGIC:
            found = newer[1] if newer[0] == MAGIC else version
            raise ForeignHead(f"it has format {found} of LMDB, and a store has format {VERSION} (LMDB 0.9)")
        raise ForeignHead(f"the {which} meta page is not one of LMDB")
    page_size, _, _, _, _, _, _, free_root = _TREE.unpack_from(data, _FREE_AT)
    last_page, transaction = _TAIL.unpack_from(data, _TAIL_AT)
    if not flags & _META_PAGE or not 512 <= page_size <= 65536 or page_size & (page_size - 1):
        raise BadHead(f"the {which} meta page is damaged")
    return Head(page_size, free_root, last_page, transaction)


def _check_length(fd: int, head: Head, size: int) -> None:
    there = size // head.page_size
    lacking = head.last_page + 1 - there
    if lacking <= 0:
        return
    try:
        free = sum(there <= page <= head.last_page for page in set(free_pages(fd, head)))
    except (struct.error, ValueError):
        free = 0
    if free != lacking:
        raise BadHead(
            f"it has {size} bytes and needs {(head.last_page + 1) * head.page_size}: its end was cut off"
        )


def free_pages(fd: int, head: Head) -> Iterator[int]:
    """Every page on the free list of the newest commit.

    Raises:
        struct.error, ValueError: the list's own pages are not whole.
    """
    if head.free_root != NO_PAGE:
        yield from _free_below(fd, head, head.free_root, _MOST_DEPTH)


def _free_below(fd: int, head: Head, number: int, depth: int) -> Iterator[int]:
    page = os.pread(fd, head.page_size, number * head.page_size)
    found, _, flags, lower, _ = _PAGE_HEAD.unpack_from(page)
    if found != number or not depth:
        raise ValueError(f"page {number} is not what it should be")
    for at in range(_PAGE_HEAD.size, lower, 2):
        node = _U16.unpack_from(page, at)[0]
        low, high, kind, key_size = _NODE.unpack_from(page, node)
        if flags & _BRANCH:
            yield from _free_below(fd, head, low | high << 16 | kind << 32, depth - 1)
        else:
            yield from _free_in(fd, head, page[node + _NODE.size + key_size :], big=bool(kind & _BIG))


def _free_in(fd: int, head: Head, value: bytes, *, big: bool) -> Iterator[int]:
    at = 0
    if big:  # the value lies on pages of its own
        start = _U64.unpack_from(value)[0] * head.page_size + _PAGE_HEAD.size
        count = _U64.unpack(os.pread(fd, 8, start))[0]
        if count > head.last_page:
            raise ValueError("more free pages than pages")
        value = os.pread(fd, 8 + 8 * count, start)
    count = _U64.unpack_from(value)[0]
    for at in range(8, 8 + 8 * count, 8):
        yield _U64.unpack_from(value, at)[0]
