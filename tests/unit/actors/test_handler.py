"""A handler makes messages on the class, is a method on the instance, and refuses what it cannot store."""
# pyright: reportUnusedClass=false, reportUnknownMemberType=false

import abc
import functools
import inspect
from datetime import timedelta
from typing import Any

import pytest

from callboard.actors.actor import Actor, actor_type
from callboard.actors.errors import DefinitionError
from callboard.actors.handler import Factory, handler
from callboard.actors.retry import Retry


class Account(Actor, type_name="test_handler.Account"):
    owner: str
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        """Put money in."""
        self.balance += amount
        return self.balance

    @handler(name="take", retry=Retry(attempts=3), timeout=timedelta(minutes=1), version=2)
    async def withdraw(self, amount: int, *, fee: int = 0) -> int:
        return await self.deposit(-amount - fee)


class Savings(Account, type_name="test_handler.Savings"):
    @handler
    async def deposit(self, amount: int) -> int:
        return await super().deposit(amount) + 1


async def test_on_an_instance_a_handler_is_the_method() -> None:
    account = Account("Ann")
    assert await account.deposit(5) == 5
    assert await account.withdraw(2, fee=1) == 2
    assert account == account  # noqa: PLR0124 - actors are equal by identity
    assert Account("Ann") != Account("Ann")


async def test_an_override_can_call_what_it_overrides() -> None:
    savings = Savings("Ann")
    assert await savings.deposit(5) == 6
    assert await savings.withdraw(1) == 5


def test_a_subclass_shares_handlers_until_it_overrides_them() -> None:
    mine, theirs = actor_type(Savings).handlers, actor_type(Account).handlers
    assert mine["take"] is theirs["take"]
    assert mine["deposit"] is not theirs["deposit"]
    assert (mine["deposit"].owner, mine["take"].owner) == (Savings, Account)


def test_options_reach_the_runtime() -> None:
    spec = actor_type(Account).handlers["take"]
    assert (spec.name, spec.attribute, spec.type_name) == ("take", "withdraw", "test_handler.Account")
    assert (spec.retry, spec.timeout, spec.version) == (Retry(attempts=3), 60.0, 2)
    bare = actor_type(Account).handlers["deposit"]
    assert (bare.retry, bare.timeout, bare.version, bare.suspends) == (None, None, 1, False)


async def test_the_runtime_calls_a_handler_by_position() -> None:
    account = Account("Ann", balance=10)
    spec = actor_type(Account).handlers["take"]
    assert await spec.function(account, *Account.withdraw(3, fee=1).values) == 6
    assert spec.show((3, 1)) == "withdraw(3, 1)"


def test_tools_see_the_function() -> None:
    assert isinstance(Account.deposit, Factory)
    assert Account.deposit.__name__ == "deposit"
    assert Account.deposit.__doc__ == "Put money in."
    assert str(inspect.signature(Account.deposit)) == "(amount: int)"
    assert inspect.unwrap(vars(Account)["deposit"]).__qualname__ == "Account.deposit"


def test_a_partial_over_a_handler_can_be_taken_apart() -> None:
    partial = functools.partial(Account.withdraw, fee=1)
    assert isinstance(partial.func, Factory)
    assert partial.func.spec.name == "take"
    assert partial(5) == Account.withdraw(5, fee=1)


def test_an_override_keeps_the_declared_name() -> None:
    class Other(Account, type_name="test_handler.Other"):
        @handler
        async def withdraw(self, amount: int, *, fee: int = 1) -> int:
            return amount

    assert actor_type(Other).handlers["take"].owner is Other
    with pytest.raises(DefinitionError, match="drop name="):

        class Another(Account):
            @handler(name="fetch")
            async def withdraw(self, amount: int, *, fee: int = 1) -> int:
                return amount


def test_an_undecorated_override_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Broken\.deposit overrides a handler of Account.*@handler"):

        class Broken(Account):
            async def deposit(self, amount: int) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
                return amount


