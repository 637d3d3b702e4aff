"""A week of orders, in virtual time, under all faults: `pytest examples/test_orders.py`."""

from datetime import timedelta

import trio
from hypothesis import strategies as st

from callboard import Message
from callboard.testing import Crashed, Simulation, check, faults, operation, ops, plans, simulate

from .orders import Card, Carrier, Order, Stock

DAY = 86400.0
PIECES = 8
CUSTOMERS = {
    "ann": Card(limit=1000),
    "bob": Card(limit=25),  # who can pay two pieces, not three
    "cem": Card(limit=1000, delay=2 * 3600.0),  # whose bank answers when the order has given up
}
ORDERS = {
    "prompt": ("ann", "ann", 1, 1.0),
    "late": ("ann", "ann", 2, 6.9),
    "never": ("ann", "ann", 1, None),
    "dear": ("bob", "bob", 3, 4.0),
    "slow": ("cem", "cem", 1, 2.0),
}
"""Who, where to, pieces, and on which day they pay."""
HOMES = {"ann": "1 Elm Street", "bob": "2 Elm Street", "cem": "3 Elm Street", "nobody": ""}


async def surely(sim: Simulation, name: str, message: Message[Order, None], delay: float = 0.0) -> None:
    """Tell an order something, again if a crash leaves it unknown whether it was told."""
    while True:
        try:
            await sim.ref(Order, name).tell(message, id=str(message), delay=delay)
        except Crashed:
            await trio.sleep(1)
        else:
            return


async def order(
    sim: Simulation, name: str, customer: str, home: str, pieces: int, days: float | None
) -> None:
    """Somebody orders, and pays after so many days, or never."""
    stock, card, carrier = sim.ref(Stock, "stock"), sim.ref(Card, customer), sim.ref(Carrier, "carrier")
    new = Order(stock, card, carrier, pieces, 10 * pieces, HOMES[home])
    while True:
        try:
            await sim.spawn(new, name=name)
            break
        except Crashed:
            await trio.sleep(1)
    await surely(sim, name, Order.place())
    if days is not None:
        await surely(sim, name, Order.pay(), delay=days * DAY)


@operation(
    number=st.integers(1, 3),
    customer=st.sampled_from(sorted(CUSTOMERS)),
    home=st.sampled_from(sorted(HOMES)),
    pieces=st.integers(1, 3),
    days=st.sampled_from([None, 0.0, 1.0, 3.0, 6.9, 7.0, 8.0]),
)
async def buy(
    sim: Simulation, number: int, customer: str, home: str, pieces: int, days: float | None
) -> None:
    """One more order than those of the test."""
    await order(sim, f"more/{number}", customer, home, pieces, days)


wait = ops.wait.drawn(seconds=st.sampled_from([1.0, 3600.0, DAY, 3 * DAY]))


def no_piece_is_lost(sim: Simulation) -> None:
    """At every commit: a piece is free, reserved or sold, and nobody gets back more than was taken."""
    for stock in sim.states(Stock):
        assert stock.free >= 0
        assert stock.free + sum(stock.reserved.values()) + stock.sold == PIECES
    for card in sim.states(Card):
        assert card.refunded.items() <= card.charged.items()


@simulate(plans(buy, wait, wait, *faults.ALL), types=[Card, Carrier, Order, Stock], limit=timedelta(days=150))
async def test_every_order_is_shipped_and_paid_or_cancelled_and_undone(sim: Simulation) -> None:
    await sim.spawn(Stock(free=PIECES), name="stock")
    await sim.spawn(Carrier(), name="carrier")
    for name, card in CUSTOMERS.items():
        await sim.spawn(card, name=name)
    sim.always(no_piece_is_lost)
    for name, (customer, home, pieces, days) in ORDERS.items():
        await order(sim, name, customer, home, pieces, days)
    await sim.run_plan()
    await sim.converge(within=2 * DAY)
    for _ in range(10):  # a slow clock takes two weeks for one
        await trio.sleep(DAY)
        await sim.converge(within=2 * DAY)
    check.exactly_once(sim)
    orders = sim.named_states(Order)
    assert {each.state for each in orders.values()} <= {"shipped", "cancelled"}, orders
    shipped = {name: each for name, each in orders.items() if each.state == "shipped"}
    paid = [(name, cents) for card in sim.states(Card) for name, cents in card.charged.items()]
    back = [(name, cents) for card in sim.states(Card) for name, cents in card.refunded.items()]
    assert sorted({*paid} - {*back}) == sorted((name, each.cents) for name, each in shipped.items())
    (stock,) = sim.states(Stock)
    assert stock.reserved == {}
    assert stock.sold == sum(each.pieces for each in shipped.values())
    (carrier,) = sim.states(Carrier)
    assert carrier.parcels == {name: each.address for name, each in shipped.items()}
    for each in orders.values():
        assert each.history[-1].endswith(each.state)
        assert each.state == "shipped" or each.begun == ()
