"""A bank on three nodes: `callboard run bank.py --nodes 3`. Accounts and clerks live on all of them."""

from functools import partial

import trio

from callboard import Actor, ActorRef, Failure, Node, Refusal, handler, run

NODES = ("a", "b", "c")
ACCOUNTS = [f"account/{number}@{node}" for node in NODES for number in (1, 2, 3)]
OPENING = 100
TRANSFERS = 150
"""By each clerk."""


class InsufficientFunds(Refusal):
    """A business no: an answer, not a failure."""


class Account(Actor):
    balance: int = OPENING

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise InsufficientFunds(f"there are {self.balance}, asked {amount}")
        self.balance -= amount
        return self.balance

    @handler
    async def show(self) -> int:
        return self.balance


class Clerk(Actor):
    """Moves money between any two accounts. Wherever a node dies, no step is lost and none is done twice."""

    moved: int = 0
    refused: int = 0

    @handler
    async def work(self) -> None:
        if self.moved + self.refused < TRANSFERS:
            source, target = self.turn.random.sample(ACCOUNTS, 2)
            amount = self.turn.random.randint(1, 100)
            self.turn.request(
                account(source),
                Account.withdraw(amount),
                then=partial(Clerk.withdrawn, target=target, amount=amount),
                failed=Clerk.declined,
            )

    @handler
    async def withdrawn(self, left: int, target: str, amount: int) -> None:
        self.turn.request(account(target), Account.deposit(amount), then=Clerk.deposited)

    @handler
    async def deposited(self, balance: int) -> None:
        self.moved += 1
        self.turn.after(0.02, Clerk.work())

    @handler
    async def declined(self, failure: Failure) -> None:
        self.refused += 1
        self.turn.after(0.02, Clerk.work())

    @handler
    async def show(self) -> tuple[int, int]:
        return self.moved, self.refused


def account(address: str) -> ActorRef[Account]:
    """The account at `name@node`; where it lives makes no difference to who uses it."""
    name, _, node = address.partition("@")
    return ActorRef(name, node)


async def main(node: Node) -> None:
    for address in ACCOUNTS:
        name, _, home = address.partition("@")
        if home == node.name:
            await node.spawn(Account(), name=name)
    clerk = await node.spawn(Clerk(), name="clerk")
    await clerk.tell(Clerk.work(), id="begin")  # once, in all runs
    if node.name == NODES[0]:
        await report(node)


async def report(node: Node) -> None:
    """Wait for the clerks of all nodes, and count the money."""
    moved = refused = 0
    for home in NODES:
        clerk = node.ref(Clerk, f"clerk@{home}")
        while sum(done := await clerk.ask(Clerk.show())) < TRANSFERS:  # noqa: ASYNC110 - he is elsewhere
            await trio.sleep(0.1)
        moved, refused = moved + done[0], refused + done[1]
    balances = [await node.ref(Account, address).ask(Account.show()) for address in ACCOUNTS]
    print(f"{moved} transfers were made, {refused} refused; the accounts have {balances}")
    right = sum(balances) == OPENING * len(ACCOUNTS) and min(balances) >= 0
    print("RIGHT:" if right else "WRONG:", sum(balances), "of", OPENING * len(ACCOUNTS))
    if not right:
        raise SystemExit(1)


if __name__ == "__main__":
    run(main, store="./bank.store")
