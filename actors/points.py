"""Points: the moments of a node's life that somebody may listen to.

Production code marks each with one line, `if probe is not None: probe.turn_begin(...)`, which costs a
comparison while nobody listens. The failure lab listens: it writes down what happens, asserts the
promises at every commit, and may end the node at any of these moments by raising out of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .cell import Cell
    from .mail import Mail
    from .turn import Turn


class Probe(Protocol):
    """Listens to one node. Whatever it raises that is no `Exception` ends the node there and then."""

    def delivered(self, cell: Cell, mail: Mail) -> None:
        """A message has its place in a mailbox, with the open batch."""
        ...

    def turn_begin(self, turn: Turn) -> None:
        """A handler is about to begin."""
        ...

    def turn_resumed(self, turn: Turn) -> None:
        """A handler that had suspended is about to go on: its causes are said to be on disk (G6)."""
        ...

    def turn_end(self, turn: Turn) -> None:
        """A handler has returned, and nothing of its turn is written yet. An `Exception` fails the turn."""
        ...

    def handled(self, cell: Cell, mail: Mail) -> None:
        """A turn's effects and state are in the open batch."""
        ...

    def refused(self, cell: Cell, mail: Mail) -> None:
        """A turn was undone, and its refusal is the answer."""
        ...

    def failed(self, cell: Cell, mail: Mail) -> None:
        """A turn was undone and will be tried again, or its mailbox waits."""
        ...

    def died(self, cell: Cell, mail: Mail) -> None:
        """A message became a dead letter."""
        ...

    def dropped(self, cell: Cell, mail: Mail) -> None:
        """A fired timer's message was void and is discarded."""
        ...

    def replayed(self, cell: Cell, mail: Mail) -> None:
        """A dead letter is taken back; it comes to a mailbox next."""
        ...

    def discarded(self, number: int) -> None:
        """The dead letter of the message of this number is thrown away."""
        ...

    def timer_set(self, cell: Cell, mail: Mail, due: int) -> None:
        """A message waits until `due`, nanoseconds since the epoch, with the open batch."""
        ...

    def timer_cancelled(self, timer: int) -> None:
        """The timer of this number, which has a key and has not fired, is cancelled or replaced."""
        ...

    def timer_fired(self, to: str, mail: Mail, due: int) -> None:
        """A timer is due; its message comes next."""
        ...

    def sealed(self, lsn: int) -> None:
        """A batch is complete and on its way to the store (`commit.before_durable`)."""
        ...

    def durable(self, lsn: int) -> None:
        """A batch is on disk, and nobody has heard of it yet (`commit.durable`)."""
        ...

    def link(self, point: str) -> None:
        """A link came to a point.

        `link.hello`, this side knows where to go on; `link.sent`, a frame of mail; `link.taken`, its mail is
        in the open batch; `link.stored`, that batch is on disk; `link.acknowledged`, the sender was told so;
        `link.handed_over`, the sender lets the mail go.
        """
        ...

    def arrived(self, store: bytes, number: int) -> None:
        """A parcel was taken in with the open batch: whose store it is from, and its number there, or 0."""
        ...
