"""Every block of docs/supervision.md is run, and every test that it names exists."""

import re
from pathlib import Path

import pytest

from ..tidy.test_guarantees import missing_tests
from .test_docs_testing import BLOCK, Suite

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/supervision.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`tests/[\w/]+\.py::\w+`", PAGE)
    assert len(named) > 30
    assert [wrong for test in named for wrong in missing_tests(test)] == []


@pytest.mark.slow
def test_every_block_does_what_the_page_says(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    blocks = [text for language, text in BLOCK.findall(PAGE) if language == "python"]
    for block in blocks:
        suite.take(block)
    tests = sum(len(re.findall(r"^async def test_", block, re.MULTILINE)) for block in blocks)
    done = suite.pytest("test_shop.py")
    assert done.returncode == 0, done.stdout
    assert f" {tests} passed in " in done.stdout.replace("=", "")
