"""Launching: a cluster on this machine, each node a process of its own over a store of its own.

It is for trying things out, for tests, and for one machine with several cores. Where nodes are on machines
of their own, whatever starts programs there starts them, with `open_node(name=..., listen=..., peers=...)`.
"""

from __future__ import annotations

import os
import re
import signal
import string
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, Literal

import trio

from .addresses import MOST_UNIX_BYTES, Address
from .errors import LaunchFailed
from .launched import LAST_LINES, LaunchedNode, Plan, ended_how, log, words_for
from .opening import sole
from .prefixing import Prefixed, colour_of, prefixes

Route = Callable[[str, str, str], str]
"""Who dials, whom, and the address there: what to dial instead, such as a proxy's address."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class LaunchedCluster:
    """The nodes of a launched cluster, by name: `cluster["a"]`, and all of them by iteration."""

    def __init__(self) -> None:
        """Begin with no node; `launch` adds them."""
        self._nodes: dict[str, LaunchedNode] = {}
        self._news = trio.Event()

    def __getitem__(self, name: str) -> LaunchedNode:
        """The node of a name."""
        return self._nodes[name]

    def __iter__(self) -> Iterator[LaunchedNode]:
        """The nodes, in the order in which they were given."""
        return iter(self._nodes.values())

    def __len__(self) -> int:
        """How many nodes there are, running or not."""
        return len(self._nodes)

    async def wait_linked(self) -> None:
        """Return when every node runs and has a link to every other."""
        await self._until(lambda: all(node.linked for node in self))

    async def wait_done(self) -> None:
        """Return when each node's `main` has returned and its mail is handled, or the node has ended.

        A launched node whose `main` has returned does not end: it serves the others, until it is stopped.
        """
        await self._until(lambda: all(node.done for node in self))

    async def drain(self) -> None:
        """Let the turns in hand of all nodes finish, and end them."""
        for node in self:
            node.stop_soon()
        for node in self:
            await node.wait()

    # For `launch`.

    def add(self, node: LaunchedNode) -> None:
        """Take a node in."""
        self._nodes[node.name] = node

    def tell(self) -> None:
        """Something about a node has changed."""
        self._news.set()
        self._news = trio.Event()

    async def come_up(self, within: float) -> None:
        """Return when all are linked for the first time.

        Raises:
            LaunchFailed: one has ended before, or time is over.
        """
        with trio.move_on_after(within):
            await self._until(self._all_up)
            return
        raise LaunchFailed(f"the cluster is not up after {within:g} s: {'; '.join(self._not_up())}")

    def _all_up(self) -> bool:
        for node in self:
            if node.code is not None:
                said = node.last_words() or "nothing"
                raise LaunchFailed(
                    f"node {node.name!r} {ended_how(node.code)} before the cluster was up. It said:\n{said}"
                )
        return all(node.linked for node in self)

    def _not_up(self) -> Iterator[str]:
        for node in self:
            if node.report is None:
                yield f"{node.name!r} has not opened its node: does the program call run(), or block?"
            elif node.report.missing:
                for other, why in node.report.missing.items():
                    yield f"{node.name!r} has no link to {other!r} ({why})"

    async def _until(self, met: Callable[[], bool]) -> None:
        while not met():
            await self._news.wait()


@asynccontextmanager
async def launch(
    program: str | Path | list[str],
    nodes: int | Sequence[str] = 3,
    *,
    folder: str | Path,
    listen: Literal["unix", "tcp"] = "unix",
    restart: bool = False,
    up_within: float = 30.0,
    route: Route | None = None,
) -> AsyncGenerator[LaunchedCluster]:
    """Start a node per name, each a process with a store of its own, and drain all when the block is left.

    The block begins when every node has a link to every other. What they print comes out line by line, with
    the node's name before it. The processes run the program unchanged; its `run(main, store=...)` takes name,
    store, peers and address from here, whatever it says itself, and all other options as it says them. A node
    whose `main` has returned serves the others until it is stopped.

    The first SIGINT or SIGTERM cancels the block and lets all turns in hand finish; a second one kills
    the processes. Should this process itself be killed, they stop by themselves.

    Args:
        program: a Python file, with its function if that is not `main` (`shop.py:serve`); an async function
            that takes a node, as `module:function`; or a command that calls `run()` in the end.
        nodes: how many, called a, b, c and so on; or their names.
        folder: for the stores, `<name>.store`, and the sockets; made if it is not there.
        listen: by Unix sockets in the folder, or by TCP on free ports of this machine's loopback.
        restart: whether a node that crashed is started again; one that ended with 0 never is, nor one whose
            supervision tree gave up (70), nor one that somebody has stopped.
        up_within: seconds in which all links have to be up.
        route: what one node dials to reach another, instead of its address: for proxies in tests.

    Raises:
        LaunchFailed: a node ended before all links were up, or they are not up in time; what it said last.
        ValueError: the program is none, or a name cannot be one here.
        BadAddress: the path of a socket is too long for the system.
        KeyboardInterrupt, SystemExit: SIGINT or SIGTERM came, and all nodes have ended.
    """
    names = _names(nodes)
    words, place = _prepare(program, folder)
    addresses = dict(zip(names, map(str, await _addresses(names, place, listen)), strict=True))
    cluster = LaunchedCluster()
    begins = prefixes(names)
    for number, name in enumerate(names):
        plan = Plan(
            words=words,
            peers={
                other: where if other == name or route is None else route(name, other, where)
                for other, where in addresses.items()
            },
            restart=restart,
            out=Prefixed(begins[name], sys.stdout, colour=colour_of(number, sys.stdout)),
            err=Prefixed(begins[name], sys.stderr, colour=colour_of(number, sys.stderr), keep=LAST_LINES),
            news=cluster.tell,
        )
        cluster.add(LaunchedNode(name, addresses[name], place / f"{name}.store", plan))
    async with _running(cluster):
        await cluster.come_up(up_within)
        yield cluster


@asynccontextmanager
async def _running(cluster: LaunchedCluster) -> AsyncGenerator[None]:
    """Run the nodes around a block, whose own exception passes through bare."""
    outcome: BaseException | None = None
    caught: list[int] = []
    with _hearing() as signals:
        try:
            async with trio.open_nursery() as nursery:
                block, obeying = trio.CancelScope(), trio.CancelScope(shield=True)
                if signals is not None:
                    nursery.start_soon(_obey, signals, cluster, block, obeying, caught)
                for node in cluster:
                    nursery.start_soon(node.run)
                try:
                    with block:
                        yield
                except BaseException as error:
                    outcome = error
                with trio.CancelScope(shield=True):
                    await cluster.drain()
                obeying.cancel()
        except BaseExceptionGroup as group:
            outcome = sole(group)
    if caught:
        ending = KeyboardInterrupt() if caught[0] == signal.SIGINT else SystemExit(128 + caught[0])
        raise ending from outcome
    if outcome is not None:
        raise outcome


@contextmanager
def _hearing() -> Generator[AsyncIterator[int] | None]:
    """Hear signals, if this is the main thread, which alone can."""
    with ExitStack() as stack:
        try:
            signals = stack.enter_context(trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        except RuntimeError:
            signals = None
        yield signals


async def _obey(
    signals: AsyncIterator[int],
    cluster: LaunchedCluster,
    block: trio.CancelScope,
    obeying: trio.CancelScope,
    caught: list[int],
) -> None:
    """Cancel the block at the first signal, kill the nodes at the second."""
    with obeying:
        async for number in signals:
            caught.append(number)
            block.cancel()
            if len(caught) == 1:
                log.warning(
                    "%s: letting all nodes finish; once more to kill them", signal.Signals(number).name
                )
            else:
                for node in cluster:
                    node.kill()


def _prepare(program: str | Path | list[str], folder: str | Path) -> tuple[list[str], Path]:
    """The command of all nodes, and the folder for their stores, which is there."""
    words, place = words_for(program, Path.cwd()), Path(folder).absolute()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return words, place


def _names(nodes: int | Sequence[str]) -> list[str]:
    """The names of the nodes.

    Raises:
        ValueError: one cannot be the name of a file, or there are two of one, or none, or too many.
    """
    if isinstance(nodes, int):
        if not 1 <= nodes <= len(string.ascii_lowercase):
            raise ValueError(f"nodes= is a number from 1 to 26, or a list of names; got {nodes}")
        return list(string.ascii_lowercase[:nodes])
    names = [nodes] if isinstance(nodes, str) else list(nodes)
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r:.80} cannot be the name of a launched node, which names files, too: "
                "write up to 63 letters, digits, and _ . - between them"
            )
    if not names or len(set(names)) < len(names):
        raise ValueError(f"the names of nodes differ, and there is at least one; got {names!r:.80}")
    return names


async def _addresses(names: Sequence[str], folder: Path, listen: str) -> list[Address]:
    """Where each node is to listen.

    Raises:
        BadAddress: the path of a socket is too long.
        ValueError: `listen` is neither word.
    """
    if listen == "unix":
        return [_socket_in(folder, name) for name in names]
    if listen != "tcp":
        raise ValueError(f"listen= is 'unix' or 'tcp'; got {listen!r:.80}")
    from .sockets import Ear, listen_tcp  # loaded only where it is used

    held: list[Ear] = []
    found: list[Address] = []
    for _ in names:  # all are held at once, so that the system gives each another port
        listeners, address = await listen_tcp(Address("127.0.0.1", 0))
        held += listeners
        found.append(address)
    for listener in held:
        await listener.aclose()
    return found


def _socket_in(folder: Path, name: str) -> Address:
    """A socket in the folder; its path from here, if the whole one is too long."""
    path = str(folder / f"{name}.sock")
    short = os.path.relpath(path)
    return Address(path=path if len(path.encode()) <= MOST_UNIX_BYTES else short)
