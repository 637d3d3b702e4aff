"""Visitors: who stands inside the door, and who is gone although he was let in."""

from pathlib import Path

from callboard import open_node
from callboard.cluster.errors import WireClosed
from callboard.cluster.hello import Hello, Verdict, open_answer


class HangsUp:
    """A wire whose other end says hello, and is gone before it is answered."""

    peer = cluster = ""
    admitted = False

    def __init__(self, hello: Hello, *, listens: bool = False) -> None:
        self.heard: list[bytes] = []
        self._hello = [hello.encode()]
        self._listens = listens

    async def send(self, frame: bytes) -> None:
        self.heard.append(frame)
        if not self._listens:
            raise WireClosed("gone")

    async def receive(self, most: int) -> bytes:
        if self._hello:
            return self._hello.pop()
        raise WireClosed("gone")

    async def aclose(self) -> None:
        pass


def hello_of(store: bytes) -> Hello:
    return Hello(
        epoch=1 << 24,
        incarnation=1,
        store=store,
        head=0,
        tail=0,
        cluster="callboard",
        node="a",
        to="b",
    )


async def test_who_leaves_before_he_is_answered_is_not_inside(tmp_path: Path) -> None:
    """He was, for ever, and another store of his name was turned away."""
    peers = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    async with open_node(tmp_path / "store", name="b", peers=peers) as node:
        assert node.links is not None
        door = node.links.door
        await door.take(HangsUp(hello_of(b"1" * 16)))
        assert door.inside == {}
        other = HangsUp(hello_of(b"2" * 16), listens=True)
        await door.take(other)
        assert open_answer(other.heard[0]).verdict is Verdict.WELCOME
        assert door.inside == {}
