"""Plain: the same index by one process and one loop, to compare with."""

import sys
from pathlib import Path

from .index import Index, save
from .parsing import Unparsed, expect_trees, parse_file
from .sources import python_files


def plain_index(root: Path) -> Index:
    """Index every file under a root, one after the other."""
    index = Index()
    for path in python_files(root):
        found = parse_file(root, path)
        if isinstance(found, Unparsed):
            index.unparsed[path] = found.why
            continue
        entry = index.entry(found.module)
        entry.defines = sorted(entry.defines + found.defines)
        for name, statements in found.imports.items():
            index.entry(name).add(found.module, statements)
    return index


if __name__ == "__main__":
    expect_trees()
    try:
        save(plain_index(Path(sys.argv[1])), Path(sys.argv[2]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
