"""Calling: a command is given to a node until it has answered, or patience is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from ..actors.errors import AskTimeout
from .commands import Answer, Ask, BadFrame, Command, End, Failed, Room, Send
from .errors import NodeUnreachable
from .failures import raised

if TYPE_CHECKING:
    from .client import Client

REACHED_WITHIN_S: Final = 5.0
"""How long a node may take to say hello."""
GRACE_S: Final = 5.0
"""What a node has beyond a command's own time, to tell that it is over."""
GLANCE_S: Final = 0.5
"""What a node that is asked in passing may take: it may be stopped, or held up by a handler."""
SOONEST_S, LATEST_S = 0.01, 0.25
"""Between two tries to reach a node: at first, and at the most."""


class Call:
    """One call of a client, made until it is answered."""

    def __init__(self, client: Client, command: Command, patience_s: float) -> None:
        self._client = client
        self._command = command
        self._patience_s = patience_s
        self._answers_by = float("inf")
        """When the caller is to have an answer, whatever it is."""
        if isinstance(command, Ask):
            if command.timeout is not None:
                self._answers_by = time.monotonic() + command.timeout
        elif isinstance(command, Send):
            self._answers_by = time.monotonic() + max(patience_s, GRACE_S)
        elif isinstance(command, Room):
            self._answers_by = time.monotonic() + GLANCE_S
        self._sent = False
        """In the last try."""
        self._ever_sent = False

    def go(self) -> Answer:
        """The node's answer.

        Raises:
            NodeUnreachable: none within the patience.
            AskTimeout: none within the time of the ask.
        """
        lost_at: float | None = None
        pause_s = 0.0
        while True:
            try:
                answer = self._try()
            except (OSError, BadFrame) as error:
                problem: Exception = error
            else:
                if not isinstance(answer, Failed) or answer.error != "NodeClosed":
                    return answer
                problem = raised(answer)  # it is about to end, and may be back
            now = time.monotonic()
            if self._sent:
                lost_at, self._sent = None, False  # it was reached: patience begins anew
                if _id(self._command) is None:
                    raise self._unreachable(problem)
            lost_at = now if lost_at is None else lost_at
            if now >= self._answers_by and isinstance(self._command, Ask):
                raise AskTimeout(
                    f"{self._command.name!r} did not answer {self._command.handler} within "
                    f"{self._command.timeout} s: {_text(problem)}. The outcome is unknown; "
                    f"ask again with id={self._command.id!r} to be safe"
                )
            if now >= min(lost_at + self._patience_s, self._answers_by):
                raise self._unreachable(problem)
            time.sleep(pause_s)
            pause_s = min(max(pause_s * 2, SOONEST_S), LATEST_S)

    def _try(self) -> Answer:
        left_s = self._answers_by - time.monotonic()
        line = self._client.line(max(min(left_s, REACHED_WITHIN_S), SOONEST_S))
        command = self._command
        grace_s = 0.0
        if isinstance(command, Ask) and command.timeout is not None:
            command = msgspec.structs.replace(command, timeout=max(left_s, 0.0))
            grace_s = GRACE_S
        try:
            self._sent = self._ever_sent = True
            answer = line.exchange(command, max(left_s + grace_s, SOONEST_S))
        except BaseException:
            line.close()  # an answer may be on its way, which would be taken for the next one's
            raise
        if isinstance(command, End):
            line.drain()  # its last commit is on disk when it hangs up
            line.close()
        else:
            self._client.give_back(line)
        return answer

    def _unreachable(self, problem: Exception) -> NodeUnreachable:
        used = _id(self._command)
        advice = "look, and do it again if not" if used is None else f"try again with id={used!r} to be safe"
        outcome = f"; it is unknown whether it was done: {advice}" if self._ever_sent else ""
        where = self._client.where
        return NodeUnreachable(f"no node answers over the store {where}: {_text(problem)}{outcome}")


def _id(command: Command) -> str | None:
    """What makes a second call with the same command safe."""
    return command.id if isinstance(command, Ask | Send) else None


def _text(problem: Exception) -> str:
    if isinstance(problem, FileNotFoundError):
        return "there is no control socket"
    if isinstance(problem, ConnectionRefusedError):
        return "the node whose control socket is there has ended"
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
