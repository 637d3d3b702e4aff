"""Tasks and threads of a handler, nodes beside each other, and a Ctrl-C in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import attrs
import pytest
import trio

from callboard import Actor, ActorRef, AskFailed, IdReused, TurnOver, handler, open_node, transient
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import unseal
from callboard.mailbox.store import Table


class Parent(Actor, type_name="misbehaving.Parent"):
    seen: list[str] = attrs.field(factory=list[str])
    outside: list[trio.Nursery] = transient(factory=lambda: NURSERIES)

    @handler
    async def hear(self, text: str) -> None:
        self.seen.append(text)

    @handler
    async def read(self) -> list[str]:
        return self.seen

    @handler
    async def from_children(self, to: ActorRef[Parent]) -> None:
        async def child(text: str) -> None:
            await to.tell(Parent.hear(f"{text} of {self.turn.ref.name}"))
            self.turn.after(1, Parent.hear(f"{text} later"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, "child")
            await trio.sleep(1)
        self.seen.append(await self.turn.effect_key())

    @handler
    async def from_a_thread(self, to: ActorRef[Parent]) -> None:
        def work() -> str:
            trio.from_thread.run(to.tell, Parent.hear(f"thread of {self.turn.ref.name}"))
            return self.turn.ref.name

        self.seen.append(await trio.to_thread.run_sync(work))

    @handler
    async def leave_a_task(self) -> None:
        self.outside[0].start_soon(self._outlive, self.turn.ref)

    async def _outlive(self, ref: ActorRef[Parent]) -> None:
        await trio.sleep(1)
        for act in (
            lambda: self.turn.after(1, Parent.hear("no")),
            lambda: self.turn.cancel("no"),
            self.turn.stop,
            lambda: self.turn.spawn(Parent(), name="no"),
            lambda: self.turn.request(ref, Parent.hear("no")),
        ):
            with pytest.raises(TurnOver):
                act()
        with pytest.raises(TurnOver):
            await ref.tell(Parent.hear("no"))
        with pytest.raises(TurnOver):
            await self.turn.effect_key()
        OUTLIVED.append(ref.name)

    @handler
    async def same_id_twice(self, to: ActorRef[Parent], other: str) -> None:
        await to.tell(Parent.hear("one"), id="a")
        await trio.sleep(1)
        await to.tell(Parent.hear(other), id="a")

    @handler
    async def tell_with_id(self, to: ActorRef[Parent], text: str, seconds: float) -> None:
        await to.tell(Parent.hear(text), id="a")
        await trio.sleep(seconds)


NURSERIES: list[trio.Nursery] = []
OUTLIVED: list[str] = []


@pytest.mark.virtual
async def test_tasks_in_the_handlers_nursery_belong_to_its_turn() -> None:
    async with open_node(MemoryStore()) as node:
        one = await node.spawn(Parent(), name="one")
        two = await node.spawn(Parent(), name="two")
        await one.tell(Parent.from_children(two))
        await trio.sleep(0.5)
        assert await two.ask(Parent.read()) == []
        await trio.sleep(3)
        assert await two.ask(Parent.read()) == ["child of one"]
        assert (await one.ask(Parent.read()))[1:] == ["child later"]


async def test_a_thread_of_the_handler_belongs_to_its_turn() -> None:
    async with open_node(MemoryStore()) as node:
        one = await node.spawn(Parent(), name="one")
        two = await node.spawn(Parent(), name="two")
        await one.ask(Parent.from_a_thread(two))
        assert await one.ask(Parent.read()) == ["one"]
        assert await two.ask(Parent.read()) == ["thread of one"]


@pytest.mark.virtual
async def test_a_task_that_outlives_its_turn_can_do_nothing_with_it() -> None:
    OUTLIVED.clear()
    async with trio.open_nursery() as nursery:
        NURSERIES[:] = [nursery]
        async with open_node(MemoryStore()) as node:
            one = await node.spawn(Parent(), name="one")
            await one.tell(Parent.leave_a_task())
            await trio.sleep(2)
            assert await one.ask(Parent.read()) == []
    assert OUTLIVED == ["one"]


@pytest.mark.virtual
async def test_an_id_that_names_two_messages_in_one_turn_fails_that_turn() -> None:
    async with open_node(MemoryStore()) as node:
        one = await node.spawn(Parent(), name="one")
        two = await node.spawn(Parent(), name="two")
        await one.ask(Parent.same_id_twice(two, "one"))
        assert await two.ask(Parent.read()) == ["one"]
        three = await node.spawn(Parent(), name="three")
        with pytest.raises(AskFailed) as caught:
            await one.ask(Parent.same_id_twice(three, "other"))
        assert caught.value.failure.error == IdReused.__name__
        assert await three.ask(Parent.read()) == []


@pytest.mark.virtual
async def test_an_id_taken_by_another_turn_meanwhile_fails_the_later_one() -> None:
    """Found by attacking: the id was looked at when it was staged, and again when half was written."""
    async with open_node(MemoryStore()) as node:
        slow = await node.spawn(Parent(), name="slow")
        fast = await node.spawn(Parent(), name="fast")
        to = await node.spawn(Parent(), name="to")
        await slow.tell(Parent.tell_with_id(to, "slow", 10))
        await trio.sleep(1)
        await fast.ask(Parent.tell_with_id(to, "fast", 0))
        await trio.sleep(1000)
        assert await to.ask(Parent.read()) == ["fast"]
        assert node.statistics().died == 1


@pytest.mark.virtual
async def test_two_nodes_in_one_process_talk_only_to_themselves() -> None:
    async with open_node(MemoryStore()) as left, open_node(MemoryStore()) as right:
        here = await left.spawn(Parent(), name="one")
        there = await right.spawn(Parent(), name="one")
        await here.tell(Parent.hear("left"))
        await there.tell(Parent.hear("right"))
        assert await here.ask(Parent.read()) == ["left"]
        assert await there.ask(Parent.read()) == ["right"]
        assert left.statistics().handled == right.statistics().handled == 2


PROGRAM = """
    import os, signal, sys, trio
    from callboard import Actor, handler, open_node

    class Loop(Actor, type_name="Loop"):
        count: int = 0

        @handler
        async def once(self) -> None:
            self.count += 1

        @handler
        async def interrupt(self, suspend: bool) -> None:
            self.count += 100
            if suspend:
                await trio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                if suspend:
                    await trio.sleep(0.01)

    async def main() -> None:
        async with open_node(sys.argv[1], drain=0.1) as node:
            loop = await node.spawn(Loop(), name="loop")
            await loop.tell(Loop.once())
            await node.wait_idle()
            await loop.tell(Loop.interrupt(sys.argv[2] == "suspended"))
            await trio.sleep_forever()

    try:
        trio.run(main)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["running", "suspended"])
def test_ctrl_c_in_a_handler_ends_the_run_cleanly(tmp_path: Path, where: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    store = tmp_path / "store"
    arguments = [sys.executable, "-P", str(program), str(store), where]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0), done.stderr
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    async def main() -> None:
        async with open_node(store, types=[]) as node:
            [(_, state)] = node.store.scan(Table.STATES)
            assert unseal(state) == b"\x81\xa5count\x01"

    trio.run(main)
