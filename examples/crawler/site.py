"""The site: pages that link to each other, some of them trouble; and the server that hands them out."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import trio

PAGES = 48
POISON = frozenset({5, 9, 16})
"""Pages with tags that are not closed. What is below them is not known before they are read."""
FLAKY = frozenset(range(3, PAGES, 7))
"""Pages for which the server is too busy, the first two times."""
SLOW = 22
SLOW_SECONDS = 1.0


def links(page: int) -> list[int]:
    """The pages that a page links to: two below it, and one above."""
    return [other for other in (2 * page + 1, 2 * page + 2, page * 5 // 7) if other < PAGES]


def words(page: int) -> int:
    """How many words a page has."""
    return 20 + page % 9


def html(page: int) -> str:
    """A page."""
    close = "" if page in POISON else ">"
    anchors = "\n".join(f'<a href="/{other}"{close}</a>' for other in links(page))
    return f"<p>{' '.join(['word'] * words(page))}</p>\n{anchors}\n"


class Site:
    """A server on this machine, at a port that is free."""

    def __init__(self) -> None:
        self.port = 0
        self.busy: Counter[int] = Counter()
        """How often it was too busy for a page."""
        self.charged: dict[int, set[str]] = {}
        """By page, the keys under which it was paid for: a key that comes again costs nothing."""

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[None]:
        """Answer until the block is left."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._answer, listeners)
            yield
            nursery.cancel_scope.cancel()

    async def _answer(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, ConnectionError):  # whoever asked has gone
            async with stream:
                request = await read(stream, until=b"\r\n\r\n")
                await stream.send_all(await self._reply(*request.split()[1:3]))

    async def _reply(self, path: str, key: str) -> bytes:
        page = int(path.removeprefix("/"))
        if page == SLOW:
            await trio.sleep(SLOW_SECONDS)
        if page in FLAKY and self.busy[page] < 2:
            self.busy[page] += 1
            return b"503 too busy\r\n\r\n"
        self.charged.setdefault(page, set()).add(key)
        return f"200 {html(page)}\r\n\r\n".encode()

    async def get(self, page: int, key: str) -> str:
        """Ask it for a page, over the network.

        Raises:
            ConnectionError: it was too busy.
        """
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(f"GET /{page} {key}\r\n\r\n".encode())
            answer = await read(stream, until=b"\r\n\r\n")
        status, _, text = answer.partition(" ")
        if status != "200":
            raise ConnectionError(f"page {page}: {status} {text.strip()}")
        return text


async def read(stream: trio.SocketStream, until: bytes) -> str:
    """What comes from the other side up to a mark.

    Raises:
        ConnectionError: the mark did not come.
    """
    data = b""
    while not data.endswith(until):
        more = await stream.receive_some()
        if not more:
            raise ConnectionError("the other side has gone")
        data += more
    return data.decode()


SITE = Site()
"""The one in this process. Actors look here: a port is not for keeping in a message or a state."""
