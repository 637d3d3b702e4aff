"""How a golden store is made: a node fills it on a virtual clock, and what is read in it stands beside it."""

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from trio.testing import MockClock

from callboard.mailbox.copying import back_up
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import view_disk

from .damaging import write
from .records import everything


def make_golden(name: str, fill: Callable[[MemoryStore], Awaitable[None]], tmp_path: Path) -> None:
    """Make the store of a name, and what is to be read in it.

    Args:
        name: of its directory; the text beside it ends with `.json`, in the place of `.store`.
        fill: runs a node on it.
        tmp_path: for what is only on its way.
    """
    memory = MemoryStore(entropy=bytes(range(100, 116)).ljust)
    trio.run(fill, memory, clock=MockClock(autojump_threshold=0))
    write(memory, tmp_path / "store")
    target = Path(__file__).with_name(name)
    shutil.rmtree(target, ignore_errors=True)
    store = view_disk(tmp_path / "store")
    back_up(store, target, lambda _: None)
    text = json.dumps(everything(store), indent=1, ensure_ascii=False, sort_keys=True)
    store.close()
    target.with_name(f"{name.removesuffix('.store')}.json").write_text(f"{text}\n", encoding="utf-8")
