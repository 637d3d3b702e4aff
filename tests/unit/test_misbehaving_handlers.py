"""Handlers that do what no handler should: the turn is undone, and nobody else suffers."""

from __future__ import annotations

import logging
import sys
from typing import Any

import attrs
import pytest
import trio

from callboard import Actor, AskFailed, Message, NotInTurn, Retry, handler, open_node, transient
from callboard.mailbox.memory import MemoryStore

pytestmark = pytest.mark.virtual

ONCE = Retry(attempts=1)
TWICE = Retry(attempts=2, wait=1, jitter=0)


class Odd(BaseException):
    """Neither an Exception nor an exit."""


class Rogue(Actor, type_name="misbehaving.Rogue"):
    count: int = 0
    attempts: list[int] = attrs.field(factory=list[int])

    @handler
    async def add(self, amount: int) -> int:
        self.count += amount
        return self.count

    @handler(retry=ONCE)
    async def exit(self) -> None:
        self.count += 100
        sys.exit(3)

    @handler(retry=TWICE)
    async def exit_twice(self) -> None:
        if self.turn.attempt == 1:
            sys.exit(3)

    @handler
    async def odd(self) -> None:
        self.count += 100
        raise Odd("odd")

    @handler(retry=TWICE)
    async def group(self) -> None:
        self.count += 100
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 10)
            raise ValueError("in a nursery")

    @handler(retry=ONCE)
    async def leak_scope(self, seconds: float) -> None:
        trio.CancelScope(deadline=trio.current_time() + 1).__enter__()
        await trio.sleep(seconds)

    @handler(retry=ONCE)
    async def leak_scope_at_once(self) -> None:
        trio.CancelScope().__enter__()

    @handler(retry=ONCE)
    async def leak_and_raise(self) -> None:
        trio.CancelScope().__enter__()
        raise ValueError("and more")

    @handler(retry=ONCE)
    async def leak_nursery(self, seconds: float) -> None:
        nursery = await trio.open_nursery().__aenter__()
        nursery.start_soon(trio.sleep_forever)
        if seconds:
            await trio.sleep(seconds)

    @handler(retry=ONCE)
    async def wrong_reply(self) -> int:
        return "seven"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    @handler(retry=ONCE)
    async def undeclared(self) -> None:
        self.total = 5

    @handler(retry=ONCE)
    async def delete_state(self) -> None:
        del self.count

    @handler(retry=ONCE)
    async def wrong_state(self) -> None:
        self.count = 1.5  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (Rogue.exit(), "SystemExit"),
        (Rogue.odd(), "Odd"),
        (Rogue.group(), "ExceptionGroup"),
        (Rogue.leak_scope(0.5), "Leak"),
        (Rogue.leak_scope_at_once(), "Leak"),
        (Rogue.leak_and_raise(), "ValueError"),
        (Rogue.leak_nursery(0), "Leak"),
        (Rogue.leak_nursery(1), "Leak"),
        (Rogue.wrong_reply(), "NotStorable"),
        (Rogue.undeclared(), "AttributeError"),
        (Rogue.delete_state(), "AttributeError"),
        (Rogue.wrong_state(), "NotStorable"),
    ],
    ids=repr,
)
async def test_what_a_handler_does_wrong_fails_its_turn_and_no_other(
    message: Message[Rogue, Any], error: str
) -> None:
    async with open_node(MemoryStore()) as node:
        rogue = await node.spawn(Rogue(), name="rogue")
        other = await node.spawn(Rogue(), name="other")
        await rogue.tell(Rogue.add(1))
        with pytest.raises(AskFailed) as caught:
            await rogue.ask(message)
        assert caught.value.failure.error == error
        assert await rogue.ask(Rogue.add(1)) == 2
        assert await other.ask(Rogue.add(1)) == 1
        assert node.statistics().died == 1


