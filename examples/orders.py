"""Orders: reserve, wait for the customer to pay, charge, ship. What fails undoes what came before it.

A step is a durable request: exactly one of answer, refusal and time-out comes back, whatever crashes.
After a time-out nobody knows whether the step was done, so it is undone like the others. An undo of nothing
does nothing; and since mail between two actors keeps its order, none comes before what it undoes.
"""

from datetime import datetime, timedelta

import attrs
import trio

from callboard import Actor, ActorRef, Failure, Node, Refusal, handler, run

REMIND_AFTER, CANCEL_AFTER = 3, 7
"""Days."""


class No(Refusal):
    """Out of stock, declined, undeliverable, too late: an answer, never retried."""


class Stock(Actor):
    free: int
    reserved: dict[str, int] = attrs.field(factory=dict[str, int])
    sold: int = 0

    @handler
    async def reserve(self, order: str, pieces: int) -> int:
        if pieces > self.free:
            raise No(f"{pieces} wanted, {self.free} in stock")
        self.free -= pieces
        self.reserved[order] = pieces
        return self.free

    @handler
    async def release(self, order: str) -> None:
        self.free += self.reserved.pop(order, 0)

    @handler
    async def take(self, order: str) -> None:
        self.sold += self.reserved.pop(order)

    @handler
    async def show(self) -> tuple[int, int]:
        return self.free, self.sold


class Card(Actor):
    limit: int
    delay: float = 0.0
    charged: dict[str, int] = attrs.field(factory=dict[str, int])
    refunded: dict[str, int] = attrs.field(factory=dict[str, int])

    @handler
    async def charge(self, order: str, cents: int) -> int:
        await trio.sleep(self.delay)  # the bank takes its time
        if sum(self.charged.values()) - sum(self.refunded.values()) + cents > self.limit:
            raise No(f"declined: {cents} is over the limit")
        self.charged[order] = cents
        return cents

    @handler
    async def refund(self, order: str) -> None:
        if order in self.charged:
            self.refunded[order] = self.charged[order]


class Carrier(Actor):
    parcels: dict[str, str] = attrs.field(factory=dict[str, str])

    @handler
    async def ship(self, order: str, address: str) -> str:
        if not address:
            raise No("undeliverable: no address")
        self.parcels[order] = address
        return address

    @handler
    async def recall(self, order: str) -> None:
        self.parcels.pop(order, None)


