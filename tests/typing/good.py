"""What both checkers must accept in strict mode, from an installed wheel; never run."""

import functools
import random
from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar, assert_type

import attrs

from callboard import (
    Actor,
    ActorRef,
    Failure,
    Message,
    Node,
    Record,
    Refusal,
    Retry,
    handler,
    register_codec,
    run,
    transient,
)
from callboard.actors.pickled import Pickled

T = TypeVar("T")


class InsufficientFunds(Refusal):
    """A business no."""


class Account(Actor):
    owner: str
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise InsufficientFunds(f"{self.owner} has {self.balance}, asked {amount}")
        return await self.deposit(-amount)


class Savings(Account, type_name="bank.Savings", speculation=False):
    rate: float = 0.01

    @handler
    async def deposit(self, amount: int) -> int:
        return await super().deposit(amount)

    @handler(name="add", retry=Retry(attempts=3, wait=timedelta(seconds=1), on=ConnectionError), timeout=5)
    async def add_interest(self, *, days: int = 1) -> float:
        return self.balance * self.rate * days


class AccountApi(Actor):
    @handler
    @abstractmethod
    async def deposit(self, amount: int) -> int: ...


class Ledger(AccountApi):
    entries: list[int] = attrs.field(factory=list[int])
    rng: random.Random = transient(factory=random.Random)
    hits: int = transient(default=0)
    client: object = transient()

    @handler
    async def deposit(self, amount: int) -> int:
        self.entries.append(amount)
        return sum(self.entries)

    async def started(self) -> None:
        self.client = object()


class Box(Actor, Generic[T]):
    items: list[T] = attrs.field(factory=list[T])

    @handler
    async def put(self, item: T) -> int:
        self.items.append(item)
        return len(self.items)


class Circle(Record):
    radius: float


class Square(Record, tag="square"):
    side: float = 1.0


class Payments(Actor):
    @handler
    async def charge(self, order: str, cents: int) -> str:
        return f"receipt-{order}-{cents}"


class Order(Actor):
    id: str
    payments: ActorRef[Payments]
    shape: Circle | Square | None = None
    status: str = "new"

    @handler
    async def place(self) -> None:
        self.turn.after(timedelta(hours=24), Order.expire(), key="expire")
        charge = Payments.charge(self.id, 100)
        self.turn.request(self.payments, charge, then=Order.paid, failed=Order.declined, timeout=5)
        self.turn.request(self.payments, charge, then=functools.partial(Order.paid, at=1.5))
        child = self.turn.spawn(Account("child"), name="child")
        await child.tell(Account.deposit(1))

    @handler
    async def paid(self, receipt: str, *, at: float = 0.0) -> None:
        self.status = f"{receipt} at {at}"
        self.turn.cancel("expire")

    @handler
    async def declined(self, why: Failure) -> None:
        self.status = why.error

    @handler
    async def expire(self) -> None:
        self.turn.stop()

    @handler
    async def run(self, job: Pickled[Callable[[int], int]]) -> int:
        return job(1)


async def main(node: Node) -> None:
    ann = await node.spawn(Account("Ann", balance=100), name="ann")
    assert_type(ann, ActorRef[Account])
    await ann.tell(Account.deposit(30), delay=timedelta(seconds=1), key="later")
    assert_type(await ann.ask(Account.withdraw(50), timeout=5), int)
    await node.tell_all([(ann, Account.deposit(amount=1)), (ann, Account.withdraw(1))])

    savings = await node.spawn(Savings("Bob", rate=0.02), name="bob")
    anybody: ActorRef[Account] = savings  # covariant
    await anybody.ask(Account.deposit(5))
    await savings.ask(Account.deposit(5))
    assert_type(await savings.ask(Savings.add_interest(days=3)), float)
    assert_type(Savings.deposit(1), Message[Savings, int])
    assert_type(await Savings("Eve").deposit(1), int)

    ledger: ActorRef[AccountApi] = await node.spawn(Ledger(), name="ledger")
    await ledger.ask(AccountApi.deposit(5))

    box: ActorRef[Box[int]] = await node.spawn(Box([1, 2]), name="box")
    await box.ask(Box[int].put(5))

    order = await node.spawn(Order("A1", node.ref(Payments, "payments"), Circle(1.0)), name="order")
    await order.tell(Order.run(lambda x: x + 1))


register_codec(
    complex, lambda z: str(z).encode(), lambda data: complex(data.decode()), name="complex", immutable=True
)

if __name__ == "__main__":
    run(main, store="./bank")
