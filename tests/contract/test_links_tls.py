"""Links under mutual TLS over loopback TCP: who has the right certificate is linked, and nobody else."""

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callboard import Actor, Node, handler, open_node
from callboard.cluster import certificates
from callboard.cluster.certificates import AUTHORITY, make_authority, make_node, pair_of
from callboard.cluster.identity import Identity
from callboard.cluster.security import Tls
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage

PATIENCE_S = 5
NAMES = "abc"


class Bell(Actor):
    rung: list[str] = attrs.field(factory=list[str])

    @handler
    async def ring(self, by: str) -> list[str]:
        self.rung = [*self.rung, by]
        return self.rung


def tls_of(folder: Path, name: str, authority: Path | None = None) -> Tls:
    """The certificate of a node, made if there is none yet."""
    pair = pair_of(folder, name)
    if not pair.key.exists():
        make_node(folder, name)
    return Tls(pair.certificate, pair.key, pair_of(authority or folder, AUTHORITY).certificate)


def addresses() -> dict[str, str]:
    """A free port of this machine for each node."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in NAMES]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        return {name: f"127.0.0.1:{each.getsockname()[1]}" for name, each in zip(NAMES, sockets, strict=True)}


@asynccontextmanager
async def cluster(tmp_path: Path, odd: Mapping[str, Any] | None = None) -> AsyncGenerator[list[Node]]:
    """Nodes a, b and c, each with a bell; `odd` are options of a that are not as they should be."""
    folder = tmp_path / "good"
    if not folder.exists():
        make_authority(folder, "test")
    listed = addresses()
    async with AsyncExitStack() as stack:
        nodes: list[Node] = []
        for name in NAMES:
            given: dict[str, Any] = {"cluster": "test", "peers": listed, "types": [Bell], "drain": 0}
            given |= dict(odd) if odd is not None and name == "a" else {"tls": tls_of(folder, name)}
            store = MemoryStore(node=name, entropy=name.encode().__mul__)
            node = await stack.enter_async_context(open_node(store, name=name, **given))
            await node.spawn(Bell(), name="bell")
            nodes.append(node)
        yield nodes
        for node in nodes:
            await node.wait_idle()
            assert not find_damage(node.store)


async def trouble(node: Node, other: str, words: str) -> None:
    """Wait until a node says of a link what is wrong with it."""
    assert node.links is not None
    found = ""
    with trio.move_on_after(PATIENCE_S):
        while words not in found:
            node.links.dial_again(other)
            await trio.sleep(0.01)
            (status,) = (each for each in node.links.status() if each.node == other)
            found = status.trouble
            assert not status.connected
    assert words in found


async def test_three_nodes_with_certificates_of_one_authority_reach_each_other(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        for node in nodes:
            for other in set(NAMES) - {node.name}:
                bell = node.ref(Bell, f"bell@{other}")
                assert node.name in await bell.ask(Bell.ring(node.name), timeout=PATIENCE_S)
        for node in nodes:
            assert node.links is not None
            assert all(each.connected and each.taking and not each.trouble for each in node.links.status())
            rung = await node.ref(Bell, "bell").ask(Bell.ring(""))
            assert sorted(rung) == ["", *sorted(set(NAMES) - {node.name})]


async def refused(tmp_path: Path, odd: Mapping[str, Any], at_a: str, at_b: str) -> None:
    """See that node a gets no link, both sides say why, no mail is lost, and the others are linked."""
    async with cluster(tmp_path, odd) as (a, b, c):
        await a.ref(Bell, "bell@b").tell(Bell.ring("a"))
        await b.ref(Bell, "bell@a").tell(Bell.ring("b"))
        await trouble(a, "b", at_a)
        await trouble(b, "a", at_b)
        for node, other in ((b, c), (c, b)):
            bell = node.ref(Bell, f"bell@{other.name}")
            assert await bell.ask(Bell.ring(node.name), timeout=PATIENCE_S) == [node.name]
        for node, far in ((a, "b"), (b, "a")):
            assert node.links is not None
            (status,) = (each for each in node.links.status() if each.node == far)
            assert status.waiting == 1


async def test_a_certificate_of_another_authority_is_refused_though_it_has_the_right_names(
    tmp_path: Path,
) -> None:
    make_authority(tmp_path / "bad", "test")
    await refused(
        tmp_path, {"tls": tls_of(tmp_path / "bad", "a")}, "TLS with 127.0.0.1", "TLS with 127.0.0.1"
    )


async def test_a_certificate_of_another_authority_is_refused_though_its_owner_trusts_us(
    tmp_path: Path,
) -> None:
    make_authority(tmp_path / "good", "test")
    make_authority(tmp_path / "bad", "test")
    odd = {"tls": tls_of(tmp_path / "bad", "a", tmp_path / "good")}
    await refused(tmp_path, odd, "may have refused this one's certificate", "TLS with 127.0.0.1")


async def test_a_certificate_that_has_expired_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "good"
    make_authority(folder, "test")
    monkeypatch.setattr(certificates, "NODE_LASTS", timedelta(seconds=-1))
    odd = {"tls": tls_of(folder, "a")}
    monkeypatch.undo()
    await refused(tmp_path, odd, "valid today", "certificate has expired")


async def test_the_certificate_of_another_node_is_refused_on_both_sides(tmp_path: Path) -> None:
    folder = tmp_path / "good"
    make_authority(folder, "test")
    odd = {"tls": tls_of(folder, "c")}
    await refused(tmp_path, odd, "your certificate is not that of 'a'", "has the certificate of 'c'")


async def test_a_certificate_of_another_cluster_of_one_authority_is_refused(tmp_path: Path) -> None:
    odd = {"tls": tls_of_cluster(tmp_path / "good", "other")}
    await refused(tmp_path, odd, "your certificate is not that of 'a'", "in cluster 'other'")


def tls_of_cluster(folder: Path, cluster: str) -> Tls:
    """A certificate that the authority of one cluster made for a node of another."""
    make_authority(folder, "test")
    authority = certificates._load_authority(folder)
    key = certificates._new_key()
    identity = Identity(cluster, "a")
    signed = certificates._sign(identity, "a", key, timedelta(days=1), authority)
    pair = pair_of(folder, "foreign")
    certificates._write(pair, key, signed)
    return Tls(pair.certificate, pair.key, pair_of(folder, AUTHORITY).certificate)


async def test_a_foreign_cluster_is_refused_though_its_certificate_is_right(tmp_path: Path) -> None:
    folder = tmp_path / "good"
    make_authority(folder, "test")
    odd = {"tls": tls_of(folder, "a"), "cluster": "z"}
    await refused(tmp_path, odd, "this is cluster 'test', not 'z'", "this is cluster 'z', not 'test'")


async def test_a_node_without_tls_is_refused_by_those_that_have_it(tmp_path: Path) -> None:
    await refused(tmp_path, {}, "this one needs tls= too", "TLS with 127.0.0.1")
