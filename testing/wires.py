"""Wires of the simulated network: each has two ends, and from each a road to the other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from ..cluster.errors import FrameTooLarge, WireClosed

if TYPE_CHECKING:
    from .network import Network, Way

ROOM = 1024 * 1024
"""Bytes that may lie at the other end and not be received; whoever sends more waits, as with a socket."""
ENDED: Final = None
"""What goes through a road behind the last frame."""


class End:
    """One end of a wire: a `Wire`."""

    def __init__(self, network: Network, owner: str, faces: str, *, dialled: bool) -> None:
        self.peer = ""
        self.cluster = ""
        self.admitted = False
        self.owner = owner
        self.dialled = dialled
        """Whether it is the end of who dialled."""
        self.has_greeted = False
        """It has sent its first frame, the hello."""
        self.other: End
        self._network = network
        self._faces = faces
        self._way: Way
        self._road: deque[tuple[float, bytes | None]] = deque()
        """What is under way to the other end, and when it is due there."""
        self._is_waited_for = False
        self._inbox: deque[bytes] = deque()
        self._lying = 0
        """Bytes in the inbox."""
        self._ended = ""
        """Why nothing can be sent any more, and nothing received but what lies here."""
        self._news = trio.Event()
        self._sending = trio.Lock()
        self._halfway: bytes | None = None
        """The frame that is being sent."""

    def join(self, other: End, there: Way, back: Way) -> None:
        """Make the wire of two ends."""
        self.other, other.other = other, self
        self._way, other._way = there, back

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return bool(self._ended)

    # Of `Wire`.

    async def send(self, frame: bytes) -> None:
        """See `Wire`."""
        async with self._sending:
            self._check_open()
            self._leave(frame)
            self._halfway = frame
            try:
                while self.other._lying > ROOM and not self._ended:  # noqa: SLF001
                    await self.other._wait()  # noqa: SLF001
            except BaseException:
                if self.other._lies_last(frame):  # noqa: SLF001
                    self.break_off("was closed since a send was cancelled halfway")
                raise
            finally:
                self._halfway = None
            self._check_open()

    async def receive(self, most: int) -> bytes:
        """See `Wire`."""
        await trio.lowlevel.checkpoint()
        while not self._inbox:
            self._check_open()
            await self._wait()
        size = len(self._inbox[0])
        if size > most:
            self.break_off("was closed since a frame was too large")
            raise FrameTooLarge(
                f"{self._faces} announced a frame of {size} bytes where at most {most} are taken"
            )
        self._lying -= size
        frame = self._inbox.popleft()
        self._wake()
        return frame

    async def aclose(self) -> None:
        """See `Wire`."""
        self.break_off("was closed on this side")

    def _check_open(self) -> None:
        if self._ended:
            raise WireClosed(self._ended)

    async def _wait(self) -> None:
        await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()

    def _lies_last(self, frame: bytes) -> bool:
        """Whether a frame has come and was not received."""
        return bool(self._inbox) and self._inbox[-1] is frame

    def _withdraw(self, frame: bytes) -> None:
        """Take back a frame of which not all has come."""
        if self._lies_last(frame):
            self._lying -= len(self._inbox.pop())

    # Ending.

    def break_off(self, why: str, *, silent: bool = False) -> None:
        """End this end at once; the other hears of it behind what was sent, unless this is silent."""
        if self._ended:
            return
        self._end(why)
        if self._halfway is not None:
            self.other._withdraw(self._halfway)  # noqa: SLF001
        self._inbox.clear()
        self._lying = 0
        if silent:
            self._network.note(self._way.name, "the other end does not hear that the wire is broken")
        else:
            self._leave(ENDED)
        if self.other.is_over:
            self._network.forget(self)

    def _end(self, why: str) -> None:
        self._ended = f"the connection with {self._faces} {why}"
        self._wake()
        self.other._wake()  # noqa: SLF001 - whoever waits there for room waits in vain

    # The road to the other end.

    def _leave(self, frame: bytes | None) -> None:
        """Send something on its way, with what is wrong with that."""
        from .network import show_frame

        way, greets = self._way, not self.has_greeted
        if greets or not self._goes_wrong(way, frame):
            self.has_greeted = True
            self.put(frame)
        else:
            self._network.note(way.name, f"{show_frame(frame)} {self._what}")

    _what = ""

    def _goes_wrong(self, way: Way, frame: bytes | None) -> bool:
        """Whether something does not go the usual way."""
        if way.parted:
            self._what = "is lost: a partition"
            return True
        if frame is None:
            return False
        if way.drops:
            way.drops -= 1
            self._what = "is lost"
            return True
        if way.late:
            by = way.late.pop(0)
            self._what = f"comes {by:g} s late"
            self._later(by, frame)
            return True
        if way.doubles:
            by = way.doubles.pop(0)
            self._what = f"comes twice, the second time {by:g} s late"
            self.put(frame)
            self._later(by, frame)
            return True
        return False

    def put(self, frame: bytes | None) -> None:
        """Put something on the road, behind what is there."""
        due = trio.current_time() + self._way.delay_s
        self._road.append((max(due, self._road[-1][0]) if self._road else due, frame))
        self.move()

    def hurry(self) -> None:
        """Let everything on the road be due now."""
        now = trio.current_time()
        self._road = deque((min(due, now), frame) for due, frame in self._road)

    def move(self) -> None:
        """Deliver what is due, and wait for the rest."""
        now, road = trio.current_time(), self._road
        while road and not self._way.blocked and road[0][0] <= now:
            self.other._arrive(road.popleft()[1])  # noqa: SLF001
        if road and not self._is_waited_for:
            self._is_waited_for = True
            assert self._network.nursery is not None
            self._network.nursery.start_soon(self._pump)

    async def _pump(self) -> None:
        while self._road:
            moved = self._network.moved
            with trio.move_on_at(float("inf") if self._way.blocked else self._road[0][0]):
                await moved.wait()
            self.move()
        self._is_waited_for = False

    def _later(self, by_s: float, frame: bytes) -> None:
        assert self._network.nursery is not None
        self._network.nursery.start_soon(self._come_late, by_s, frame)

    async def _come_late(self, by_s: float, frame: bytes) -> None:
        await trio.sleep(by_s)
        end = self if not self.is_over else self._network.successor(self)
        if end is not None:
            end.put(frame)

    def _arrive(self, frame: bytes | None) -> None:
        if self._ended:
            return
        if frame is None:
            self._end("was ended by the other side")
            self._network.forget(self)
            return
        self._inbox.append(frame)
        self._lying += len(frame)
        self._wake()
