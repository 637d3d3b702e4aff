"""Actors: a crawler, parsers, one actor per module, a table of contents, and a report.

They share nothing and only send mail. All that makes the counts right after a kill is that a message is
taken out of its mailbox, changes the state and sends what follows from it in one commit (G2, G3). Reading a
file is outside of that: it may happen twice, and that is harmless.

Nobody can see from a quiet mailbox that all is done, so the report counts mail: what the parsers sent to
modules against what the modules have counted. Equal, with every file parsed, is the end.
"""

from collections.abc import Iterator
from pathlib import Path

import attrs
import trio

from callboard import Actor, ActorRef, Refusal, handler

from .parsing import Unparsed, parse_file
from .sources import python_files

MAX_NAMES_BYTES = 32_000
"""A message holds at most 64 KiB; a module may define more names than fit."""


@attrs.frozen
class Progress:
    """How far the work is."""

    files: int | None
    """None until the crawler has told."""
    read: int
    sent: int
    """Messages from parsers to modules."""
    counted: int
    """How many of those the modules have counted."""

    @property
    def complete(self) -> bool:
        """Whether every file was read and every message about it counted.

        More than that would be wrong, and is for the comparison to find.
        """
        return self.files is not None and self.read >= self.files and self.counted >= self.sent


class Report(Actor):
    """Knows how far the work is and which files do not parse."""

    files: int | None = None
    read: int = 0
    sent: int = 0
    counted: int = 0
    bad: dict[str, str] = attrs.Factory(dict[str, str])

    @handler
    async def found(self, files: int) -> None:
        """The crawler found this many files."""
        self.files = files

    @handler
    async def parsed(self, messages: int) -> None:
        """A parser read a file and told its modules in this many messages."""
        self.read += 1
        self.sent += messages

    @handler
    async def unparsed(self, path: str, why: str) -> None:
        """A parser read a file that is no Python."""
        self.read += 1
        self.bad[path] = why

    @handler
    async def count(self) -> None:
        """A module has counted a message."""
        self.counted += 1

    @handler
    async def progress(self) -> Progress:
        """Answer how far the work is."""
        return Progress(self.files, self.read, self.sent, self.counted)

    @handler
    async def failures(self) -> dict[str, str]:
        """Answer which files do not parse, and why."""
        return self.bad


class Contents(Actor):
    """Knows which modules there are."""

    report: ActorRef[Report]
    modules: list[str] = attrs.Factory(list[str])

    @handler
    async def enter(self, module: str) -> None:
        """Take in a new module, whose first message counts only now: a complete report has every name."""
        self.modules.append(module)
        await self.report.tell(Report.count())

    @handler
    async def part(self, start: int, count: int) -> list[str]:
        """Answer some of the modules; all at once might not fit into a message."""
        return self.modules[start : start + count]


class Module(Actor):
    """Counts who imports one module, and which names it defines."""

    name: str
    contents: ActorRef[Contents]
    report: ActorRef[Report]
    heard: int = 0
    importers: dict[str, int] = attrs.Factory(dict[str, int])
    defines: list[str] = attrs.Factory(list[str])

    @handler
    async def imported(self, by: str, statements: int) -> None:
        """Another module imports this one. It adds, so a message counted twice would show."""
        self.importers[by] = self.importers.get(by, 0) + statements
        await self.count()

    @handler
    async def define(self, names: list[str]) -> None:
        """Take in names that its file defines; again, what came twice would stand there twice."""
        self.defines += names
        await self.count()

    async def count(self) -> None:
        """Say that one more message is counted; the first time by way of the table of contents."""
        self.heard += 1
        if self.heard == 1:
            await self.contents.tell(Contents.enter(self.name))
        else:
            await self.report.tell(Report.count())

    @handler
    async def who(self) -> dict[str, int]:
        """Answer who imports it, and in how many statements."""
        return self.importers

    @handler
    async def what(self) -> list[str]:
        """Answer what it defines."""
        return self.defines


class Parser(Actor):
    """Reads files and tells every module what they say of it."""

    root: Path
    contents: ActorRef[Contents]
    report: ActorRef[Report]

    @handler
    async def parse(self, path: str) -> None:
        """Read one file; all its messages leave in one commit with the end of this one, or none does."""
        # In a thread, since the node's other actors should not wait until a large file is parsed.
        found = await trio.to_thread.run_sync(parse_file, self.root, path)
        if isinstance(found, Unparsed):
            await self.report.tell(Report.unparsed(found.path, found.why))
            return
        messages = 0
        for names in in_parts(found.defines):
            await self.module(found.module).tell(Module.define(names))
            messages += 1
        for name, statements in found.imports.items():
            await self.module(name).tell(Module.imported(found.module, statements))
            messages += 1
        await self.report.tell(Report.parsed(messages))

    def module(self, name: str) -> ActorRef[Module]:
        """The actor of a module; it begins to live when it is first spoken of."""
        return self.turn.spawn(Module(name, self.contents, self.report), name=module_address(name))


class OtherRoot(Refusal):
    """The store holds the index of another folder."""


class Crawler(Actor):
    """Finds the files and deals them out to parsers."""

    root: Path
    contents: ActorRef[Contents]
    report: ActorRef[Report]
    begun: bool = False

    @handler
    async def crawl(self, root: Path, parsers: int) -> None:
        """Deal out every file, once: whoever starts the program again asks again."""
        if root != self.root:
            raise OtherRoot(f"this store holds the index of {self.root}, not of {root}: give another --store")
        if self.begun:
            return
        self.begun = True
        refs = [
            self.turn.spawn(Parser(root, self.contents, self.report), name=f"parser/{number}")
            for number in range(parsers)
        ]
        paths = python_files(root)
        for number, path in enumerate(paths):
            await refs[number % parsers].tell(Parser.parse(path))
        await self.report.tell(Report.found(len(paths)))


def module_address(name: str) -> str:
    """Where the actor of a module lives."""
    return f"module/{name}"


def in_parts(names: list[str]) -> Iterator[list[str]]:
    """Names in lists that fit into a message; one empty list if there are none, so that it appears."""
    part: list[str] = []
    room = MAX_NAMES_BYTES
    for name in names:
        size = len(name.encode()) + 5
        if size > room:
            yield part
            part, room = [], MAX_NAMES_BYTES
        part.append(name)
        room -= size
    yield part
