"""`store backup` and `store compact`: copies that are checked before they get their name."""

import shlex
from pathlib import Path

import click

from ..mailbox import preflight
from ..mailbox.errors import NotAStore, StoreDamaged
from ..mailbox.lock import take_lock
from . import jsonl, wording
from .exits import ProblemsFound
from .progress import Progress
from .terminal import accept_any_text, put, say
from .viewing import json_option, now_ns, store_option


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@store_option
@click.option("--exact", is_flag=True, help="Copy free pages too, instead of leaving them out.")
@json_option
def backup_command(target: Path, path: Path, *, exact: bool, as_json: bool) -> None:
    """Copy a store into the new directory TARGET, beside its running node or without one.

    The copy is of one commit, synced and checked before it appears under its name; a node opens it as it is.
    """
    from ..mailbox.copying import back_up, refuse_existing
    from .examining import looking_closely

    refuse_existing(target.absolute())
    inspection = _Inspection(target)
    with looking_closely(path) as store:
        inspection.progress.step(f"copying {path}")
        copied = back_up(store, target, inspection.of_a_backup, compact=not exact)
    inspection.progress.end()
    if as_json:
        put(
            jsonl.line(
                target=str(target), bytes=copied.copy, source=copied.source, damaged=inspection.damaged
            )
        )
    else:
        say(f"{target}: {wording.size(copied.copy)}, checked, of a store of {wording.size(copied.source)}")
    if inspection.damaged:
        raise ProblemsFound(
            f"the backup is complete, and so is its damage: {wording.count(inspection.damaged, 'record')} of "
            f"this store cannot be read or do not belong together. See: callboard store check --store "
            f"{shlex.quote(str(path))}"
        )


@click.command("compact")
@store_option
@json_option
def compact_command(path: Path, *, as_json: bool) -> None:
    """Make the file of a stopped store smaller: a checked copy without free pages takes its place."""
    accept_any_text()
    where = path.absolute()
    if preflight.look_at(where) is not preflight.Place.STORE:
        raise NotAStore(f"there is no store in {where}: name the directory that a node was started with")
    preflight.check_head(where)
    lock = take_lock(where, now_ns())
    try:
        _compact(path, as_json=as_json)
    finally:
        lock.release()


def _compact(path: Path, *, as_json: bool) -> None:
    from ..mailbox.copying import compact_in_place
    from .examining import looking_closely

    inspection = _Inspection(path)
    with looking_closely(path) as store:
        inspection.progress.step(f"copying {path}")
        copied = compact_in_place(store, inspection.of_a_compaction)
    inspection.progress.end()
    after = min(copied.copy, copied.source)
    if as_json:
        put(jsonl.line(store=str(path), before=copied.source, after=after))
    elif after < copied.source:
        was, now = wording.size(copied.source), wording.size(after)
        say(f"{path}: {was} became {now}, {wording.size(copied.source - after)} were free")
    else:
        say(f"{path}: {wording.size(after)}, nothing to gain")


class _Inspection:
    """What is asked of a copy before it gets its name."""

    def __init__(self, final: Path) -> None:
        self.progress = Progress()
        self.damaged = 0
        """Records of a copy that are as damaged as those they were copied from."""
        self._final = final

    def of_a_backup(self, copy: Path) -> None:
        """Its pages must be whole; damaged records are copied as they are, and counted."""
        from .examining import examine

        for found in examine(copy, self.progress):
            if found.place in {"pages", "head"}:
                raise StoreDamaged(
                    f"the copy for {self._final} is damaged and was removed: {found.text}. Either the store "
                    "is damaged (callboard store check), or the disk it was written to is not to be trusted"
                )
            self.damaged += 1

    def of_a_compaction(self, copy: Path) -> None:
        """Nothing at all may be wrong with it."""
        from .examining import examine

        if found := next(examine(copy, self.progress), None):
            raise StoreDamaged(
                f"{self._final} is not compacted, since the copy is damaged ({found.place}: {found.text}). "
                "Nothing was changed. Look first: callboard store check"
            )
