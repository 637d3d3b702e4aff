"""Refs of names that are no addresses: the verb refuses them, in the handler, and nothing comes of it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from callboard import Actor, ActorRef, BadName, Failure, MessageTooLarge, Retry, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead

pytestmark = pytest.mark.virtual

NAMES = {
    "empty": "",
    "reserved": "$x",
    "outbox": "@b",
    "node": "a@b",
    "surrogate": "\ud800",
    "long": "x" * 300,
}
VERBS = ("tell", "later", "under an id", "request", "cancel")


class Caller(Actor, type_name="badrefs.Caller"):
    calls: int = 0
    refused: str = ""

    @handler(retry=Retry(attempts=1))
    async def call(self, verb: str, which: str) -> None:
        ref: ActorRef[Caller] = ActorRef(NAMES.get(which, which))
        self.calls += 1
        try:
            if verb == "tell":
                await ref.tell(Caller.hear())
            elif verb == "later":
                await ref.tell(Caller.hear(), delay=1)
            elif verb == "under an id":
                await ref.tell(Caller.hear(), id="once")
            elif verb == "request":
                self.turn.request(ref, Caller.hear())
            else:
                self.turn.cancel("key", to=ref)
        except BadName as error:
            self.refused = str(error)

    @handler
    async def hear(self) -> None: ...

    @handler
    async def show(self) -> tuple[int, str]:
        return self.calls, self.refused


class Vast(Actor, type_name="badrefs.Vast"):
    ballast: bytes = b""

    @handler
    async def make(self, size: int) -> None:
        self.turn.spawn(Vast(bytes(size)), name="another")


@pytest.mark.parametrize("which", NAMES)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_refuses_a_ref_of_no_address_and_the_actor_goes_on(verb: str, which: str) -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        caller = await node.spawn(Caller(), name="caller")
        await caller.tell(Caller.call(verb, which))
        calls, refused = await caller.ask(Caller.show())
        assert (calls, "cannot be a name" in refused) == (1, True)
    async with open_node(store.reopen()) as node:
        assert (await node.ref(Caller, "caller").ask(Caller.show()))[0] == 1
        assert node.statistics().queued == node.statistics().scheduled == 0


async def test_a_mailbox_without_a_name_that_an_older_release_made_harms_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    with monkeypatch.context() as older:
        older.setattr("callboard.actors.sending.check_name", str)
        async with open_node(store) as node:
            caller = await node.spawn(Caller(), name="caller")
            await caller.tell(Caller.call("tell", "empty"))
            await node.wait_idle()
            assert node.statistics().queued == 1
    async with open_node(store.reopen(), park=1) as node:
        assert (await node.ref(Caller, "caller").ask(Caller.show()))[0] == 1
        await trio.sleep(3600)
        assert (await node.ref(Caller, "caller").ask(Caller.show()))[0] == 1
        assert node.statistics().died == 1


async def test_a_name_of_another_type_is_refused_as_a_name() -> None:
    name: Any = 3
    async with open_node(MemoryStore()) as node:
        with pytest.raises(BadName, match="a name is a str, not int"):
            await node.spawn(Caller(), name=name)


async def test_an_actor_is_not_spawned_with_a_state_with_which_no_turn_could_end() -> None:
    async with open_node(MemoryStore()) as node:
        with pytest.raises(MessageTooLarge, match="spread it over more actors"):
            await node.spawn(Vast(bytes(17 * 1024 * 1024)), name="vast")
        small = await node.spawn(Vast(), name="small")
        await small.tell(Vast.make(17 * 1024 * 1024))
        await node.wait_idle()
        assert node.statistics().actors == 1


class Wary(Actor, type_name="badrefs.Wary"):
    """Its callbacks take what they are not told."""

    @handler(retry=Retry(attempts=1))
    async def ask(self, how: str) -> None:
        me: ActorRef[Wary] = self.turn.ref
        if how == "failed":
            self.turn.request(me, Wary.text("hm"), failed=Wary.text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        elif how == "watch":
            self.turn.watch(me, then=Wary.text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        else:
            self.turn.request(me, Wary.text("hm"), failed=Wary.fail)

    @handler
    async def text(self, text: str) -> None: ...

    @handler
    async def fail(self, failure: Failure | None) -> None: ...


@pytest.mark.parametrize(("how", "told"), [("failed", "Failure"), ("watch", "Terminated"), ("right", "")])
async def test_a_callback_that_cannot_hold_what_it_will_be_told_is_refused_at_once(
    how: str, told: str
) -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        wary = await node.spawn(Wary(), name="wary")
        await wary.tell(Wary.ask(how))
        await node.wait_idle()
    letters = list_dead(store.reopen())
    assert [f"is told a {told}" in letter.text for letter in letters] == [True] * bool(told)
