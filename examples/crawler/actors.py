"""Actors: a frontier that knows which pages there are, and fetchers under a supervisor.

They count and never look whether something came twice: what was lost or done twice would show in the sums.
"""

from __future__ import annotations

from functools import partial

import attrs
import trio

from callboard import Actor, ActorRef, Child, Dynamic, Node, Retry, Supervisor, handler

from .parsing import DEPLOYED
from .site import SITE

FETCHERS = 4


@attrs.frozen
class Sums:
    """What was found up to now."""

    known: int
    read: int
    links: int
    words: int
    twice: int
    """Pages that were told of more than once."""


class Frontier(Actor):
    """Knows the pages, deals each out once, and adds up what is told of them."""

    fetchers: list[ActorRef[Fetcher]]
    read: dict[int, int] = attrs.Factory(dict[int, int])
    """By page that is known, how often it was told of; 0 while it is not read."""
    links: int = 0
    words: int = 0

    @handler
    async def visit(self, page: int) -> None:
        """Have a page fetched unless it is known; every start of the program asks for the first one."""
        if page not in self.read:
            self.read[page] = 0
            await self.fetchers[page % len(self.fetchers)].tell(Fetcher.fetch(page))

    @handler
    async def told(self, page: int, links: list[int], words: int) -> None:
        """A page was read."""
        self.read[page] += 1
        self.links += len(links)
        self.words += words
        for link in links:
            await self.visit(link)

    @handler
    async def sums(self) -> Sums:
        """Answer what was found up to now."""
        counts = self.read.values()
        return Sums(
            known=len(counts),
            read=sum(count > 0 for count in counts),
            links=self.links,
            words=self.words,
            twice=sum(count > 1 for count in counts),
        )


class Fetcher(Actor):
    """Fetches pages and reads them. The network fails for a while; a page that cannot be read is poison."""

    frontier: ActorRef[Frontier]

    @handler(retry=Retry(attempts=8, wait=0.05, on=OSError), timeout=30)
    async def fetch(self, page: int) -> None:
        """Fetch one page. The site charges for it once, since the key is the same in every attempt."""
        html = await SITE.get(page, key=await self.turn.effect_key())
        content = await trio.to_thread.run_sync(DEPLOYED.parse, html)  # the other actors go on meanwhile
        await self.frontier.tell(Frontier.told(page, content.links, content.words))


def tree(node: Node) -> Supervisor:
    """The frontier, and fetchers that depend on it. Each poison page is one restart."""
    fetchers = [node.ref(Fetcher, f"fetcher/{number}") for number in range(FETCHERS)]
    frontier = node.ref(Frontier, "frontier")
    return Supervisor(
        "crawler",
        [
            Child(Frontier(fetchers), name="frontier"),
            Dynamic("fetchers", partial(Fetcher, frontier), intensity=10, period=60),
        ],
        strategy="rest_for_one",
    )