def test_a_field_cannot_stand_where_a_handler_was() -> None:
    with pytest.raises(DefinitionError, match="rename it"):

        class Broken(Account):
            deposit: int = 0  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


def refused(function: Any, **options: Any) -> str:
    with pytest.raises(DefinitionError) as error:
        handler(**options)(function) if options else handler(function)
    return str(error.value)


def test_signatures_that_cannot_be_stored_are_refused() -> None:
    def plain(self: Any, x: int) -> None: ...
    async def starred(self: Any, *xs: int) -> None: ...
    async def keywords(self: Any, **xs: int) -> None: ...
    async def positional(self: Any, x: int, /) -> None: ...
    async def bare(self: Any, x) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
    async def selfless() -> None: ...
    async def good(self: Any) -> None: ...
    async def generator(self: Any) -> Any:
        yield 1

    assert "write `async def`" in refused(plain)
    assert "take one list" in refused(starred)
    assert "take one dict" in refused(keywords)
    assert "drop the `/`" in refused(positional)
    assert "'x' has no annotation" in refused(bare)
    assert "give it self" in refused(selfless)
    assert "async def" in refused(generator)
    assert "staticmethod" in refused(staticmethod(good))
    assert "classmethod" in refused(classmethod(good))
    assert "cannot be stored" in refused(good, name="")
    assert "count versions from 1" in refused(good, version=0)
    assert "write retry=Retry" in refused(good, retry=3)


def test_a_timeout_is_a_duration() -> None:
    async def good(self: Any) -> None: ...

    with pytest.raises(ValueError, match="cannot be -1"):
        handler(timeout=-1)(good)
    with pytest.raises(TypeError, match="in seconds"):
        handler(timeout=True)(good)


def test_a_missing_return_annotation_means_none() -> None:
    class Quiet(Actor):
        @handler
        async def hush(self): ...  # type: ignore[no-untyped-def]

    reply = actor_type(Quiet).handlers["hush"].reply
    assert reply.check(None) is None
    assert reply.live


def test_annotations_that_cannot_be_stored_are_refused_at_the_class() -> None:
    with pytest.raises(DefinitionError, match=r"^Bad\.put\(xs=\.\.\.\): complex cannot be stored"):

        class Bad(Actor):
            @handler
            async def put(self, xs: complex) -> None: ...

    with pytest.raises(DefinitionError, match=r"^the reply of Worse\.put: complex"):

        class Worse(Actor):
            @handler
            async def put(self) -> complex:
                return 0j


def test_a_default_must_fit_and_is_never_shared() -> None:
    with pytest.raises(DefinitionError, match="the default of"):

        class Bad(Actor):
            @handler
            async def put(self, x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013  # pyright: ignore[reportArgumentType]

    class Good(Actor):
        @handler
        async def put(self, xs: list[int] = [], rate: float = 1) -> None: ...  # noqa: B006

    first, second = Good.put(), Good.put()
    first.values[0].append(1)
    assert second.values == ([], 1.0)
    assert type(second.values[1]) is float


def test_one_handler_has_one_name() -> None:
    with pytest.raises(DefinitionError, match="second name"):

        class Twice(Actor):
            @handler
            async def put(self) -> None: ...

            push = put

    with pytest.raises(DefinitionError, match="both declared as 'put'"):

        class Same(Actor):
            @handler
            async def put(self) -> None: ...

            @handler(name="put")
            async def push(self) -> None: ...


def test_an_abstract_actor_is_a_protocol() -> None:
    class Api(Actor, abc.ABC):
        @handler
        @abc.abstractmethod
        async def put(self, x: int) -> int: ...

    class Concrete(Api):
        @handler
        async def put(self, x: int) -> int:
            return x

    with pytest.raises(TypeError, match="abstract"):
        Api()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
    assert isinstance(Concrete(), Api)
    assert actor_type(Api).abstract
    assert not actor_type(Concrete).abstract
    assert Api.put(1).spec.name in actor_type(Concrete).handlers
