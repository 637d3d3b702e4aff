"""The program that is killed: it opens the store, asks for the index, and says how far it is.

It knows nothing of kills and has no code for recovery: started again, it opens the same store and the mail
that waits there is handled. A line `done files` on stdout says how far it is; the index goes to a file.
"""

import sys
from functools import partial
from pathlib import Path

import trio

from callboard import ActorRef, Node, run

from .actors import Contents, Crawler, Module, Progress, Report, module_address
from .index import Entry, Index, save
from .parsing import expect_trees

PARSERS = 2
LOOK_EVERY_S = 0.1
PATIENCE_S = 60.0
"""How long nothing may move before the program gives up."""
NAMES_AT_ONCE = 500


async def main(node: Node, *, root: Path, result: Path) -> None:
    """Have a folder indexed, or go on with it, and write the result."""
    report = await node.spawn(Report(), name="report")
    contents = await node.spawn(Contents(report), name="contents")
    crawler = await node.spawn(Crawler(root, contents, report), name="crawler")
    await crawler.ask(Crawler.crawl(root, PARSERS))
    await wait_complete(node, report)
    save(await collect(node, contents, report), result)


async def wait_complete(node: Node, report: ActorRef[Report]) -> None:
    """Return when every message about every file is counted; say meanwhile how far it is."""
    last: Progress | None = None
    moved_at = trio.current_time()
    while last is None or not last.complete:
        if last is not None:
            await trio.sleep(LOOK_EVERY_S)
        progress = await report.ask(Report.progress(), timeout=PATIENCE_S)
        if progress != last:
            last, moved_at = progress, trio.current_time()
            say(progress)
        elif node.statistics().died or trio.current_time() > moved_at + PATIENCE_S:
            raise SystemExit(f"the index does not get on ({progress}); see `callboard dead ls`")


def say(progress: Progress) -> None:
    """One line for whoever started the program."""
    sys.stdout.write(f"{progress.read} {progress.files or 0}\n")
    sys.stdout.flush()


async def collect(node: Node, contents: ActorRef[Contents], report: ActorRef[Report]) -> Index:
    """Ask every module what it knows."""
    index = Index(unparsed=await report.ask(Report.failures()))
    start = 0
    while names := await contents.ask(Contents.part(start, NAMES_AT_ONCE)):
        # Side by side: what is asked together becomes durable together.
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(collect_module, node, name, index.entry(name))
        start += len(names)
    return index


async def collect_module(node: Node, name: str, entry: Entry) -> None:
    """Ask one module what it knows."""
    module = node.ref(Module, module_address(name))
    entry.importers = await module.ask(Module.who())
    entry.defines = sorted(await module.ask(Module.what()))


if __name__ == "__main__":
    expect_trees()
    run(partial(main, root=Path(sys.argv[2]), result=Path(sys.argv[3])), store=Path(sys.argv[1]))
