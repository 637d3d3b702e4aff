"""The command: index under kills, compare with the plain computation, say what came out."""

import argparse
import shutil
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from .actors import module_address
from .bar import Bar
from .index import Index, differences, load
from .sources import standard_library
from .trial import Broken, Trial, started

SHOWN = 20
"""Facts that differ and are printed; there may be thousands."""


def main() -> int:
    """Run the example; 0 if the two indexes are equal."""
    options = parse_arguments()
    store = options.store or Path(tempfile.mkdtemp(prefix="callboard-stdlib-"), "store")
    store = store.resolve()
    try:
        return compare(store, options.root.resolve(), options.kills)
    except Broken as error:
        print(f"BROKEN: {error}\nThe store is kept: {store}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = f"python {Path(__file__).parent} --store {store} --root {options.root}"
        print(f"\nInterrupted. To go on: {again}", file=sys.stderr)
        return 130


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="stdlib_index",
        description="Index the standard library with actors that are killed on the way.",
    )
    parser.add_argument("--store", type=Path, help="directory of the store; by default a new one")
    parser.add_argument("--root", type=Path, default=standard_library(), help="folder to index (%(default)s)")
    parser.add_argument("--kills", type=int, default=2, help="how often to kill -9 (%(default)s)")
    return parser.parse_args()


def compare(store: Path, root: Path, kills: int) -> int:
    """Both computations side by side, one on each core; 0 if they are equal."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Bar() as bar:
        by_actors, by_loop = Path(folder, "actors.json"), Path(folder, "plain.json")
        trial = Trial(store, root, by_actors, kills)
        bar.say(f"indexing {root}")
        with started("plain", root, by_loop) as plain:
            trial.run(bar)
            if plain.wait():
                raise Broken("the plain computation failed")
        actors, loop = load(by_actors), load(by_loop)
    seconds = time.perf_counter() - began
    wrong = list(differences(actors, loop))
    if wrong:
        print(f"DIFFERENT from the plain computation in {len(wrong):,} facts:")
        print(*islice(wrong, SHOWN), sep="\n")
        print(f"The store is kept: {store}")
        return 1
    tell(actors, trial, seconds)
    return 0


def tell(index: Index, trial: Trial, seconds: float) -> None:
    """Print what came out."""
    imports = sum(len(entry.importers) for entry in index.modules.values())
    names = sum(len(entry.defines) for entry in index.modules.values())
    kills = ", ".join(f"{done:,}" for done in trial.killed_at) or "none"
    print(f"EQUAL to the plain computation; kills after so many files: {kills}")
    print(f"{len(index.modules):,} modules, {imports:,} imports, {names:,} names, in {seconds:.1f} s\n")
    print(f"do not parse: {len(index.unparsed)} files")
    for path, why in sorted(index.unparsed.items()):
        print(f"  {path}: {why}")
    print("\nmost imported          by modules  statements")
    top = index.most_imported(10)
    for name, entry in top:
        print(f"  {name:<20} {len(entry.importers):>10,}  {sum(entry.importers.values()):>10,}")
    command = "callboard" if shutil.which("callboard") else Path(sys.executable).with_name("callboard")
    print("\nEvery module is an actor, and still there. Where to look next:")
    print(f"  {command} ls --store {trial.store}")
    for name, _ in top[:1]:
        print(f"  {command} show --store {trial.store} {module_address(name)}")


if __name__ == "__main__":
    sys.exit(main())
