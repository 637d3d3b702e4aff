"""Mail that is handled before its batch is sealed is never written: a receiver catches up with its sender."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from callboard import Actor, ActorRef, handler, open_node

from .counted import Counted

pytestmark = pytest.mark.virtual
TURN_S = 0.000012
"""What a turn takes: a slice has fewer than count as one."""
BLOCK = 500
AHEAD = 8
"""Blocks by which the receiver is behind from the beginning."""
BLOCKS = 100


def work(seconds: float) -> None:
    """Let time pass, which nothing else does."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    clock.jump(seconds)


class Reader(Actor, type_name="catching.Reader"):
    """Reads, and asks for the next block when it has read one."""

    read: int = 0

    @handler
    async def take(self, author: ActorRef[Author]) -> None:
        work(TURN_S)
        self.read += 1
        if self.read % BLOCK == 0:
            await author.tell(Author.write(self.turn.ref))

    @handler
    async def note(self) -> None:
        work(TURN_S)


class Author(Actor, type_name="catching.Author"):
    """Writes a block in a turn."""

    blocks: int = 0

    @handler
    async def write(self, reader: ActorRef[Reader]) -> None:
        if self.blocks < BLOCKS:
            self.blocks += 1
            for _ in range(BLOCK):
                work(TURN_S / 3)
                await reader.tell(Reader.take(self.turn.ref))


async def test_a_receiver_that_is_behind_catches_up_and_little_of_its_mail_is_written() -> None:
    store = Counted()
    async with open_node(store, types=[Reader, Author]) as node:
        reader, author = await node.spawn(Reader()), await node.spawn(Author())
        await node.tell_all([(author, Author.write(reader))] * AHEAD)
        await node.wait_idle()
        assert node.statistics().handled > BLOCKS * BLOCK
    assert store.written < BLOCKS * BLOCK / 4


async def test_what_a_caller_tells_in_large_batches_is_handled_first_and_not_written() -> None:
    store = Counted()
    async with open_node(store, types=[Reader, Author]) as node:
        reader = await node.spawn(Reader())
        for _ in range(BLOCKS):
            await node.tell_all([(reader, Reader.note())] * BLOCK)
        await node.wait_idle()
        assert node.statistics().handled >= BLOCKS * BLOCK
    assert store.written < BLOCKS * BLOCK / 4
