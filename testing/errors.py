"""Errors of the failure lab.

CallboardError
├── SimulationError (RuntimeError)   the lab was used in a way it cannot work (the test's author)
│   └── OutsideWorld                 the real clock, randomness, threads or sockets under simulation
└── Crashed                          the node was killed, or is down; the outcome is unknown (nobody's)

AssertionError                       what a test is there to find
├── InvariantBroken                  a promise of the runtime, or an invariant of the test's own
├── NotConverged                     work was still left when it should have been done
└── NotDeterministic                 the same plan went another way the second time
"""

from __future__ import annotations

from ..mailbox.errors import CallboardError, StoreFailed


class SimulationError(CallboardError, RuntimeError):
    """The lab was used in a way it cannot work; the text has the remedy."""


class OutsideWorld(SimulationError):
    """Code under simulation reached for the real clock, real randomness, a thread or a socket."""


class Crashed(CallboardError):
    """The node was killed while a caller waited for it, or is down: the outcome is unknown.

    What a client of a real node would find out by its connection; retry with the same `id=`.
    """


class InvariantBroken(AssertionError):
    """A promise was not kept.

    Attributes:
        name: which, such as `once` or `order`; for an invariant of the test's own, its function's name.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class NotConverged(AssertionError):
    """Faults were over, and work was still left after the time it may take."""


class NotDeterministic(AssertionError):
    """The same plan went another way the second time, so nothing it shows can be trusted."""


class Killed(StoreFailed):
    """What a node that is killed in a simulation hears from its store."""


class FailedSync(StoreFailed):
    """What a node hears of its disk after the fault `fsync_error`."""

    @property
    def wrote(self) -> bool:
        """Whether the commit is on disk all the same, which the node cannot know."""
        return bool(self.args[1])

    def __str__(self) -> str:
        return str(self.args[0])


class Kill(BaseException):
    """Unwinds the code in which a node was killed; no `Exception`, so that nobody swallows it."""
