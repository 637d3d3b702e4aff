"""Names: what may be the address of a mailbox.

A name is 1 to 255 bytes of UTF-8 without control characters; `$` at its head is
reserved for the system and `@` for the node it lives on. It is never a path: keys are digests.
"""

import unicodedata
from typing import Final

from .errors import BadName

MAX_NAME: Final = 255


def check_name(name: object) -> str:
    """The name itself, if it can be an address.

    Raises:
        BadName: it cannot; the text says why and what would do.
    """
    if type(name) is not str:
        raise BadName(f"a name is a str, not {type(name).__name__}: {name!r}")
    problem = _problem(name)
    if problem:
        raise BadName(f"{_short(name)} cannot be a name: {problem}")
    return name


def _problem(name: str) -> str:
    if not name:
        return "it is empty; give 1 to 255 bytes"
    if name.startswith("$"):
        return "names that begin with $ are reserved for the system; choose another first character"
    if "@" in name:
        return "@ is reserved for the node a mailbox lives on; write another character"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it holds a lone surrogate, which UTF-8 cannot carry; remove it"
    if size > MAX_NAME:
        return f"it has {size} bytes of UTF-8 and {MAX_NAME} is the most; shorten it or use a digest"
    # Nearly all names are printable, and it takes a tenth of a spawn to look at each character.
    if not name.isprintable() and any(unicodedata.category(character) == "Cc" for character in name):
        return "it holds a control character; remove it"
    return ""


def _short(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 60 else f"{text[:50]}… ({len(name)} characters)"
