"""Tables: plain text in columns, a page at a time, so that a store of any size begins to show at once.

A column is as wide as its widest cell so far. Only on a terminal are cells cut, the elastic
columns first, so that a row stays one line; whatever a pipe gets is whole.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from .terminal import paint, safe

GAP: Final = 2
NARROWEST: Final = 12
"""Columns of the terminal that an elastic cell keeps."""


@attrs.frozen
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Numbers stand to the right."""
    elastic: bool = False
    """Whether it is cut before others are."""
    colors: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Colors of cells by their text."""


class Table:
    """Rows of text under titles."""

    def __init__(self, columns: Sequence[Column], *, width: int | None) -> None:
        """Begin a table.

        Args:
            columns: a last one without a title is for remarks.
            width: of the terminal, in its columns; None if lines may be of any length.
        """
        self._columns = columns
        self._limit = width
        self._widths = [width_of(column.title) for column in columns]
        self._begun = False

    def page(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """The lines of some more rows, after the titles if they are the first."""
        cells = [[safe(text) for text in row] for row in rows]
        for row in cells:
            self._widths = [max(width, width_of(text)) for width, text in zip(self._widths, row, strict=True)]
        if not rows:
            return
        widths = fit(self._widths, self._columns, self._limit)
        if not self._begun:
            self._begun = True
            yield paint(self._line([column.title for column in self._columns], widths), "bold")
        for row in cells:
            yield self._line(row, widths, colored=True)

    def _line(self, row: Sequence[str], widths: Sequence[int], *, colored: bool = False) -> str:
        parts: list[str] = []
        for text, column, width in zip(row, self._columns, widths, strict=True):
            shown = cut(text, width)
            space = " " * (width - width_of(shown))
            color = column.colors.get(text) if colored else None
            shown = paint(shown, color) if color else shown
            parts.append(f"{space}{shown}" if column.right else f"{shown}{space}")
        return (" " * GAP).join(parts).rstrip()


def fit(widths: Sequence[int], columns: Sequence[Column], limit: int | None) -> list[int]:
    """Widths for the room there is: the widest elastic column gives way, then the next."""
    fitted = list(widths)
    if limit is None:
        return fitted
    excess = sum(fitted) + GAP * (len(fitted) - 1) - limit
    elastic = [index for index, column in enumerate(columns) if column.elastic]
    while excess > 0 and elastic:
        widest = max(elastic, key=fitted.__getitem__)
        if fitted[widest] <= NARROWEST:
            break
        fitted[widest] -= 1
        excess -= 1
    return fitted


def pairs(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Names and values below one another; a value of several lines stays in its column."""
    width = max((width_of(name) for name, _ in rows), default=0)
    for name, text in rows:
        first, *more = text.split("\n")
        yield f"{paint(name, 'dim')}{' ' * (width - width_of(name) + GAP)}{first}".rstrip()
        for line in more:
            yield f"{' ' * (width + GAP)}{line}".rstrip()


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines under a title, after an empty line."""
    yield ""
    yield paint(title, "bold")
    for line in lines:
        yield f"  {line}"


def cut(text: str, width: int) -> str:
    """Text in at most so many columns of a terminal, with an ellipsis if some is missing."""
    if width_of(text) <= width:
        return text
    kept, room = "", width - 1
    for character in text:
        room -= width_of(character)
        if room < 0:
            break
        kept += character
    return f"{kept}…"


def width_of(text: str) -> int:
    """Columns of a terminal that printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_width_of(character) for character in text)


def _width_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
