"""A bank transfer: ask for answers, tell for facts; the declared fields are the durable state."""

from functools import partial

from callboard import Actor, ActorRef, Failure, Node, Refusal, handler, run


class InsufficientFunds(Refusal):
    """A business no: raised again at the asker, never retried."""


class Account(Actor):
    owner: str
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def show(self) -> int:
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise InsufficientFunds(f"{self.owner} has {self.balance}, asked {amount}")
        return await self.deposit(-amount)  # on self: a plain method


class Transfer(Actor):
    """Money on its way. Killed between any two turns, it goes on from there: nothing is lost or doubled."""

    source: ActorRef[Account]
    target: ActorRef[Account]
    state: str = "new"

    @handler
    async def move(self, amount: int) -> None:
        if self.state == "new":  # told in every run, done in the first
            self.state = "withdrawing"
            self.turn.request(
                self.source,
                Account.withdraw(amount),
                then=partial(Transfer.withdrawn, amount=amount),
                failed=Transfer.refused,
            )

    @handler
    async def withdrawn(self, left: int, amount: int) -> None:
        await self.target.tell(Account.deposit(amount))
        self.state = f"moved {amount}, {left} left"

    @handler
    async def refused(self, failure: Failure) -> None:
        self.state = f"{failure.reason}: {failure.text}"

    @handler
    async def status(self) -> str:
        return self.state


async def main(node: Node) -> None:
    # Get or create: in the second run both accounts are there, with what they had.
    ann = await node.spawn(Account("Ann", balance=100), name="ann")
    bob = await node.spawn(Account("Bob"), name="bob")
    print("Ann has", await ann.ask(Account.show(), timeout=5), "and", end=" ")
    print("Bob has", await bob.ask(Account.show(), timeout=5))

    await ann.tell(Account.deposit(30), id="wages")  # durable when it returns; done once, in all runs
    left = await ann.ask(Account.withdraw(50), timeout=5, id="shopping")  # a rerun hears the first answer
    print("Ann withdraws 50:", left, "left")
    try:
        await ann.ask(Account.withdraw(1000), timeout=5)
    except InsufficientFunds as no:
        print("Ann withdraws 1000:", no)

    for name, amount in ("rent", 60), ("yacht", 1000):
        transfer = await node.spawn(Transfer(ann, bob), name=name)
        await transfer.tell(Transfer.move(amount))
        await node.wait_idle()
        print(f"{name}:", await transfer.ask(Transfer.status(), timeout=5))
    print("Bob has", await bob.ask(Account.show(), timeout=5))


if __name__ == "__main__":
    run(main, store="./bank.store")
