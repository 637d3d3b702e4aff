"""A bank with a right way and a wrong way to pay, and machines that use it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, MultipleResults, multiple, run_state_machine_as_test

from callboard import Actor, ActorRef, Refusal, handler
from callboard.testing import check, faults
from callboard.testing.machine import ActorMachine
from callboard.testing.rules import always, initialize, rule

M = TypeVar("M", bound=ActorMachine)
NAMES = ("ann", "bob")
START = 100


class TooLittle(Refusal):
    """There is less in the account."""


class Account(Actor, type_name="machine.Account"):
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise TooLittle
        self.balance -= amount
        return self.balance

    @handler
    async def transfer(self, to: ActorRef[Account], amount: int) -> None:
        if amount <= self.balance:
            self.balance -= amount
            await to.tell(Account.deposit(amount))


class Bank(ActorMachine, types=[Account]):
    """Two accounts; derived machines say how money is moved."""

    accounts: Bundle[ActorRef[Account]] = Bundle("accounts")

    @initialize(target=accounts)
    async def open(self) -> MultipleResults[ActorRef[Account]]:
        return multiple(*[await self.sim.spawn(Account(START), name=name) for name in NAMES])

    @always
    def nobody_has_debt(self) -> None:
        assert all(account.balance >= 0 for account in self.sim.states(Account))

    async def check(self) -> None:
        check.conserved(self.sim, lambda sim: sum(each.balance for each in sim.states(Account)), 2 * START)


class GoodBank(Bank, faults=faults.ALL):
    """Money goes in the message that is sent in the turn that takes it."""

    @rule(payer=Bank.accounts, payee=Bank.accounts, amount=st.integers(1, 60))
    async def pay(self, payer: ActorRef[Account], payee: ActorRef[Account], amount: int) -> None:
        await payer.tell(Account.transfer(payee, amount))


class BadBank(Bank, faults=(faults.crash_at, faults.disk_full, faults.clock_jump, faults.slow_disk)):
    """Money is in nobody's hands between two questions of a client."""

    @rule(payer=Bank.accounts, payee=Bank.accounts, amount=st.integers(1, 60))
    async def pay(self, payer: ActorRef[Account], payee: ActorRef[Account], amount: int) -> None:
        try:
            await payer.ask(Account.withdraw(amount))
        except TooLittle:
            return
        await payee.ask(Account.deposit(amount))


class Idle(ActorMachine, types=[Account]):
    """Does nothing of itself."""

    @rule()
    async def rest(self) -> None:
        """Do nothing."""


def run(machine: type[ActorMachine], examples: int = 30) -> None:
    """Run a machine as its `TestCase` would, the same examples every time."""
    same = settings(
        machine.TestCase.settings,
        max_examples=examples,
        stateful_step_count=20,
        derandomize=True,
        database=None,
    )
    run_state_machine_as_test(machine, settings=same)


@contextmanager
def by_hand(machine: type[M]) -> Generator[M]:
    """A machine whose rules the test calls, as in the program that Hypothesis prints."""
    state = machine()
    try:
        yield state
    finally:
        state.teardown()


def play(state: object, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call a rule; for type checkers it is async, though none is when a machine has it."""
    return getattr(state, name)(*args, **kwargs)


def steps_of(error: BaseException) -> list[str]:
    return [line for note in error.__notes__ for line in note.splitlines() if line.startswith("state.")]
