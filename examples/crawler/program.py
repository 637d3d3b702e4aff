"""The program: crawl, look at what died, deploy a parser that can read it, replay, compare with the site."""

import logging
import subprocess
import sys

import trio

from callboard import Node, run

from . import site
from .actors import FETCHERS, Frontier, Sums, tree
from .parsing import DEPLOYED, BadMarkup, parse_leniently
from .site import SITE

STORE = "./crawler.store"
TRUTH = Sums(
    known=site.PAGES,
    read=site.PAGES,
    twice=0,
    links=sum(len(site.links(page)) for page in range(site.PAGES)),
    words=sum(site.words(page) for page in range(site.PAGES)),
)


def main() -> int:
    """Run the example; 0 if all of the site was read, each page once."""
    logging.basicConfig(filename="./crawler.log")  # what the runtime and the supervisors have to say
    run(crawl, store=STORE)
    callboard("tree")
    if callboard("dead", "ls"):
        print("\nThe second release of the parser can read these pages: deployed.")
        DEPLOYED.parse = parse_leniently
        run(replay, store=STORE)
    return compare(Result.sums)


class Result:
    """What the last run came to."""

    sums: Sums


async def crawl(node: Node) -> None:
    """Crawl until there is nothing left to do but for dead letters."""
    async with SITE.served():
        await start(node)
        await node.ref(Frontier, "frontier").tell(Frontier.visit(0))
        await finish(node)


async def replay(node: Node) -> None:
    """Give the fetchers their dead letters again, and crawl on."""
    async with SITE.served():
        await start(node)
        errand = await node.dead.replay(error=BadMarkup)
        print(f"replayed {len(errand.done)} dead letters", flush=True)
        await finish(node)


async def start(node: Node) -> None:
    """Start the tree, and the fetchers that this store does not have yet."""
    running = await node.start(tree(node))
    there = {child.name for child in running.which_children("fetchers")}
    for number in range(FETCHERS):
        if f"fetcher/{number}" not in there:
            await running.start_child("fetchers", f"fetcher/{number}")


async def finish(node: Node) -> None:
    """Wait until no mail is left; say now and then how far it is."""
    frontier, said = node.ref(Frontier, "frontier"), 0
    while True:
        busy = node.statistics().queued > 0
        Result.sums = sums = await frontier.ask(Frontier.sums())
        if sums.read >= said + 8:
            said = sums.read
            print(f"{said} pages are read, {sums.known} are known", file=sys.stderr, flush=True)
        if not busy:
            return
        await trio.sleep(0.05)


def callboard(*arguments: str) -> str:
    """Look into the store as anybody can, and show what is there."""
    print(f"\n$ callboard {' '.join(arguments)} --store {STORE}", flush=True)
    command = [sys.executable, "-P", "-m", "callboard", *arguments, "--store", STORE]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(shown, end="", flush=True)
    return shown


def compare(found: Sums) -> int:
    """Say what was found; 0 if it is what the site has."""
    print(f"\n{found.read} pages, {found.links} links, {found.words} words")
    twice = [page for page, keys in SITE.charged.items() if len(keys) > 1]
    if found != TRUTH or twice:
        print(f"DIFFERENT from the site: {TRUTH}; paid for more than once: {twice}")
        return 1
    print(f"EQUAL to the site; it was too busy {SITE.busy.total()} times, and no page was paid for twice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
