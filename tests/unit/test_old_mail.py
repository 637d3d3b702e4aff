"""Old mail under new code (G14): the node starts, others run, and nothing is lost or guessed."""

from __future__ import annotations

import gc
import logging
from typing import Any

import attrs
import pytest
import trio

from callboard import Actor, Node, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import Box, Dead, unpack
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual


def first() -> type[Actor]:
    """The class as it was when the mail was sent."""

    class Order(Actor, type_name="old.Order"):
        total: int = 0
        note: str = ""

        @handler
        async def add(self, amount: int) -> int:
            self.total += amount
            return self.total

        @handler
        async def rename(self, note: str) -> None:
            self.note = note

    return Order


class Other(Actor, type_name="old.Other"):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total


async def left_behind(*sends: tuple[str, Any]) -> MemoryStore:
    """A store in which mail waits for an Order: handlers' names and their parameters."""
    order: Any = first()
    store = MemoryStore()
    async with open_node(store, types=[order, Other]) as node:
        ref = await node.spawn(order(total=1), name="order")
        await ref.ask(order.add(1))
        await node.spawn(Other(), name="other")
        await node.pause(ref)
        for name, value in sends:
            await ref.tell(getattr(order, name)(value))
    store = store.reopen()
    async with open_node(store, types=[order, Other]) as node:
        ref = node.ref(order, "order")
        node._runtime.workers.closing = True  # nothing begins: the mail is to wait for the next code
        await node.resume(ref)
    return store.reopen()


async def others_run(node: Node) -> None:
    assert await node.ref(Other, "other").ask(Other.add(1)) >= 1


def dead(node: Node) -> list[Dead]:
    return [unpack(Dead, value) for _, value in node.store.scan(Table.DEAD)]


def waiting(node: Node) -> int:
    boxes = [unpack(Box, value) for _, value in node.store.scan(Table.BOXES)]
    return sum(box.tail - box.head for box in boxes)


async def test_mail_of_a_class_that_is_gone_waits_and_goes_on_when_it_is_back() -> None:
    store = await left_behind(("add", 5), ("add", 6))
    async with open_node(store, types=[Other]) as node:
        await others_run(node)
        await trio.sleep(10_000)
        assert waiting(node) == 2
        assert not dead(node)
    order: Any = first()
    async with open_node(store.reopen(), types=[order, Other]) as node:
        assert await node.ref(order, "order").ask(order.add(0)) == 13


async def test_a_renamed_class_keeps_its_mail_by_its_declared_name() -> None:
    store = await left_behind(("add", 5))

    class Purchase(Actor, type_name="old.Order"):
        total: int = 0
        note: str = ""

        @handler
        async def add(self, amount: int) -> int:
            self.total += amount
            return self.total

    async with open_node(store, types=[Purchase]) as node:
        assert await node.ref(Purchase, "order").ask(Purchase.add(0)) == 7


async def test_mail_of_a_handler_that_is_gone_waits_in_order_with_what_is_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await left_behind(("add", 5), ("rename", "x"), ("add", 6))

    class Order(Actor, type_name="old.Order"):
        total: int = 0
        note: str = ""

        @handler
        async def add(self, amount: int) -> int:
            self.total += amount
            return self.total

    async with open_node(store, types=[Order, Other]) as node:
        await others_run(node)
        await node.ref(Order, "order").tell(Order.add(1))
        await node.wait_idle()
        assert waiting(node) == 3
    assert "rename" in caplog.text
    order: Any = first()
    async with open_node(store.reopen(), types=[order, Other]) as node:
        assert await node.ref(order, "order").ask(order.add(0)) == 14


async def test_a_handler_renamed_with_its_old_name_kept_takes_the_old_mail() -> None:
    store = await left_behind(("add", 5))

    class Order(Actor, type_name="old.Order"):
        total: int = 0
        note: str = ""

        @handler(name="add")
        async def increase(self, amount: int, *, by: str = "nobody") -> str:
            self.total += amount
            return f"{self.total} by {by}"

    async with open_node(store, types=[Order]) as node:
        assert await node.ref(Order, "order").ask(Order.increase(0)) == "7 by nobody"


