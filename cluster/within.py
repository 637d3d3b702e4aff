"""Within: a time limit whose error is ours."""

from __future__ import annotations

from types import TracebackType

import trio

from .errors import ClusterError


class Within:
    """`trio.fail_after` with an error of the caller's: a context manager around one thing that is waited for.

    A class, since it stands around every frame that comes, and a generator costs more than the scope itself.
    """

    __slots__ = ("_late", "_scope")

    def __init__(self, seconds: float, late: ClusterError) -> None:
        """Begin to count.

        Args:
            seconds: that it may take.
            late: what is raised if it takes longer.
        """
        self._scope = trio.move_on_after(seconds)
        self._late = late

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scope.__exit__(kind, error, trace)
        if self._scope.cancelled_caught:
            raise self._late from None