class Order(Actor):
    stock: ActorRef[Stock]
    card: ActorRef[Card]
    carrier: ActorRef[Carrier]
    pieces: int
    cents: int
    address: str
    day: float = 86400.0
    patience: float = 3600.0
    """How long a step may take, seconds."""
    state: str = "new"
    begun: tuple[str, ...] = ()
    """Steps to undo if one fails, the last first."""
    placed_at: datetime | None = None
    history: tuple[str, ...] = ()

    @handler
    async def place(self) -> None:
        self.placed_at = self.turn.now()
        self.step("reserve")

    @handler
    async def reserved(self, left: int) -> None:
        self.note("reserved")
        self.state = "unpaid"
        self.turn.after(REMIND_AFTER * self.day, Order.remind(), key="remind")
        self.turn.after(CANCEL_AFTER * self.day, Order.expire(), key="expire")

    @handler
    async def remind(self) -> None:
        self.note("reminded")

    @handler
    async def expire(self) -> None:
        self.note("not paid")
        self.undo()

    @handler
    async def pay(self) -> None:
        if self.state != "unpaid":
            raise No(f"there is nothing to pay: {self.state}")
        self.turn.cancel("remind")  # holds even for a timer that has fired and waits behind us
        self.turn.cancel("expire")
        self.step("charge")

    @handler
    async def charged(self, cents: int) -> None:
        self.note("paid")
        self.step("ship")

    @handler
    async def shipped(self, address: str) -> None:
        self.note("shipped")
        self.state = "shipped"
        await self.stock.tell(Stock.take(self.turn.ref.name))

    @handler
    async def failed(self, failure: Failure) -> None:
        self.note(failure.text or f"{failure.message} {failure.reason}".replace("_", " "))
        self.undo()

    @handler
    async def undone(self, _: None) -> None:
        self.undo()

    @handler
    async def show(self) -> tuple[str, ...]:
        """What became of it; empty as long as it has not ended."""
        return self.history if self.state in {"shipped", "cancelled"} else ()

    def step(self, name: str) -> None:
        """Begin a step; one of `then` and `failed` arrives."""
        self.state, self.begun = name, (*self.begun, name)
        me, request, patience = self.turn.ref.name, self.turn.request, self.patience
        match name:
            case "reserve":
                message = Stock.reserve(me, self.pieces)
                request(self.stock, message, then=Order.reserved, failed=Order.failed, timeout=patience)
            case "charge":
                charge = Card.charge(me, self.cents)
                request(self.card, charge, then=Order.charged, failed=Order.failed, timeout=patience)
            case _:
                ship = Carrier.ship(me, self.address)
                request(self.carrier, ship, then=Order.shipped, failed=Order.failed, timeout=patience)

    def undo(self) -> None:
        """Undo the last step that was begun, and when that is done the one before it."""
        me, request = self.turn.ref.name, self.turn.request
        self.state = "undoing"
        *rest, last = self.begun or ("",)
        self.begun = tuple(rest)
        match last:
            case "ship":
                request(self.carrier, Carrier.recall(me), then=Order.undone)
            case "charge":
                request(self.card, Card.refund(me), then=Order.undone)
            case "reserve":
                request(self.stock, Stock.release(me), then=Order.undone)
            case _:
                self.note("cancelled")
                self.state = "cancelled"

    def note(self, text: str) -> None:
        assert self.placed_at is not None
        day = (self.turn.now() - self.placed_at) // timedelta(seconds=self.day)
        self.history += (f"day {day} {text}",)


DAY = 1.0
"""A day in seconds, where people watch."""
ORDERS: dict[str, tuple[int, str, int | None, Card]] = {
    "ann": (2, "1 Elm Street", 1, Card(limit=100)),
    "bob": (1, "2 Elm Street", 4, Card(limit=100)),  # pays after he was reminded
    "cem": (3, "3 Elm Street", None, Card(limit=100)),  # never pays
    "dora": (2, "4 Elm Street", 1, Card(limit=10)),  # her card is declined
    "eve": (1, "", 2, Card(limit=100)),  # has no address
    "finn": (50, "6 Elm Street", None, Card(limit=10000)),  # wants more than there is
    "gus": (1, "7 Elm Street", 1, Card(limit=100, delay=4.0)),  # his bank is too slow
}
"""For each customer: pieces, address, on which day they pay, and with what."""


async def main(node: Node) -> None:
    stock = await node.spawn(Stock(free=10), name="stock")
    carrier = await node.spawn(Carrier(), name="carrier")
    for name, (pieces, address, pays_on, card) in ORDERS.items():
        paid_by = await node.spawn(card, name=f"card/{name}")
        order = await node.spawn(
            Order(stock, paid_by, carrier, pieces, 10 * pieces, address, day=DAY, patience=2.0),
            name=f"order/{name}",
        )
        await order.tell(Order.place(), id="place")  # by its id once, however often this program runs
        if pays_on is not None:
            await order.tell(Order.pay(), delay=(pays_on + 0.5) * DAY, id="pay")
    for name in ORDERS:
        order = node.ref(Order, f"order/{name}")
        while not (history := await order.ask(Order.show(), timeout=5)):  # noqa: ASYNC110 - it is on disk
            await trio.sleep(0.1)
        print(f"{name}: {', '.join(history)}", flush=True)
    await node.wait_idle()
    free, sold = await stock.ask(Stock.show(), timeout=5)
    print(f"{free} of 10 pieces are in stock, {sold} are sold")


if __name__ == "__main__":
    run(main, store="./orders.store")