async def test_a_parameter_of_another_type_makes_the_old_mail_a_dead_letter() -> None:
    store = await left_behind(("add", 5), ("rename", "x"))

    class Order(Actor, type_name="old.Order"):
        total: int = 0
        note: str = ""

        @handler
        async def add(self, amount: list[int]) -> int:
            self.total += sum(amount)
            return self.total

        @handler
        async def rename(self, note: str) -> None:
            self.note = note

    async with open_node(store, types=[Order]) as node:
        await node.wait_idle()
        [letter] = dead(node)
        assert (letter.reason, letter.attempts, letter.box) == ("undecodable", 0, "order")
        assert "amount" in letter.text
        assert await node.ref(Order, "order").ask(Order.add([1])) == 3


async def test_mail_of_another_version_waits_for_code_that_has_it() -> None:
    store = await left_behind(("add", 5))

    class Order(Actor, type_name="old.Order"):
        total: int = 0
        note: str = ""

        @handler(version=2)
        async def add(self, amount: int) -> int:
            self.total += 1000 * amount
            return self.total

    async with open_node(store, types=[Order, Other]) as node:
        await others_run(node)
        await node.ref(Order, "order").tell(Order.add(1))
        await node.wait_idle()
        assert waiting(node) == 2
        assert not dead(node)


async def test_state_gains_a_field_with_a_default_and_loses_another() -> None:
    store = await left_behind(("add", 5))

    class Order(Actor, type_name="old.Order"):
        total: int = 0
        lines: list[str] = attrs.field(factory=lambda: ["new"])

        @handler
        async def add(self, amount: int) -> tuple[int, list[str]]:
            self.total += amount
            return self.total, self.lines

    async with open_node(store, types=[Order]) as node:
        assert await node.ref(Order, "order").ask(Order.add(0)) == (7, ["new"])


async def test_state_that_does_not_fit_any_more_is_tried_again_then_paused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await left_behind(("add", 5))

    class Order(Actor, type_name="old.Order"):
        total: str

        @handler
        async def add(self, amount: int) -> str:
            return self.total

    caplog.set_level(logging.WARNING)
    async with open_node(store, types=[Order, Other]) as node:
        await others_run(node)
        await trio.sleep(1000)
        assert waiting(node) == 1
        assert not dead(node)
        box = next(unpack(Box, value) for _, value in node.store.scan(Table.BOXES))
        assert "total" in box.paused
    assert "attempt 2" in caplog.text
    order: Any = first()
    async with open_node(store.reopen(), types=[order, Other]) as node:
        await node.resume(node.ref(order, "order"))
        assert await node.ref(order, "order").ask(order.add(0)) == 7


async def test_damaged_state_pauses_one_mailbox_and_no_other() -> None:
    store = await left_behind(("add", 5))
    rows = store.scan(Table.STATES)
    key, value = rows[0]
    store.commit({Table.STATES: {key: value[:-1] + bytes([value[-1] ^ 1])}})
    async with open_node(store, types=[first(), Other]) as node:
        await others_run(node)
        await trio.sleep(1000)
        assert waiting(node) == 1


async def test_two_classes_of_one_name_keep_their_mail_waiting_and_are_both_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await left_behind(("add", 5))
    here: Any = first()

    class Twin(Actor, type_name="old.Order"):
        pass

    async with open_node(store, types=[here, Twin, Other]) as node:
        await others_run(node)
        await trio.sleep(1000)
        assert waiting(node) == 1
    assert caplog.text.count("test_old_mail.py:") == 2
    del Twin
    gc.collect()
    async with open_node(store.reopen(), types=[here, Other]) as node:
        assert await node.ref(here, "order").ask(here.add(0)) == 7
