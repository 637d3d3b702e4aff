"""Client: a running node's actors, for threads and scripts beside any event loop.

It is synchronous, speaks over the control socket in the node's store, and may be used by many threads at
once: each call has a connection of its own while it lasts, and connections are kept for the next. What is
told or asked carries an id, so a call whose connection was lost is simply made again, also to a node that was
restarted meanwhile: it takes effect once.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..actors.durations import Seconds, in_seconds
from ..actors.errors import NodeClosed
from ..actors.marks import check_id
from ..actors.ref import ActorRef
from ..actors.sending import check_message
from ..mailbox.errors import CallboardError
from ..mailbox.names import check_name
from . import commands
from .calling import Call
from .commands import Answer, Ask, Command, Failed, Hello, Part, Replied, Send, Written
from .doorbell import SOCKET, address
from .failures import raised

if TYPE_CHECKING:
    from types import TracebackType

    from ..actors.actor import Actor
    from ..actors.message import Message

A = TypeVar("A", bound="Actor")
R = TypeVar("R")

MOST_KEPT: Final = 8
"""Connections that wait for the next call."""


class Client:
    """A running node, for synchronous callers; threads may share one.

        with Client("./bank") as client:
            ann = client.ref(Account, "ann")
            client.tell(ann, Account.deposit(30))
            balance = client.ask(ann, Account.withdraw(50), timeout=5)

    While the node is restarted, calls wait for it and go on. Without an `id=` every call gets one of its own,
    which makes it take effect once however often the connection is lost; give your own to be safe when this
    process too may be started again.

    Calls block their thread. So an actor never uses a client, least of all one of its own node, which would
    wait for itself: it has refs.
    """

    def __init__(self, store: str | Path, *, timeout: Seconds = 10.0) -> None:
        """Nothing is connected until the first call.

        Args:
            store: the directory of the node's store, or the control socket in it.
            timeout: seconds to go on trying when the node does not answer.
        """
        path = Path(store)
        self._directory = path.parent if path.name == SOCKET else path
        self._patience_s = in_seconds(timeout, "timeout=")
        self._kept: deque[Line] = deque()  # its ends may be used by all threads at once
        self._closed = False

    def ref(self, kind: type[A], name: str) -> ActorRef[A]:
        """The ref of a name, whether or not an actor lives there; for `tell` and `ask` of a client.

        Args:
            kind: the actor's class, for the type checker.
            name: its address, `name` or `name@node`; BadName is raised if it cannot be one.
        """
        short, _, node = name.partition("@")
        return ActorRef(check_name(short), node)

    def tell(
        self,
        ref: ActorRef[A],
        message: Message[A, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        """Send a message; durable when this returns (G1), and in effect once however often it was sent (G12).

        Args:
            ref: of the actor, from `ref`.
            message: made by a handler of its class.
            delay: seconds until it takes its place in the mailbox (G11).
            key: name of the timer this sets; see `ActorRef.tell`.
            id: at most 64 bytes; by default one of its own.

        Raises:
            NodeUnreachable: no node answered within the client's `timeout`; the outcome is unknown.
            TypeError: the message belongs to another actor's class.
            IdReused: the id was used with other content.
            NodeClosed: this client was closed.
        """
        command = Send(
            name=str(ref),
            handler=_spec(message).name,
            parameters=Written(message.body(), message.spec.version),
            type=message.spec.type_name,
            id=_id(id),
            delay=in_seconds(delay, "delay="),
            key=key,
        )
        _check(self.do(command))

    def ask(
        self,
        ref: ActorRef[A],
        message: Message[A, R],
        *,
        timeout: Seconds | None = None,
        id: str | None = None,
    ) -> R:
        """Send a message and wait for its reply (G12).

        Args:
            ref: of the actor, from `ref`.
            message: made by a handler of its class.
            timeout: seconds to wait for the reply; None waits as long as the node can be reached.
            id: at most 64 bytes; by default one of its own.

        Raises:
            Refusal: the actor refused; its own type.
            AskFailed: the message failed for good.
            AskTimeout: no reply in time; the outcome is unknown.
            NoSuchActor: no actor lives at this address.
            NodeUnreachable: no node answered within the client's `timeout`; the outcome is unknown.
            NodeClosed: this client was closed.
        """
        spec = _spec(message)
        command = Ask(
            name=str(ref),
            handler=spec.name,
            parameters=Written(message.body(), spec.version),
            type=spec.type_name,
            id=_id(id),
            timeout=None if timeout is None else in_seconds(timeout, "timeout="),
        )
        answer = self.do(command)
        _check(answer)
        assert isinstance(answer, Replied)
        reply: R = spec.reply.decode(answer.body, None)
        return reply

    def do(self, command: Command) -> Answer:
        """Have the node do what a command says; for the command line.

        A command without an id is not made twice: if the connection is lost, its outcome is unknown.

        Raises:
            NodeUnreachable: no node answered in time.
            NodeClosed: this client was closed.
        """
        return Call(self, command, self._patience_s).go()

    def line(self, within_s: float) -> Line:
        """A connection to the node; who takes it gives it back, or closes it.

        Raises:
            OSError: nobody answers there.
            CallboardError: a node answers, and does not take commands of this release.
        """
        if self._closed:
            raise NodeClosed("this client was closed: make another")
        with suppress(IndexError):
            while True:
                line = self._kept.pop()
                if line.is_ours:
                    return line
                line.close()
        return Line(self._directory, within_s)

    def give_back(self, line: Line) -> None:
        """Keep a connection for the next call."""
        self._kept.append(line)
        while len(self._kept) > (0 if self._closed else MOST_KEPT):
            with suppress(IndexError):
                self._kept.popleft().close()

    def close(self) -> None:
        """Close the connections; calls under way in other threads go on to their end."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._kept.pop().close()

    @property
    def where(self) -> Path:
        """The directory of the node's store."""
        return self._directory

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<client of {self._directory}>"


