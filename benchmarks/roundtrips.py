"""Round trips: one actor asks another by `self.turn.request`, and the answer comes as ordinary mail."""

import time

from measures import Sink, goal, on_a_node
from sizes import Measured, Sizes, check

from callboard import Actor, ActorRef, Node, handler


class Clerk(Actor):
    """Asks again as soon as it has its answer."""

    bank: ActorRef[Sink]
    left: int
    answers: int = 0

    @handler
    async def begin(self) -> None:
        """Ask the first question."""
        self._inquire()

    @handler
    async def answered(self, count: int) -> None:
        """Hear the answer, and ask the next."""
        self.answers += 1
        if self.left:
            self._inquire()
        else:
            goal.finish_one()

    @handler
    async def show(self) -> int:
        """Answers so far."""
        return self.answers

    def _inquire(self) -> None:
        self.left -= 1
        self.turn.request(self.bank, Sink.ask("ann", 1, "rent"), then=Clerk.answered)


@on_a_node
async def request(node: Node, sizes: Sizes) -> Measured:
    """Answers a second to one actor that asks one question after the other."""
    return await _requests(node, 1, sizes.asks)


@on_a_node
async def request_many(node: Node, sizes: Sizes) -> Measured:
    """The same with many actors that ask one other."""
    return await _requests(node, sizes.askers, sizes.asks_each)


async def _requests(node: Node, askers: int, each: int) -> Measured:
    bank = await node.spawn(Sink(), name="bank")
    clerks = [await node.spawn(Clerk(bank, each)) for _ in range(askers)]
    goal.aim_for_all(askers)
    began = time.perf_counter()
    await node.tell_all([(clerk, Clerk.begin()) for clerk in clerks])
    await goal.reached.wait()
    await node.wait_idle()
    took = time.perf_counter() - began
    answers = sum([await clerk.ask(Clerk.show()) for clerk in clerks])
    check("request", answers, askers * each)
    check("questions", await bank.ask(Sink.ask("ann", 0, "")), askers * each)
    return {"value": answers / took}
