"""Asks: callers outside a turn that wait for a reply.

They live in memory only: after a crash the asker is gone, and so is its wait. A reply is
handed over when the batch of the answering turn is on disk (G12).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from .ledger import Ledger


class Ask:
    """One caller's wait."""

    __slots__ = ("answered", "error", "value")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.value: Any = None
        self.error: BaseException | None = None

    def give(self, value: Any, error: BaseException | None) -> None:
        """Hand over the answer."""
        self.value = value
        self.error = error
        self.answered.set()


class Asks:
    """The waits, by the number of the message that was asked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[int, list[Ask]] = {}

    def wait_for(self, number: int) -> Ask:
        """Wait for what becomes of a message."""
        ask = Ask()
        self._waiting.setdefault(number, []).append(ask)
        return ask

    def forget(self, number: int, ask: Ask) -> None:
        """A caller gave up."""
        waits = self._waiting.get(number)
        if waits and ask in waits:
            waits.remove(ask)
            if not waits:
                del self._waiting[number]

    def answer(self, number: int, value: Any) -> None:
        """A turn answered; its callers hear when it is durable."""
        if number in self._waiting:
            self._ledger.release(partial(self._give, number, value, None))

    def fail(self, number: int, error: BaseException) -> None:
        """A message was refused or failed for good."""
        if number in self._waiting:
            self._ledger.release(partial(self._give, number, None, error))

    def give(self, number: int, value: Any, error: BaseException | None) -> None:
        """An answer has come that is on disk where it was made: its callers need not wait for our own."""
        self._give(number, value, error)

    def _give(self, number: int, value: Any, error: BaseException | None) -> None:
        # Not before: if the batch never reaches the disk, its callers are still among those who wait.
        for ask in self._waiting.pop(number, ()):
            ask.give(value, error)

    def close(self, error: BaseException) -> None:
        """The node is gone; nobody will answer."""
        for waits in self._waiting.values():
            for ask in waits:
                ask.give(None, error)
        self._waiting.clear()
