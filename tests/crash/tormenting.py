"""Tormenting: what is done to a launched cluster while it works, drawn from a seed."""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from callboard.cluster.launching import LaunchedCluster, launch

from .nodes import NODES
from .proxy import Proxy, open_proxy

ROOT = Path(__file__).parents[2]


class Torment:
    """A seeded series of kills, freezes and broken connections."""

    def __init__(self, seed: int, folder: Path, *, holes: float) -> None:
        self.done: list[str] = []
        """What was done, for the reader of a failure."""
        self.most_holes_s = holes
        self._rng = random.Random(seed)
        self._folder = folder
        self._proxies: dict[tuple[str, str], Proxy] = {}

    async def run(self, seconds: float) -> LaunchedCluster:
        """Torment a cluster for so long, let it come to rest, and close it."""
        async with trio.open_nursery() as nursery:
            for near in NODES:
                for far in NODES:
                    proxy = self._proxies[near, far] = await open_proxy(random.Random(self._rng.random()))
                    nursery.start_soon(proxy.serve)
            async with launch(
                "tests.crash.nodes:main",
                NODES,
                folder=self._folder,
                listen="tcp",
                restart=True,
                route=lambda near, far, address: self._proxies[near, far].lead_to(address),
            ) as cluster:
                with trio.move_on_after(seconds):
                    await self._torment(cluster)
                await self._rest(cluster)
            nursery.cancel_scope.cancel()
        return cluster

    async def _rest(self, cluster: LaunchedCluster) -> None:
        for node in cluster:
            node.send(signal.SIGCONT)
        for proxy in self._proxies.values():
            proxy.release()
        with trio.fail_after(60):
            await cluster.wait_linked()
            (self._folder / "stop").touch()
            await cluster.wait_done()
        await trio.sleep(0.5)  # what the last of them said is heard by the others

    async def _torment(self, cluster: LaunchedCluster) -> None:
        acts: list[tuple[int, Callable[[LaunchedCluster], Awaitable[None]]]] = [
            (4, self._kill),
            (2, self._freeze),
            (3, self._cut),
            (2, self._cut_within),
            (2, self._hold),
            (2, self._hole),
            (1, self._refuse),
        ]
        async with trio.open_nursery() as nursery:
            while True:
                (act,) = self._rng.choices([act for _, act in acts], [weight for weight, _ in acts])
                nursery.start_soon(act, cluster)
                await trio.sleep(self._rng.uniform(0.05, 0.6))

    def _note(self, text: str) -> None:
        self.done.append(f"{trio.current_time():.2f} {text}")

    def _way(self) -> tuple[str, Proxy]:
        near, far = self._rng.sample(NODES, 2)
        return f"{near} to {far}", self._proxies[near, far]

    async def _kill(self, cluster: LaunchedCluster) -> None:
        node = cluster[self._rng.choice(NODES)]
        if node.linked or self._rng.random() < 0.2:  # mostly one that has come up, or none would ever
            self._note(f"kill {node.name}")
            node.kill()

    async def _freeze(self, cluster: LaunchedCluster) -> None:
        node, seconds = cluster[self._rng.choice(NODES)], self._rng.choice((0.1, 0.5, 3))
        self._note(f"freeze {node.name} for {seconds} s")
        try:
            node.send(signal.SIGSTOP)
            await trio.sleep(seconds)
        finally:
            node.send(signal.SIGCONT)

    async def _cut(self, cluster: LaunchedCluster) -> None:
        where, proxy = self._way()
        self._note(f"cut {where}")
        proxy.cut()

    async def _cut_within(self, cluster: LaunchedCluster) -> None:
        where, proxy = self._way()
        count = self._rng.choice((1, 5, 100, 10_000))
        self._note(f"cut {where} after {count} bytes")
        proxy.cut_within(count)

    async def _hold(self, cluster: LaunchedCluster) -> None:
        where, proxy = self._way()
        seconds = self._rng.choice((0.2, 1, 3))
        self._note(f"hold {where} for {seconds} s")
        proxy.hold()
        await trio.sleep(seconds)
        proxy.release()

    async def _hole(self, cluster: LaunchedCluster) -> None:
        where, proxy = self._way()
        seconds = self._rng.uniform(0.5, self.most_holes_s)
        self._note(f"half-open {where} for {seconds:.1f} s")
        proxy.open_holes()
        await trio.sleep(seconds)
        proxy.cut()

    async def _refuse(self, cluster: LaunchedCluster) -> None:
        where, proxy = self._way()
        self._note(f"refuse {where}")
        proxy.refuses = True
        proxy.cut()
        await trio.sleep(self._rng.choice((0.2, 1)))
        proxy.release()
