"""The dead-letter office: letters are found, replayed, redirected and dropped, and all are counted."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import msgspec
import pytest
import trio

from callboard import (
    Actor,
    AskFailed,
    Child,
    Node,
    NodeClosed,
    NoSuchActor,
    Retry,
    Supervisor,
    handler,
    open_node,
)
from callboard.actors.errors import InTurn
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import find_mailbox
from callboard.mailbox.records import Dead, key, pack, unpack
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual
ONCE = Retry(attempts=1)


class Trouble(Exception):
    """What goes wrong while something outside is broken."""


class Clerk(Actor, type_name="office.Clerk"):
    heard: list[int] = attrs.field(factory=list[int])
    keys: list[str] = attrs.field(factory=list[str])

    broken = True
    """Whether something outside is broken; of the class, so no turn takes it back."""

    @handler(retry=ONCE)
    async def file(self, number: int) -> int:
        self.keys.append(await self.turn.effect_key())
        if type(self).broken:
            raise Trouble(f"no paper for {number}")
        self.heard.append(number)
        return number

    @handler(retry=Retry(attempts=3, wait=1, jitter=0))
    async def choke(self) -> None:
        raise ValueError("for ever")

    @handler
    async def note(self, number: int) -> None:
        self.heard.append(number)

    @handler
    async def meddle(self) -> None:
        await OFFICE[0].dead.replay()

    @handler
    async def remind(self) -> None:
        self.turn.after(1, Clerk.file(7), key="reminder")


class Heir(Actor, type_name="office.Heir"):
    heard: list[int] = attrs.field(factory=list[int])

    @handler
    async def file(self, number: int) -> int:
        self.heard.append(-number)
        return number


class Stranger(Actor, type_name="office.Stranger"):
    @handler
    async def file(self, number: str) -> None:
        pass


OFFICE: list[Node] = []


@pytest.fixture(autouse=True)
def broken() -> Iterator[None]:
    """The world is broken until a test mends it."""
    Clerk.broken = True
    yield
    OFFICE.clear()


def sound(node: Node) -> None:
    """Conservation, and everything else that can be seen in the store."""
    assert find_damage(node.store) == []
    told = node.statistics()
    assert told.accepted == told.handled + told.queued + told.scheduled + told.died + told.discarded


async def file_all(node: Node, numbers: range, name: str = "ann") -> None:
    ref = await node.spawn(Clerk(), name=name)
    for number in numbers:
        await ref.tell(Clerk.file(number))
    await node.wait_idle()


async def state(node: Node, name: str = "ann") -> dict[str, list[int]]:
    await node.wait_idle()
    at = find_mailbox(node.store, name)
    assert at is not None
    data = node.store.get(Table.STATES, key(at.box))
    assert data is not None
    found: dict[str, list[int]] = msgspec.msgpack.decode(data[4:])
    return found


# Looking.


async def test_letters_are_found_by_mailbox_type_error_and_reason() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(3))
        await file_all(node, range(2), name="bob")
        await node.ref(Clerk, "ann").tell(Clerk.choke())
        await trio.sleep(10)
        await node.wait_idle()
        office = node.dead
        assert [view.number for view in office.letters()] == [1, 2, 3, 4, 5, 6]
        assert [view.box for view in office.letters(box="b*")] == ["bob", "bob"]
        assert [view.number for view in office.letters(error=ValueError)] == [6]
        assert [view.number for view in office.letters(error="Troub*", box="ann")] == [1, 2, 3]
        assert len(office.letters(type=Clerk)) == len(office.letters(type="office.*")) == 6
        assert office.letters(type=Heir) == office.letters(reason="unclaimed") == []
        assert [view.number for view in office.letters(numbers=[5, 2, 99])] == [2, 5]
        assert [view.number for view in office.letters(after=2, limit=3)] == [3, 4, 5]
        groups = office.groups()
        assert [(group.error, group.reason, group.count) for group in groups] == [
            ("Trouble", "failed", 5),
            ("ValueError", "failed", 1),
        ]
        assert groups[0].oldest <= groups[0].newest < groups[1].oldest
        assert (groups[0].example, groups[0].text) == (5, "no paper for 1")


async def test_a_letter_tells_its_history() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await ann.tell(Clerk.choke())
        await trio.sleep(10)
        (letter,) = node.dead.letters()
        assert (letter.attempts, letter.life, letter.restarts, letter.replays) == (3, 1, 0, 0)
        assert letter.died_at - letter.failed_at == 3_000_000_000  # it waited 1 s, then 2 s
        assert 'raise ValueError("for ever")' in letter.traceback
        assert node.statistics().oldest_dead == letter.died_at
        await node.dead.replay()
        await trio.sleep(10)
        (again,) = node.dead.letters()
        assert (again.number, again.attempts, again.replays) == (2, 3, 1)
        assert again.letter.number == letter.letter.number


async def test_a_letter_of_a_supervised_actor_tells_how_often_that_was_restarted() -> None:
    async with open_node(MemoryStore()) as node:
        await node.start(Supervisor("top", [Child(Clerk(), name="ann")], backoff=None))
        for number in range(3):
            await node.ref(Clerk, "ann").tell(Clerk.file(number))
        await trio.sleep(1)
        assert [letter.restarts for letter in node.dead.letters()] == [0, 1, 2]
        sound(node)


# Replay.


async def test_replayed_messages_come_in_the_order_of_death_behind_the_mail_that_waits() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(5))
        letters = node.dead.letters()
        await node.pause(node.ref(Clerk, "ann"))
        await node.ref(Clerk, "ann").tell(Clerk.note(100))
        Clerk.broken = False
        errand = await node.dead.replay()
        assert (errand.verb, errand.done, errand.kept, errand.more) == ("replay", (1, 2, 3, 4, 5), (), False)
        sound(node)
        assert (node.statistics().died, node.statistics().queued) == (0, 6)
        await node.resume(node.ref(Clerk, "ann"))
        found = await state(node)
        assert found["heard"] == [100, 0, 1, 2, 3, 4]
        counts = [letter.letter.number & ((1 << 40) - 1) for letter in letters]
        assert [int(str(each).rpartition("-")[2]) for each in found["keys"]] == counts
        assert node.statistics().handled == 6
        sound(node)


async def test_a_dry_run_says_what_would_be_done_and_changes_nothing() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(5))
        before = node.statistics()
        for errand in (
            await node.dead.replay(dry_run=True, most=2),
            await node.dead.redirect(node.ref(Clerk, "ann"), dry_run=True, most=2),
            await node.dead.drop(dry_run=True, most=2, box="ann"),
        ):
            assert (errand.done, errand.more, errand.dry_run) == ((1, 2), True, True)
        assert node.statistics() == msgspec.structs.replace(before, writer=node.statistics().writer)
        assert len(node.dead.letters()) == 5


async def test_a_replay_stops_at_its_cap_and_goes_on_the_next_time() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(5))
        Clerk.broken = False
        first = await node.dead.replay(most=3)
        assert (first.done, first.more) == ((1, 2, 3), True)
        second = await node.dead.replay(most=2)
        assert (second.done, second.more) == ((4, 5), False)
        assert (await node.dead.replay()).done == ()
        assert (await state(node))["heard"] == [0, 1, 2, 3, 4]


async def test_thousands_are_replayed_in_batches() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(1000))
        assert node.statistics().died == 1000
        Clerk.broken = False
        before = node.statistics().durable_lsn
        errand = await node.dead.replay(most=None)
        assert len(errand.done) == 1000
        assert node.statistics().durable_lsn - before >= 10
        assert (await state(node))["heard"] == list(range(1000))
        assert node.statistics().died == 0
        sound(node)


async def test_what_dies_again_during_a_replay_is_not_replayed_for_ever() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(250))
        errand = await node.dead.replay(most=None)
        assert len(errand.done) == 250
        await node.wait_idle()
        assert [view.replays for view in node.dead.letters(limit=300)] == [1] * 250
        sound(node)


async def test_a_letter_that_cannot_be_decoded_stays_and_says_why() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        await file_all(node, range(3))
    store = store.reopen()
    value = store.get(Table.DEAD, key(2))
    assert value is not None
    damaged = msgspec.structs.replace(unpack(Dead, value), envelope=b"\x93\x01", reason="undecodable")
    store.commit({Table.DEAD: {key(2): pack(damaged)}})
    Clerk.broken = False
    async with open_node(store) as node:
        errand = await node.dead.replay()
        assert errand.done == (1, 3)
        assert [kept.number for kept in errand.kept] == [2]
        assert "not an envelope" in errand.kept[0].why
        assert [kept.number for kept in (await node.dead.replay(numbers=[2, 77])).kept] == [77, 2]
        assert (await state(node))["heard"] == [0, 2]
        sound(node)
        assert (await node.dead.drop(numbers=[2])).done == (2,)
        sound(node)


async def test_a_record_that_cannot_be_read_is_dropped_only_by_its_number() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        await file_all(node, range(1))
    store = store.reopen()
    store.commit({Table.DEAD: {key(1): b"rubbish!"}})
    async with open_node(store) as node:
        assert node.dead.letters(box="bob")[0].problem
        assert (await node.dead.drop(reason="*")).done == ()
        assert (await node.dead.drop(numbers=[1])).done == (1,)
        sound(node)


async def test_a_mark_does_not_hold_a_replay_back_and_hears_how_it_ended_at_last() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Clerk(), name="ann")
        with pytest.raises(AskFailed):
            await ann.ask(Clerk.file(5), id="five")
        with pytest.raises(AskFailed):
            await ann.ask(Clerk.file(5), id="five")
        Clerk.broken = False
        assert (await node.dead.replay()).done == (1,)
        await node.wait_idle()
        assert await ann.ask(Clerk.file(5), id="five") == 5
        assert (await state(node))["heard"] == [5]
        sound(node)


async def test_a_timers_message_with_a_key_is_replayed_though_its_key_is_free() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await ann.tell(Clerk.remind())
        await trio.sleep(5)
        Clerk.broken = False
        await node.dead.replay()
        assert (await state(node))["heard"] == [7]
        assert (node.statistics().discarded, node.statistics().died) == (0, 0)
        sound(node)


async def test_mail_for_nobody_that_died_is_replayed_when_somebody_lives_there() -> None:
    async with open_node(MemoryStore(), park=1) as node:
        await node.ref(Clerk, "late").tell(Clerk.note(1))
        await trio.sleep(5)
        assert [view.reason for view in node.dead.letters()] == ["unclaimed"]
        await node.spawn(Clerk(), name="late")
        await node.dead.replay(box="late")
        assert (await state(node, "late"))["heard"] == [1]
        sound(node)


async def test_a_stop_that_came_too_late_ends_no_other_life() -> None:
    async with open_node(MemoryStore(), park=1) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await node.pause(ann)
        await node.stop(ann)
        await node.stop(ann)
        await node.resume(ann)
        await trio.sleep(5)
        await node.spawn(Clerk(), name="ann")
        errand = await node.dead.replay()
        assert (errand.done, [kept.number for kept in errand.kept]) == ((), [1])
        assert "another life" in errand.kept[0].why
        assert (await node.dead.drop(box="ann")).done == (1,)
        assert node.statistics().died == 0
        sound(node)


# Redirect.


async def test_letters_are_redirected_to_an_actor_that_has_the_handler() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(3))
        heir = await node.spawn(Heir(), name="heir")
        assert (await node.dead.redirect(heir, box="ann")).done == (1, 2, 3)
        sound(node)
        assert (await state(node, "heir"))["heard"] == [0, -1, -2]
        assert (node.statistics().died, node.statistics().handled) == (0, 3)
        sound(node)


async def test_what_an_actor_cannot_take_is_not_redirected_to_it() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(2))
        await node.ref(Clerk, "ann").tell(Clerk.choke())
        await trio.sleep(10)
        heir = await node.spawn(Heir(), name="heir")
        with pytest.raises(TypeError, match="no handler 'choke'"):
            await node.dead.redirect(heir)
        with pytest.raises(NoSuchActor, match="spawn it first"):
            await node.dead.redirect(node.ref(Heir, "nobody"))
        assert node.statistics().died == 3
        stranger = await node.spawn(Stranger(), name="stranger")
        errand = await node.dead.redirect(stranger, error=Trouble)
        assert (errand.done, len(errand.kept)) == ((), 2)
        sound(node)


# Drop.


async def test_what_is_dropped_is_discarded_and_counted() -> None:
    async with open_node(MemoryStore()) as node:
        await file_all(node, range(4))
        assert (await node.dead.drop(numbers=[2, 3])).done == (2, 3)
        told = node.statistics()
        assert (told.died, told.discarded) == (2, 2)
        sound(node)
        with pytest.raises(TypeError, match="which"):
            await node.dead.drop()
        assert (await node.dead.drop(reason="*")).done == (1, 4)
        assert (node.statistics().died, node.statistics().oldest_dead) == (0, 0)
        sound(node)


# Refused.


async def test_a_verb_of_the_office_is_refused_inside_a_turn() -> None:
    async with open_node(MemoryStore()) as node:
        OFFICE.append(node)
        ann = await node.spawn(Clerk(), name="ann")
        await ann.tell(Clerk.meddle())
        await trio.sleep(600)
        (letter,) = node.dead.letters()
        assert letter.error == InTurn.__qualname__


async def test_letters_are_not_told_apart_by_what_they_have_not() -> None:
    async with open_node(MemoryStore()) as node:
        with pytest.raises(TypeError, match="mailbox="):
            await node.dead.drop(mailbox="ann")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        with pytest.raises(TypeError, match="no type of actors"):
            node.dead.letters(type=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(NodeClosed):
        await node.dead.replay()
