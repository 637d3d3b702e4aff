"""Network: a simulated `Transport`, in which whatever is said between two nodes can go wrong.

Frames go from end to end in memory: at once, none lost, in order, until a verb says otherwise. Verbs act on
a *way*, one direction between two nodes. The first frame of each end of a wire is its hello, which nothing
but the wire's end can lose, as with a real connection; later frames can be lost, doubled and late, since a
link promises to live with that.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator

import attrs
import trio

from ..cluster.addresses import Address
from ..cluster.errors import BadFrame, CannotListen, CannotReach, WireClosed
from ..cluster.frames import Kind, open_frame
from ..cluster.wire import MOST_UNADMITTED, Wire
from .wires import End

log = logging.getLogger("callboard.cluster")

FIRST_PORT = 7000
Take = Callable[[Wire], Awaitable[None]]


@attrs.define(eq=False)
class Way:
    """One direction between two nodes, and what is wrong with it."""

    name: str
    parted: int = 0
    """Partitions that are in force: nothing comes through, and what is sent is lost."""
    held: int = 0
    """Holds that are in force: what is sent waits."""
    delay_s: float = 0.0
    drops: int = 0
    """How many of the next frames are lost."""
    doubles: list[float] = attrs.field(factory=list[float])
    """For each of the next frames: how late a second copy comes, seconds."""
    late: list[float] = attrs.field(factory=list[float])
    """For each of the next frames: how late it comes, while others pass it."""

    @property
    def blocked(self) -> bool:
        """Whether nothing comes through now."""
        return self.parted > 0 or self.held > 0

    def heal(self) -> None:
        """Let it be a good way."""
        self.parted = self.held = self.drops = 0
        self.delay_s = 0.0
        self.doubles.clear()
        self.late.clear()


@attrs.define(eq=False)
class Ear:
    """Who listens at an address."""

    owner: str
    nursery: trio.Nursery
    take: Take
    ends: list[End] = attrs.field(factory=list[End])

    def strangers(self) -> int:
        """Wires that are open and have not said who they are."""
        return sum(not (end.admitted or end.is_over) for end in self.ends)


class Network:
    """All that joins the nodes of one simulation."""

    def __init__(self, note: Callable[[str, str], None] | None = None) -> None:
        """Lay a perfect network.

        Args:
            note: told of everything that goes wrong: which way, and what.
        """
        self.nursery: trio.Nursery | None = None
        """Where delayed frames wait; needed as soon as something is to go wrong."""
        self.moved = trio.Event()
        """Set, and replaced, when a way has become better or worse."""
        self.healings = 0
        """Counts how often all was healed, so that the end of an old spell does not end a new one."""
        self._note = note
        self._ears: dict[Address, Ear] = {}
        self._owners: dict[Address, str] = {}
        self._ways: dict[tuple[str, str], Way] = {}
        self._ends: list[End] = []

    def transport(self, owner: str) -> NodeTransport:
        """The transport of one node."""
        return NodeTransport(self, owner)

    def note(self, way: str, what: str) -> None:
        """Write down what goes wrong."""
        if self._note is not None:
            self._note(way, what)

    # What can be done to it.

    def way(self, sender: str, receiver: str) -> Way:
        """One direction between two nodes."""
        found = self._ways.get((sender, receiver))
        if found is None:
            found = self._ways[sender, receiver] = Way(f"{sender}->{receiver}")
        return found

    def ways_of(self, owner: str, others: list[str]) -> list[Way]:
        """All that lead to a node, and from it."""
        pairs = [pair for other in others if other != owner for pair in ((owner, other), (other, owner))]
        return [self.way(*pair) for pair in pairs]

    def changed(self) -> None:
        """A way is better or worse than it was: let go what waited for that."""
        moved, self.moved = self.moved, trio.Event()
        moved.set()
        for end in list(self._ends):
            end.move()

    def heal(self) -> None:
        """Let every way be a good one, and everything under way arrive."""
        self.healings += 1
        for way in self._ways.values():
            way.heal()
        for end in self._ends:
            end.hurry()
        self.changed()

    def cut(self, one: str, other: str, *, heard: bool = True) -> None:
        """Break all wires between two nodes.

        Args:
            one: hears of it.
            other: the other node.
            heard: whether that hears of it, too. If not, it goes on with wires that lead nowhere.
        """
        for end in self._between(one, other):
            if heard or end.owner == one:
                end.break_off("broke (the network was cut)", silent=not heard)

    def crash(self, owner: str) -> None:
        """A node is gone, and with it its sockets; the others hear of it unless the way is blocked."""
        for address, ear in list(self._ears.items()):
            if ear.owner == owner:
                del self._ears[address]
        for end in list(self._ends):
            if end.owner == owner:
                end.break_off("was closed since its node is gone")

    def _between(self, one: str, other: str) -> Iterator[End]:
        for end in list(self._ends):
            if {end.owner, end.other.owner} == {one, other}:
                yield end

    # What ends ask.

    def successor(self, end: End) -> End | None:
        """The newest open end that stands where this one stood: there a frame arrives that is very late."""
        for each in reversed(self._ends):
            if (each.owner, each.other.owner, each.dialled) == (end.owner, end.other.owner, end.dialled):
                return each if each.has_greeted and not each.is_over else None
        return None

    def forget(self, end: End) -> None:
        """Nothing goes through it any more, either way."""
        self._ends = [each for each in self._ends if each is not end and each is not end.other]

    # What its transports do.

    async def dial(self, owner: str, address: Address) -> Wire:
        """See `Transport.dial`."""
        await trio.lowlevel.checkpoint()
        there = self._owners.get(address, "")
        both = self.way(owner, there), self.way(there, owner)
        while any(way.blocked for way in both):
            await self.moved.wait()
        pause = sum(way.delay_s for way in both)
        if pause:
            await trio.sleep(pause)
        ear = self._ears.get(address)
        if ear is None:
            raise CannotReach(f"{address} cannot be reached: nobody listens there")
        dialled = End(self, owner, str(address), dialled=True)
        heard = End(self, ear.owner, owner or "somebody", dialled=False)
        dialled.join(heard, self.way(owner, ear.owner), self.way(ear.owner, owner))
        if ear.strangers() >= MOST_UNADMITTED:
            heard.break_off("was closed: too many strangers")
            return dialled
        self._ends += (dialled, heard)
        ear.ends = [end for end in ear.ends if not end.is_over]
        ear.ends.append(heard)
        ear.nursery.start_soon(_serve, ear.take, heard)
        return dialled

    async def listen(
        self, owner: str, address: Address, take: Take, task_status: trio.TaskStatus[Address]
    ) -> None:
        """See `Transport.listen`."""
        await trio.lowlevel.checkpoint()
        if not address.port and not address.is_unix:
            address = Address(address.host, FIRST_PORT + len(self._owners))
        if address in self._ears:
            raise CannotListen(f"cannot listen at {address}: another listener has it")
        async with trio.open_nursery() as nursery:
            ear = self._ears[address] = Ear(owner, nursery, take)
            self._owners[address] = owner
            try:
                task_status.started(address)
                await trio.sleep_forever()
            finally:
                if self._ears.get(address) is ear:
                    del self._ears[address]
                for end in ear.ends:
                    end.break_off("was closed since its listener ended")


async def _serve(take: Take, end: End) -> None:
    try:
        await take(end)
    except WireClosed as error:
        log.info("%s", error)
    except Exception:
        log.exception("a wire's taker failed")
    finally:
        await end.aclose()


@attrs.frozen
class NodeTransport:
    """The `Transport` of one node in a simulated network."""

    network: Network
    owner: str

    async def dial(self, address: Address) -> Wire:
        """See `Transport`."""
        return await self.network.dial(self.owner, address)

    async def listen(
        self,
        address: Address,
        take: Take,
        *,
        task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Transport`."""
        await self.network.listen(self.owner, address, take, task_status)


def show_frame(frame: bytes | None) -> str:
    """A frame as a timeline shows it."""
    if frame is None:
        return "the end of the wire"
    try:
        opened = open_frame(frame)
    except BadFrame:
        return "a hello"
    count = f" and {len(opened.mail) - 1} more" if len(opened.mail) > 1 else ""
    return f"{opened.kind.name.lower()} {opened.sequence}{count if opened.kind is Kind.MAIL else ''}"
