"""Mistakes that both checkers must find, each on a line that says so; never run.

The project's own checks skip what is switched off here; `test_typing.py` reads the file
without these switches, from an installed wheel.
"""
# ruff: noqa: B018, E501
# fmt: off
# mypy: ignore-errors
# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIncompatibleVariableOverride=false, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false, reportUnusedCoroutine=false

from callboard import Actor, ActorRef, Message, Node, Record, Retry, handler, transient


class Account(Actor):
    owner: str
    balance: int = 0
    cache: dict[str, int] = transient(factory=dict[str, int])

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def note(self, text: str, *, urgent: bool = False) -> None: ...

    @handler  # error: mypy[arg-type] pyright[reportArgumentType]
    def sync(self, amount: int) -> int:
        return amount

    @handler(retries=3)  # error: mypy[call-overload, untyped-decorator] pyright[reportCallIssue, reportUntypedFunctionDecorator]
    async def retried(self) -> None: ...

    @handler(retry=Retry(attempts="3"))  # error: mypy[arg-type] pyright[reportArgumentType]
    async def retried_often(self) -> None: ...


class Savings(Account):
    @handler
    async def add_interest(self, days: int) -> float:
        self.turn.request(self.turn.ref, Account.deposit(1), then=Savings.told)  # error: mypy[arg-type] pyright[reportArgumentType]
        self.turn.request(other, Account.deposit(1), then=Savings.told)  # error: mypy[arg-type] pyright[reportArgumentType]
        self.turn.request(other, Account.deposit(1), failed=Savings.told)  # error: mypy[arg-type] pyright[reportArgumentType]
        return await self.deposit("1")  # error: mypy[arg-type] pyright[reportArgumentType]

    @handler
    async def told(self, text: str) -> None: ...


class Other(Actor):
    @handler
    async def poke(self) -> None: ...


class Override(Account):
    @handler
    async def deposit(self, amount: str) -> int:  # error: mypy[override] pyright[reportIncompatibleVariableOverride]
        return len(amount)


class Circle(Record):
    radius: float


other: ActorRef[Account] = ActorRef("other")


async def main(node: Node, ref: ActorRef[Account], poked: ActorRef[Other], savings: ActorRef[Savings]) -> None:
    Account.deposit()  # error: mypy[call-arg] pyright[reportCallIssue]
    Account.deposit("5")  # error: mypy[arg-type] pyright[reportArgumentType]
    Account.deposit(1, 2)  # error: mypy[call-arg] pyright[reportCallIssue]
    Account.deposit(sum=1)  # error: mypy[call-arg] pyright[reportCallIssue]
    Account.note("a", True)  # error: mypy[call-arg] pyright[reportCallIssue]
    Account("Ann", "100")  # error: mypy[arg-type] pyright[reportArgumentType]
    Account()  # error: mypy[call-arg] pyright[reportCallIssue]
    Account("Ann", cache={})  # error: mypy[call-arg] pyright[reportCallIssue]
    Account("Ann").balence  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    await ref.tell(Other.poke())  # error: mypy[arg-type] pyright[reportArgumentType]
    await ref.ask(Savings.add_interest(1))  # error: mypy[arg-type] pyright[reportArgumentType]
    text: str = await ref.ask(Account.deposit(1))  # error: mypy[arg-type] pyright[reportAssignmentType]
    ref.ask(Account.deposit(1))  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    ref.balance  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    ref.deposit(1)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    await ref.tell("deposit")  # error: mypy[arg-type] pyright[reportArgumentType]
    await ref.tell(Account.deposit)  # error: mypy[arg-type] pyright[reportArgumentType]
    await ref.ask(Account.deposit(1), delay=5)  # error: mypy[call-arg] pyright[reportCallIssue]
    await ref.tell(Account.deposit(1), delay="5")  # error: mypy[arg-type] pyright[reportArgumentType]
    narrow: ActorRef[Savings] = ref  # error: mypy[assignment] pyright[reportAssignmentType]
    message: Message[Account, str] = Account.deposit(1)  # error: mypy[assignment] pyright[reportAssignmentType]
    await node.spawn(Account)  # error: mypy[type-var] pyright[reportArgumentType]
    await poked.tell(Account.deposit(1))  # error: mypy[arg-type] pyright[reportArgumentType]
    Circle("1")  # error: mypy[arg-type] pyright[reportArgumentType]
    Circle(1.0).radius = 2.0  # error: mypy[misc] pyright[reportAttributeAccessIssue]
    Account("Ann").turn.after("soon", Account.deposit(1))  # error: mypy[arg-type] pyright[reportArgumentType]
    Account("Ann").undeclared = 1  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    print(text, narrow, message, savings)
