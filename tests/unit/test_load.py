"""A turn that does too much is refused while its handler runs, since all of it would be one commit."""

from __future__ import annotations

import pytest
import trio

from callboard import Actor, Overloaded, Retry, handler, open_node
from callboard.actors import load
from callboard.mailbox.memory import MemoryStore

pytestmark = pytest.mark.virtual


class Crier(Actor, type_name="load.Crier"):
    """Sends, sets timers and spawns without end."""

    heard: int = 0
    caught: int = 0

    @handler
    async def hear(self, text: str) -> None:
        self.heard += 1

    @handler(retry=Retry(attempts=2))
    async def cry(self, count: int, text: str) -> None:
        for _ in range(count):
            await self.turn.ref.tell(Crier.hear(text))

    @handler
    async def cry_until_refused(self, text: str) -> None:
        for _ in range(2):
            try:
                while True:
                    await self.turn.ref.tell(Crier.hear(text))
            except Overloaded:
                self.caught += 1

    @handler
    async def set_timers(self, count: int) -> None:
        for _ in range(count):
            self.turn.after(1, Crier.hear(""))

    @handler
    async def found(self, count: int) -> None:
        for _ in range(count):
            self.turn.spawn(Crier())

    @handler
    async def counts(self) -> tuple[int, int]:
        return self.heard, self.caught


async def test_a_handler_that_sends_a_million_messages_fails_at_the_first_that_is_too_many() -> None:
    async with open_node(MemoryStore(), types=[Crier]) as node:
        crier = await node.spawn(Crier(), name="crier")
        await crier.tell(Crier.cry(1_000_000, ""))
        await trio.sleep(3600)
        [dead] = node.dead.letters()
        assert dead.error.endswith("Overloaded")
        assert "100,000 things in one turn" in dead.text
        assert "tell itself to go on" in dead.text
        assert await crier.ask(Crier.counts()) == (0, 0)
        assert node.statistics().queued == 0


async def test_a_turn_may_send_as_many_messages_as_the_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MOST_EFFECTS", 1024)
    async with open_node(MemoryStore(), types=[Crier]) as node:
        crier = await node.spawn(Crier(), name="crier")
        await crier.tell(Crier.cry(1024, ""))
        await node.wait_idle()
        assert await crier.ask(Crier.counts()) == (1024, 0)
        await crier.tell(Crier.cry_until_refused(""))
        await node.wait_idle()
        # Whoever catches the refusal is refused again, and keeps what was sent before.
        assert await crier.ask(Crier.counts()) == (2048, 2)


@pytest.mark.parametrize(
    ("size", "most"), [(1000, 4), (1000, 2400), (60_000, 4), (300_000, 4), (16_000_000, 4)]
)
async def test_the_bytes_of_one_turn_are_bounded_whatever_the_size_of_its_messages(
    monkeypatch: pytest.MonkeyPatch, size: int, most: int
) -> None:
    monkeypatch.setattr(load, "MOST_BYTES", most * size)
    async with open_node(MemoryStore(), types=[Crier]) as node:
        crier = await node.spawn(Crier(), name="crier")
        await crier.tell(Crier.cry_until_refused("x" * size))
        await node.wait_idle()
        heard, caught = await crier.ask(Crier.counts())
        assert caught == 2
        # A large body is looked at right away, small ones by the step; of a text the size is bounded above.
        assert most // 4 <= heard <= most + (1 if size > 65536 else load.STEP)


@pytest.mark.parametrize("verb", ["set_timers", "found"])
async def test_timers_and_children_count_too(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MOST_EFFECTS", 1024)
    async with open_node(MemoryStore(), types=[Crier]) as node:
        crier = await node.spawn(Crier(), name="crier")
        await crier.tell(getattr(Crier, verb)(1025))
        await trio.sleep(3600)
        done = node.statistics()
        assert (done.died, done.scheduled, done.actors) == (1, 0, 1)
