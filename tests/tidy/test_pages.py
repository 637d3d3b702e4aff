"""What the pages say exists: links, named files, modules on the map, and the README's two commands."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .source import BESIDE, FLOORS, ROOT, agree, package

README_LINES = 265

PAGES = sorted(
    page
    for place in ("*.md", "docs/**/*.md", *(f"{folder}/*.md" for folder in BESIDE))
    for page in ROOT.glob(place)
)

LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")
NAMED_FILE = re.compile(rf"`((?:{'|'.join((*FLOORS, *BESIDE, 'docs'))})/[\w./-]*)`")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def dangling(text: str, folder: Path) -> Iterator[str]:
    """Links and named files of a page that lead nowhere; code blocks are not looked at."""
    prose = FENCED.sub("", text)
    for target in LINK.findall(prose):
        if "://" not in target and not target.startswith("mailto:") and not (folder / target).exists():
            yield f"the link to {target} leads nowhere"
    for target in NAMED_FILE.findall(prose):
        if not (ROOT / target).exists():
            yield f"there is no {target}"


def unknown_rooms(text: str) -> Iterator[str]:
    """Modules that the map names, as `x.py` or callboard.a.b, and the package does not have."""
    paths = {source.path for source in package()}
    names = {path.rpartition("/")[2] for path in paths}
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in paths}
    for name in re.findall(r"`([\w]+\.py)`", text):
        if name not in names:
            yield f"there is no {name}"
    for name in re.findall(rf"\bcallboard\.((?:{'|'.join(FLOORS)})(?:\.[a-z_]+)*)\b", text):
        if name not in modules:
            yield f"there is no callboard.{name}"


def command(text: str, heading: str) -> str:
    """The one command line in the one block under a heading."""
    section = re.search(rf"^{heading}$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, f"README.md has no {heading}"
    blocks = re.findall(r"^```\w*\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE)
    lines: list[str] = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert len(blocks) == len(lines) == 1, f"{heading}: one block of one line, please"
    return lines[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_only_what_exists(page: Path) -> None:
    agree(dangling(page.read_text(encoding="utf-8"), page.parent))


def test_the_map_shows_only_rooms_that_exist() -> None:
    agree(unknown_rooms((ROOT / "docs/architecture.md").read_text(encoding="utf-8")))


def test_the_index_lists_every_decision() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    decisions = sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    agree(f"{name} is not in the index" for name in decisions if f"({name})" not in index)


def test_the_readme_is_short_and_its_commands_are_single_lines() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES
    assert command(text, "## Run it")
    assert command(text, "## Test it")


def test_ci_runs_the_readmes_test_command_as_it_is_written() -> None:
    test = command((ROOT / "README.md").read_text(encoding="utf-8"), "## Test it")
    assert test in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_dangling_links_and_files_are_found() -> None:
    text = "[a](docs/none.md#x) `tests/none.py` [b](https://x.org) [c](README.md)\n```\n[d](none.md)\n```\n"
    assert list(dangling(text, ROOT)) == [
        "the link to docs/none.md leads nowhere",
        "there is no tests/none.py",
    ]


def test_unknown_rooms_are_found() -> None:
    text = "`nowhere.py`, callboard.mailbox.nowhere and callboard.mailbox"
    assert list(unknown_rooms(text)) == ["there is no nowhere.py", "there is no callboard.mailbox.nowhere"]


@pytest.mark.parametrize("block", ["", "```\na\nb\n```\n", "```\na\n```\n```\nb\n```\n"])
def test_a_command_must_be_one_line(block: str) -> None:
    with pytest.raises(AssertionError):
        command(f"## Run it\n\n{block}\n## More\n\n```\nc\n```\n", "## Run it")
    assert command("## Run it\n\n```sh\na\n```\n", "## Run it") == "a"