class Line:
    """One connection to a node; one command at a time."""

    def __init__(self, directory: Path, within_s: float) -> None:
        self._pid = os.getpid()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(within_s)
            with address(directory) as where:
                self._socket.connect(where)
            self._greet()
        except BaseException:
            self._socket.close()
            raise

    @property
    def is_ours(self) -> bool:
        """Whether this process made it: a forked child has one of its parent's, and leaves it alone."""
        return self._pid == os.getpid()

    def _greet(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # what it said before it hung up can be read
            self._socket.sendall(commands.frame(Hello(commands.VERSION)))
        answer: Hello | Failed = commands.read(self._get(commands.MOST_OF_HELLO), commands.READ_WELCOME)
        if isinstance(answer, Failed):
            raise raised(answer)
        if answer.version != commands.VERSION:
            raise CallboardError(
                f"the node takes commands of version {answer.version}, and this process speaks version "
                f"{commands.VERSION}: use the same release of callboard for both"
            )

    def exchange(self, command: Part, within_s: float) -> Answer:
        """Say a command and hear its answer.

        Raises:
            OSError: the connection was lost.
        """
        self._socket.settimeout(None if within_s == float("inf") else within_s)
        self._socket.sendall(commands.frame(command))
        answer: Answer = commands.read(self._get(commands.MOST), commands.READ_ANSWER)
        return answer

    def _get(self, most: int) -> bytes:
        return self._exactly(commands.frame_size(self._exactly(4), most))

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            some = self._socket.recv(min(size - len(found), 1 << 16))
            if not some:
                raise ConnectionResetError("it hung up")
            found += some
        return bytes(found)

    def drain(self) -> None:
        """Return when the node has hung up."""
        self._socket.settimeout(None)
        with suppress(OSError):
            while self._socket.recv(1 << 16):
                pass

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _spec(message: Any) -> Any:
    check_message(message)
    return message.spec


def _id(id: str | None) -> str:
    if id is None:
        return uuid.uuid4().hex
    check_id(id)
    return id


def _check(answer: Answer) -> None:
    if isinstance(answer, Failed):
        raise raised(answer)
