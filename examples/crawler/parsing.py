"""Parsing: the text of a page in, what it holds out. There are two releases, and the first has a bug."""

import re
from collections.abc import Callable

import attrs


@attrs.frozen
class Content:
    """What a page holds."""

    links: list[int]
    words: int


class BadMarkup(ValueError):
    """This is no page as the parser knows them."""


def parse_strictly(html: str) -> Content:
    """The first release: it cannot read a tag that is not closed.

    Raises:
        BadMarkup: there is one.
    """
    torn = re.search(r"<[^<>]*(?=<)", html)
    if torn:
        raise BadMarkup(f"{torn[0]} is not closed")
    return parse_leniently(html)


def parse_leniently(html: str) -> Content:
    """The second release: a tag ends where the next one begins, as in a browser."""
    links = [int(page) for page in re.findall(r'<a href="/(\d+)"', html)]
    return Content(links, len(re.sub(r"<[^<>]*>?", " ", html).split()))


@attrs.define
class Code:
    """What is deployed."""

    parse: Callable[[str], Content]


DEPLOYED = Code(parse_strictly)
