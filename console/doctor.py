"""`doctor`: everything that is known to go wrong with a store and its surroundings, looked at in one go."""

from collections.abc import Iterator
from pathlib import Path

import click

from ..mailbox import preflight
from ..mailbox.errors import NotAStore, StoreDamaged, StoreError
from . import jsonl
from .exits import ProblemsFound
from .progress import Progress
from .surroundings import surroundings
from .symptoms import Level, Symptom, fail, ok, warn
from .terminal import accept_any_text, paint, put, safe
from .viewing import json_option, store_option

COLORS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command("doctor")
@store_option
@click.option("--quick", is_flag=True, help="Do not read every page and every record.")
@json_option
def doctor_command(path: Path, *, quick: bool, as_json: bool) -> None:
    """Look at a store and at the machine under it for all that is known to go wrong.

    It changes nothing, and works beside a running node, on a damaged store, and where no store is yet. A line
    for each thing: ok, warn or fail, and what to do. The exit code is 1 if one of them failed.
    """
    accept_any_text()
    progress, failed = Progress(), 0
    for symptom in _symptoms(path, progress, quick=quick):
        progress.end()
        failed += symptom.level is Level.FAIL
        put(*(_json(symptom) if as_json else _lines(symptom)))
    progress.end()
    if failed:
        raise ProblemsFound(f"{failed} of these failed: see what stands below each")


def _json(symptom: Symptom) -> Iterator[str]:
    yield jsonl.line(
        level=str(symptom.level), what=symptom.what, text=symptom.text, remedy=symptom.remedy or None
    )


def _lines(symptom: Symptom) -> Iterator[str]:
    level = paint(f"{symptom.level:<4}", COLORS[symptom.level])
    yield f"{level}  {symptom.what}: {safe(symptom.text)}"
    if symptom.remedy:
        yield f"      {safe(symptom.remedy)}"


def _symptoms(path: Path, progress: Progress, *, quick: bool) -> Iterator[Symptom]:
    progress.step("looking at the machine")
    yield from surroundings(path)
    try:
        place = preflight.look_at(path)
    except NotAStore as error:
        yield fail("store", str(error))
        return
    except StoreDamaged:
        place = preflight.Place.STORE
    except StoreError as error:
        yield fail("store", str(error))
        return
    if place is not preflight.Place.STORE:
        yield warn("store", f"there is none in {path} yet", "nothing: a node that is started there makes it")
        return
    yield from _of_the_store(path, progress, quick=quick)


def _of_the_store(path: Path, progress: Progress, *, quick: bool) -> Iterator[Symptom]:
    from .examining import examine  # LMDB is loaded only where a store is opened
    from .insides import insides

    damaged: set[str] = set()
    if not quick:
        try:
            for found in examine(path, progress):
                damaged.add(found.place)
                yield fail(found.place, found.text, found.effect)
        except StoreError as error:
            yield fail("store", str(error))
            return
        if not damaged:
            yield ok("records", "every page and every record is whole, and they belong together")
    if damaged & {"pages", "head"}:
        return  # LMDB is not let near it
    progress.step("looking into the store")
    try:
        yield from insides(path)
    except StoreError as error:
        yield fail("store", str(error))
