"""Pickled values: the only door to cloudpickle, opened by name for one parameter or field.

    from callboard import Pickled

    class Runner(Actor):
        @handler
        async def run(self, job: Pickled[Callable[[int], int]]) -> None: ...

To a type checker `Pickled[T]` is `T`. It is never a default: a pickle stores classes of a
launch script by value, so that old code comes back after an edit; it runs whatever code
it holds when it is read; and it costs tens of microseconds, twice, since the sender tries
it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_origin

import trio

from ..mailbox.errors import Undecodable
from . import abroad
from .kinds import Form, Inexact, Kind

if TYPE_CHECKING:
    from .ref import Post

T = TypeVar("T")


class _Cloudpickled:
    def __repr__(self) -> str:
        return "cloudpickled"


cloudpickled: Final = _Cloudpickled()
"""Metadata for `Annotated[T, cloudpickled]`, which is what `Pickled[T]` means."""

Pickled = Annotated[T, cloudpickled]
"""A value of type T that travels as a cloudpickle."""


def _cloudpickle() -> Any:
    # Here and not above, since those who never ask for it should not wait for it at every start.
    import cloudpickle  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    return cloudpickle


def _takes_isinstance(type_: Any) -> bool:
    try:
        isinstance(None, type_)
    except TypeError:  # Any, a TypeVar, a Protocol that is not for run time
        return False
    return True


class PickledKind(Kind):
    """A value that cloudpickle writes; only its class is checked."""

    native = False
    immutable = False
    wire = bytes
    decoded: tuple[type[Any], ...] = (bytes,)
    forms = frozenset({Form.ANY})

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.text = f"Pickled[{getattr(annotation, '__qualname__', annotation)}]"
        origin = get_origin(annotation) or annotation
        self._type = origin if _takes_isinstance(origin) else object

    def check(self, value: Any) -> Any:
        if not isinstance(value, self._type):
            raise self.refuse(value)
        try:
            self.lower(value)
        except Exception as error:
            raise Inexact(self.text, value, f"it cannot be pickled: {error}") from error
        return value

    def lower(self, value: Any) -> Any:
        data: bytes = _cloudpickle().dumps(value)
        return data

    def lift(self, value: Any, post: Post | None) -> Any:
        distrusted = abroad.DISTRUSTED.get()
        if distrusted:
            raise Undecodable(
                f"it holds a pickle of node {distrusted!r}, which runs whatever code its maker wrote: "
                "name that node as Peer(..., allow_pickle=True) if you trust it"
            )
        try:
            return _cloudpickle().loads(value)
        except (KeyboardInterrupt, trio.Cancelled):
            raise
        except (
            BaseException
        ) as error:  # a pickle runs code: SystemExit and MemoryError are its acts, not ours
            raise Undecodable(f"a pickle cannot be read: {type(error).__name__}: {error}") from error
