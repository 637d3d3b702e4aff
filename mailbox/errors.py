"""Errors of the ground floor, and the root of the whole tree.

CallboardError                 everything this library raises on purpose
├── StoreError                 the store on disk
│   ├── StoreInUse             another node holds it (yours to stop)
│   ├── NotAStore              the path holds something else (yours to point elsewhere)
│   ├── StoreUnavailable       the system refuses access (permissions, a read-only disk)
│   ├── StoreTooNew            written by a newer release (upgrade the library)
│   ├── WrongNode              it belongs to a node of another name (yours to rename)
│   ├── StoreDamaged           bytes are not what was written (the disk's act)
│   ├── StoreFull              no room; nothing was lost, the commit may be tried again
│   ├── CopyRefused            a copy would overwrite something (yours to name another place)
│   ├── StoreForked            used in a forked child (open a store after the fork)
│   └── StoreFailed            the disk failed; what it holds is unknown until reopened
├── BadName                    a name that cannot be an address (the caller's act)
└── Undecodable                a record whose checksum or shape is wrong

Every text says what went wrong, why, and what to do.
"""


class CallboardError(Exception):
    """The root of every error this library raises on purpose."""


class StoreError(CallboardError):
    """Something about the store on disk."""


class StoreInUse(StoreError):
    """Another running node holds this store: one store has one node (G15)."""


class NotAStore(StoreError):
    """The path holds something that is not a callboard store."""


class StoreUnavailable(StoreError):
    """The operating system refuses access to the store."""


class StoreTooNew(StoreError):
    """The store was written in a format newer than this release reads."""


class WrongNode(StoreError):
    """The store belongs to a node of another name: a store keeps its node's name for life."""


class StoreDamaged(StoreError):
    """The store's bytes are not what was written; nothing was changed."""


class StoreFull(StoreError):
    """No room for a commit; nothing was lost and the same commit may be tried again."""


class CopyRefused(StoreError):
    """A copy of a store would overwrite something, or another one is being written there."""


class StoreForked(StoreError):
    """A forked child touched its parent's store."""


class StoreFailed(StoreError):
    """The disk failed during a commit: its outcome is unknown until the store is reopened."""


class BadName(CallboardError, ValueError):
    """A name that cannot be an address."""


class Undecodable(CallboardError):
    """A record whose checksum or shape is not what its format says."""
