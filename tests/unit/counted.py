"""A store in memory that counts the messages it is given to write."""

from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.segments import open_segment
from callboard.mailbox.store import Table, Writes


class Counted(MemoryStore):
    """Counts the messages that are written."""

    written = 0

    def commit(self, writes: Writes) -> None:
        for value in writes.get(Table.MAIL, {}).values():
            self.written += 0 if value is None else len(open_segment(value))
        super().commit(writes)
