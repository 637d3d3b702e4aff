"""Lives: a node that can be killed from outside as kill -9 would, and opened again."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from callboard import Node, open_node
from callboard.mailbox.errors import StoreFailed
from callboard.mailbox.memory import MemoryStore


class Killed(StoreFailed):
    """The end of a life that was not closed."""


class Life:
    """One node over a store in memory, from its opening to its end."""

    def __init__(self, store: MemoryStore, **options: Any) -> None:
        self.store = store
        self._options = options
        self._leave = trio.Event()
        self._over = trio.Event()
        self._killed = False
        self.node: Node

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be that node until `close` or `kill`."""
        try:
            async with open_node(self.store, **self._options) as self.node:
                task_status.started()
                await self._leave.wait()
        except Killed:
            pass
        finally:
            self._over.set()

    @property
    def over(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._killed or self._leave.is_set() or self._over.is_set()

    async def close(self) -> None:
        """End it cleanly."""
        self.store.release()
        self._leave.set()
        await self._over.wait()

    async def kill(self) -> None:
        """End it as a power loss would: what was not synced is forgotten, nothing is finished.

        The store goes first, so that nothing a dying task still does can count; then the node
        is told what it hears when its disk is gone, and ends without a drain or a commit.
        """
        self._killed = True
        self.store.crash()
        self.node._runtime._on_trouble(Killed("killed by the test"))
        await self._over.wait()


async def settle() -> None:
    """Let everything run that can without time passing."""
    await wait_all_tasks_blocked()
