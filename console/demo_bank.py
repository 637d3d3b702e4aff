"""A bank, as a program of its own: 20 accounts that pay one another.

Not a line of it is about crashes. `callboard demo crash` kills it while it works.
"""

import sys
from functools import partial

import trio

from callboard import Actor, ActorRef, Node, handler, run

ACCOUNTS, OPENING, TRANSFERS = 20, 1000, 500


class Account(Actor):
    """An account; its fields are durable, and so is its mailbox."""

    balance: int = OPENING
    entries: int = 0

    @handler
    async def pay(self, number: int) -> None:
        """Pay a transfer of this account's."""
        _, target, amount = transfer(number)
        await self.book(-amount)
        await account(target).tell(Account.receive(number))

    @handler
    async def receive(self, number: int) -> None:
        """Receive what another account has paid."""
        _, _, amount = transfer(number)
        await self.book(amount)

    async def book(self, amount: int) -> None:
        """Change the balance."""
        await trio.sleep(0.05)  # in a bank there is something to wait for
        self.balance += amount
        self.entries += 1


def transfer(number: int) -> tuple[int, int, int]:
    """Who pays whom, and how much: any rule would do."""
    return number % ACCOUNTS, (number * 7 + 3) % ACCOUNTS, number % 89 + 1


def account(number: int) -> ActorRef[Account]:
    """An account's address."""
    return ActorRef(f"account/{number}")


async def main(node: Node, first: int) -> None:
    """Send 500 transfers, from the one with this number on; the node runs until all are done."""
    for number in range(ACCOUNTS):
        await node.spawn(Account(), name=f"account/{number}")  # made, or found as it was left
    async with trio.open_nursery() as nursery:
        for number in range(first, first + TRANSFERS):
            source, _, _ = transfer(number)
            # By its id, a payment that was sent before the crash is known, and not made again.
            send = partial(node.ref(Account, f"account/{source}").tell, id=f"transfer {number}")
            nursery.start_soon(send, Account.pay(number))


if __name__ == "__main__":
    run(partial(main, first=int(sys.argv[2])), store=sys.argv[1], name="callboard-demo")
