"""Register: what the store remembers of who supervises whom, and what that means at the next start."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import trio

from ..actors.errors import NodeClosed
from ..mailbox.errors import StoreError, Undecodable
from ..mailbox.glance import list_supervisors
from ..mailbox.records import name_key, pack
from ..mailbox.store import Table
from .roll import Roll
from .specs import AnySupervisor, Child, Dynamic, Supervisor
from .trees import walk

if TYPE_CHECKING:
    from ..actors.runtime import Runtime
    from .overseer import Overseer

log = logging.getLogger("callboard.supervision")


class Register:
    """The lists of children of one tree."""

    def __init__(self, runtime: Runtime, spec: Supervisor) -> None:
        self.orphans: list[str] = []
        """Actors that a supervisor had, and none has now; they go on as if spawned."""
        self._runtime = runtime
        self._specs = {each.name: each for each in walk(spec)}
        self._known = {record.supervisor: record for record in list_supervisors(runtime.store)}
        self._written: dict[str, bytes] = {}
        self._rolls: dict[str, Roll] = {}
        self._unwritten: dict[str, Overseer] = {}
        self._writing = False
        """Lists are on their way to the disk, and `_write_soon` will write what has changed since."""
        self._flushed = trio.Event()
        """Set, and replaced, when what has changed is in the open batch."""

    # What was.

    def reconcile(self) -> None:
        """Compare with whom the supervisors had when the node last ran."""
        for supervisor, record in list(self._known.items()):
            spec = self._specs.get(supervisor)
            if spec is None or isinstance(spec, Child):
                self.drop(supervisor)
            if not isinstance(spec, Dynamic):
                pairs = zip(record.names, record.types, strict=False)
                self.forsake(name for name, type_ in pairs if type_ and name not in self._specs)

    def forsake(self, names: Iterable[str]) -> None:
        """No supervisor has these actors any more; those that live go on."""
        for name in sorted(names):
            if name in self.orphans:
                continue
            self._runtime.declared.pop(name, None)
            self._runtime.guarding.let_go(name)
            if not self._lives(name):
                continue  # it has ended since the list was written
            self.orphans.append(name)
            log.warning("no supervisor has %r any more: it goes on as a spawned actor", name)

    def _lives(self, name: str) -> bool:
        try:
            cell = self._runtime.cells.find(name)
        except Undecodable:
            return True
        return cell is not None and bool(cell.type)

    def is_supervisor(self, name: str) -> bool:
        """Whether a supervisor of this tree is declared under a name."""
        return isinstance(self._specs.get(name), Supervisor | Dynamic)

    def remembered(self, spec: AnySupervisor) -> list[Child]:
        """The children that a `Dynamic` had when it last ran, from their last committed states.

        Those that are declared somewhere by now are left to whoever declares them.
        """
        self.flush()
        record = self._known.get(spec.name)
        if not isinstance(spec, Dynamic) or record is None:
            return []
        names = [name for name in record.names if name not in self._specs]
        found = {name: self._revive(spec, name) for name in names}
        self.forsake(name for name, child in found.items() if child is None)
        return [child for child in found.values() if child is not None]

    def _revive(self, spec: Dynamic, name: str) -> Child | None:
        try:
            cell = self._runtime.cells.find(name)
            if cell is None or not cell.type:
                if spec.restart == "permanent":
                    text = "%r had ended its own life when the node did, and is not started again under %r"
                    log.warning(text, name, spec.name)  # what it was declared as lay in memory only
                return None
            if cell.kind is None:
                return None
            actor = cell.kind.build(cell.kind.state.decode(cell.state, self._runtime.post))
        except Exception as error:
            log.warning("%r is not started again under %r: %s", name, spec.name, error)
            return None
        return Child(
            actor, name=name, restart=spec.restart, patience=spec.patience, significant=spec.significant
        )

    # What is.

    def remember(self, overseer: Overseer) -> None:
        """Have it written down soon whom a supervisor has, if that has changed.

        Soon, and once for many changes: with very many children, their list is long. Until then a crash
        leaves a child whose start nobody has heard of as a spawned actor, and a forgotten one as a mere name.
        """
        roll = self._rolls.get(overseer.name)
        if roll is None or roll.overseer is not overseer:
            roll = self._rolls[overseer.name] = Roll(overseer)
        elif not roll.follow():
            return
        self._unwritten[overseer.name] = overseer
        if not self._writing:
            self._writing = True
            self._runtime.start_soon(self._write_soon)

    async def _write_soon(self) -> None:
        """Write lists until none has changed meanwhile, each when the one before is on disk.

        So a list of ten thousand is written once a commit, and not once a child.
        """
        try:
            while self._unwritten:
                self.flush()
                await self.wait_durable()
        except (StoreError, NodeClosed):
            pass  # who waits for a list hears it, too
        finally:
            self._writing = False
            self.flush()

    async def written(self) -> None:
        """Return when every change until now is on disk, and all that led to it.

        Raises:
            StoreError, NodeClosed: nothing becomes durable any more.
        """
        if self._unwritten:
            await self._flushed.wait()
        await self.wait_durable()

    async def wait_durable(self) -> None:
        """Return when what has happened until now is on disk."""
        ledger = self._runtime.ledger
        self._runtime.workers.wake()
        await ledger.wait_durable(ledger.lsn - ledger.open.empty)

    def flush(self) -> None:
        """Write down what has changed, with the open batch."""
        unwritten, self._unwritten = self._unwritten, {}
        for overseer in unwritten.values():
            self._write(overseer)
        flushed, self._flushed = self._flushed, trio.Event()
        flushed.set()

    def _write(self, overseer: Overseer) -> None:
        record = self._rolls[overseer.name].record()
        packed = pack(record)
        if self._written.get(overseer.name) != packed:
            self._written[overseer.name] = packed
            self._known[overseer.name] = record
            self._runtime.ledger.write(Table.CHILDREN, name_key(overseer.name), packed)
            self._runtime.workers.wake()

    def drop(self, supervisor: str) -> None:
        """A supervisor is no more."""
        self._unwritten.pop(supervisor, None)
        self._rolls.pop(supervisor, None)
        self._written.pop(supervisor, None)
        self._known.pop(supervisor, None)
        self._runtime.ledger.write(Table.CHILDREN, name_key(supervisor), None)
