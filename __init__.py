"""Actors whose mailboxes, state and timers survive kill -9: trio for time, LMDB for memory."""

from typing import TYPE_CHECKING, Any

from callboard.actors.actor import Actor, transient
from callboard.actors.codecs import register_codec
from callboard.actors.errors import (
    AskFailed,
    AskInTurn,
    AskTimeout,
    DefinitionError,
    Failure,
    IdReused,
    InTurn,
    MessageTooLarge,
    NameTaken,
    NodeClosed,
    NoSuchActor,
    NotBound,
    NotInTurn,
    NotStorable,
    Overloaded,
    Refusal,
    TurnOver,
)
from callboard.actors.exits import Exit, Failed, Finished, GaveUp, Killed, Stopped
from callboard.actors.handler import handler
from callboard.actors.message import Message
from callboard.actors.pickled import Pickled
from callboard.actors.record import Record
from callboard.actors.ref import ActorRef
from callboard.actors.retry import Retry
from callboard.actors.turn import Turn
from callboard.actors.watching import Terminated
from callboard.cluster.errors import ClusterError, NodeUnreachable
from callboard.cluster.node import Node, NodeStatistics
from callboard.cluster.opening import open_node
from callboard.cluster.running import run
from callboard.mailbox.errors import (
    BadName,
    CallboardError,
    NotAStore,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreForked,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    StoreUnavailable,
    Undecodable,
    WrongNode,
)
from callboard.supervision.errors import ChildRefused, TreeGaveUp

if TYPE_CHECKING:
    from callboard.actors.errands import Errand
    from callboard.actors.office import Office
    from callboard.cluster.client import Client
    from callboard.cluster.peers import Peer
    from callboard.cluster.security import Tls
    from callboard.supervision.backoff import Backoff
    from callboard.supervision.running import RunningTree
    from callboard.supervision.specs import Child, Dynamic, Supervisor

__all__ = [
    "Actor",
    "ActorRef",
    "AskFailed",
    "AskInTurn",
    "AskTimeout",
    "Backoff",
    "BadName",
    "CallboardError",
    "Child",
    "ChildRefused",
    "Client",
    "ClusterError",
    "DefinitionError",
    "Dynamic",
    "Errand",
    "Exit",
    "Failed",
    "Failure",
    "Finished",
    "GaveUp",
    "IdReused",
    "InTurn",
    "Killed",
    "Message",
    "MessageTooLarge",
    "NameTaken",
    "NoSuchActor",
    "Node",
    "NodeClosed",
    "NodeStatistics",
    "NodeUnreachable",
    "NotAStore",
    "NotBound",
    "NotInTurn",
    "NotStorable",
    "Office",
    "Overloaded",
    "Peer",
    "Pickled",
    "Record",
    "Refusal",
    "Retry",
    "RunningTree",
    "Stopped",
    "StoreDamaged",
    "StoreError",
    "StoreFailed",
    "StoreForked",
    "StoreFull",
    "StoreInUse",
    "StoreTooNew",
    "StoreUnavailable",
    "Supervisor",
    "Terminated",
    "Tls",
    "TreeGaveUp",
    "Turn",
    "TurnOver",
    "Undecodable",
    "WrongNode",
    "__version__",
    "handler",
    "open_node",
    "register_codec",
    "run",
    "transient",
]

__version__ = "0.1.0"

_LATER = {
    "Backoff": "callboard.supervision.backoff",
    "Child": "callboard.supervision.specs",
    "Client": "callboard.cluster.client",
    "Dynamic": "callboard.supervision.specs",
    "Errand": "callboard.actors.errands",
    "Office": "callboard.actors.office",
    "Peer": "callboard.cluster.peers",
    "RunningTree": "callboard.supervision.running",
    "Supervisor": "callboard.supervision.specs",
    "Tls": "callboard.cluster.security",
}
"""What a plain program does not need, by the module that is loaded when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