async def test_a_leaked_scope_that_runs_out_hits_nobody_else() -> None:
    async with open_node(MemoryStore()) as node:
        rogue = await node.spawn(Rogue(), name="rogue")
        with pytest.raises(AskFailed) as caught:
            await rogue.ask(Rogue.leak_scope(5))
        assert caught.value.failure.error in ("Leak", "Cancelled")
        await trio.sleep(5)
        assert await rogue.ask(Rogue.add(1)) == 1


async def test_the_message_behind_a_leak_is_not_blamed_for_it(caplog: pytest.LogCaptureFixture) -> None:
    async with open_node(MemoryStore()) as node:
        rogue = await node.spawn(Rogue(), name="rogue")
        await node.tell_all([(rogue, Rogue.leak_and_raise()), (rogue, Rogue.add(2))])
        await node.wait_idle()
    assert not [record for record in caplog.records if "add" in record.getMessage()]


async def test_an_exit_in_a_handler_is_tried_again_like_any_failure() -> None:
    async with open_node(MemoryStore()) as node:
        rogue = await node.spawn(Rogue(), name="rogue")
        await rogue.ask(Rogue.exit_twice())
        assert 1 <= trio.current_time() < 2
        assert node.statistics().died == 0


class Hooked(Actor, type_name="misbehaving.Hooked"):
    trouble: str
    count: int = 0
    tries: list[int] = transient(factory=list[int])

    async def started(self) -> None:
        TRIES.append(trio.current_time())
        match self.trouble:
            case "raise":
                raise ValueError("no")
            case "raise twice":
                if len(TRIES) < 3:
                    raise ValueError("not yet")
            case "change":
                self.count += 1
            case "send":
                self.turn.after(1, Hooked.add(1))
            case "tell":
                await self.turn.ref.tell(Hooked.add(1))
            case "sleep":
                await trio.sleep(3)
            case _:
                pass

    async def stopped(self) -> None:
        match self.trouble:
            case "raise at the end":
                raise ValueError("no")
            case "exit at the end":
                sys.exit(4)
            case "linger":
                await trio.sleep(1000)
            case _:
                pass

    @handler
    async def add(self, amount: int) -> int:
        self.count += amount
        return self.count


TRIES: list[float] = []


@pytest.mark.parametrize(
    ("trouble", "says"),
    [("raise", "ValueError: no"), ("change", "changed"), ("send", "send"), ("tell", "send")],
)
async def test_an_actor_that_cannot_start_pauses_and_keeps_its_mail(
    trouble: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        hooked = await node.spawn(Hooked(trouble), name="hooked")
        await hooked.tell(Hooked.add(1))
        await trio.sleep(1000)
        assert node.statistics().died == 0
        assert node.statistics().handled == 0
    assert says in caplog.text
    assert "paused" in caplog.text or "cannot start" in caplog.text


async def test_a_start_that_works_at_last_costs_the_message_nothing() -> None:
    TRIES.clear()
    async with open_node(MemoryStore()) as node:
        hooked = await node.spawn(Hooked("raise twice"), name="hooked")
        assert await hooked.ask(Hooked.add(1)) == 1
        assert len(TRIES) == 3


async def test_a_start_may_take_its_time() -> None:
    async with open_node(MemoryStore()) as node:
        hooked = await node.spawn(Hooked("sleep"), name="hooked")
        assert await hooked.ask(Hooked.add(1)) == 1
        assert await hooked.ask(Hooked.add(1)) == 2
        assert 3 <= trio.current_time() < 4


@pytest.mark.parametrize("trouble", ["raise at the end", "exit at the end", "linger"])
async def test_trouble_in_stopped_is_logged_and_the_node_closes(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    caplog.set_level(logging.WARNING)
    async with open_node(store) as node:
        hooked = await node.spawn(Hooked(trouble), name="hooked")
        assert await hooked.ask(Hooked.add(1)) == 1
    assert "stopped() of hooked" in caplog.text
    assert store.reopen().identity.clean


async def test_a_turn_is_over_when_its_actor_is_asked_for_it_outside() -> None:
    rogue = Rogue()
    with pytest.raises(NotInTurn):
        _ = rogue.turn
