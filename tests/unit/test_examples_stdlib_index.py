"""The pure parts of examples/stdlib_index: what a file says, and what makes two indexes different."""

import importlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

# At the end of the path, where it cannot shadow anything; as a package, since its files import each other.
sys.path.append(str(Path(__file__).parents[2] / "examples"))


def room(name: str) -> Any:
    """A module of the example."""
    return importlib.import_module(f"stdlib_index.{name}")


bar, index, parsing, plain, sources = map(room, ("bar", "index", "parsing", "plain", "sources"))


def imports(source: str, path: str = "pkg/sub/mod.py") -> dict[str, int]:
    return dict(parsing.parse(path, source.encode()).imports)


def defines(source: str) -> list[str]:
    return list(parsing.parse("mod.py", source.encode()).defines)


def tree(root: Path, files: dict[str, str]) -> Path:
    """A folder of files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("path", "module", "package"),
    [
        ("os.py", "os", ""),
        ("json/__init__.py", "json", "json"),
        ("json/decoder.py", "json.decoder", "json"),
        ("a/b/__init__.py", "a.b", "a.b"),
    ],
)
def test_a_path_is_a_module_in_a_package(path: str, module: str, package: str) -> None:
    assert sources.module_name(path) == module
    assert sources.package_name(path) == package


def test_every_python_file_is_found_but_what_was_compiled_or_installed(tmp_path: Path) -> None:
    tree(tmp_path, dict.fromkeys(["b.py", "a/x.py", "site_packages.py"], ""))
    for folder in ("__pycache__", "site-packages", "dist-packages"):
        (tmp_path / "a" / folder).mkdir()
        (tmp_path / "a" / folder / "no.py").touch()
    (tmp_path / "data.txt").touch()
    assert sources.python_files(tmp_path) == ["a/x.py", "b.py", "site_packages.py"]


def test_the_running_pythons_library_is_found() -> None:
    assert {"os.py", "json/__init__.py"} <= set(sources.python_files(sources.standard_library()))


def test_imports_count_statements_wherever_they_stand() -> None:
    source = "import os, sys\nimport os.path\ndef f():\n    from os import sep\n    import os\n"
    source += "try:\n    import sys\nexcept ImportError: import a\nmatch 1:\n    case 1: import b\n"
    assert imports(source) == {"os": 3, "sys": 2, "os.path": 1, "a": 1, "b": 1}


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("from . import x", "pkg/sub/mod.py", "pkg.sub"),
        ("from .x import y", "pkg/sub/mod.py", "pkg.sub.x"),
        ("from ..x import y", "pkg/sub/mod.py", "pkg.x"),
        ("from .. import y", "pkg/sub/mod.py", "pkg"),
        ("from .x import y", "pkg/sub/__init__.py", "pkg.sub.x"),
        ("from .. import y", "pkg/sub/__init__.py", "pkg"),
        ("from ...x import y", "pkg/sub/mod.py", "...x"),
        ("from . import x", "mod.py", "."),
    ],
)
def test_relative_imports_are_resolved_or_kept_as_written(source: str, path: str, name: str) -> None:
    assert imports(source, path) == {name: 1}


def test_names_are_defined_at_the_top_level_only_but_under_any_condition() -> None:
    source = (
        "def f():\n    inner = 1\nasync def g(): ...\nclass C:\n    field = 1\na = b, (c, *d) = 1, (2, 3)\n"
        "e: int = 1\no.attribute = l[0] = 1\nif a:\n    h = 1\nelse:\n    def h(): ...\nimport os\na = 2\n"
    )
    assert defines(source) == ["C", "a", "b", "c", "d", "e", "f", "g", "h"]


def test_a_files_own_encoding_is_heeded() -> None:
    source = "# -*- coding: latin-1 -*-\nblå = 1\n".encode("latin-1")
    assert parsing.parse("mod.py", source).defines == ["blå"]
    assert parsing.parse("mod.py", b"\xef\xbb\xbfx = 1\r\n").defines == ["x"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"x = 1\nprint 'hello'\n", "SyntaxError: Missing parentheses"),
        (b"# coding: uft-8\n", "SyntaxError: unknown encoding: uft-8"),
        (b"x = '\xff'\n", "SyntaxError: (unicode error)"),
        (b"x = 1\x00\n", ": source code string cannot contain null bytes"),
    ],
)
def test_what_is_no_python_is_reported(source: bytes, why: str) -> None:
    found = parsing.parse("mod.py", source)
    assert found.path == "mod.py"
    assert why in found.why


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    assert parsing.parse_file(tmp_path, "none.py").why == "FileNotFoundError: No such file or directory"


def test_the_plain_index_of_a_small_tree(tmp_path: Path) -> None:
    files = {
        "p/__init__.py": "from . import a\nimport os",
        "p/a.py": "import os, os\nx = 1",
        "bad.py": "print 1",
    }
    found = plain.plain_index(tree(tmp_path, files))
    assert set(found.modules) == {"p", "p.a", "os"}
    assert found.modules["os"].importers == {"p": 1, "p.a": 2}
    assert found.modules["p"].importers == {"p": 1}
    assert found.modules["p.a"].defines == ["x"]
    assert list(found.unparsed) == ["bad.py"]
    assert [name for name, _ in found.most_imported(2)] == ["os", "p"]


def test_two_files_of_one_module_are_added_up(tmp_path: Path) -> None:
    files = {"a.py": "import os\nx = 1", "a/__init__.py": "import os\nx = 2"}
    found = plain.plain_index(tree(tmp_path, files))
    assert found.modules["os"].importers == {"a": 2}
    assert found.modules["a"].defines == ["x", "x"]


def test_an_index_survives_its_file(tmp_path: Path) -> None:
    found = plain.plain_index(tree(tmp_path / "tree", {"a.py": "import os\nx = 1", "bad.py": "print 1"}))
    index.save(found, tmp_path / "index.json")
    assert index.load(tmp_path / "index.json") == found
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["index.json"]


ENTRIES = st.builds(
    index.Entry,
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 3)),
    st.lists(st.sampled_from("xyz")).map(sorted),
)
INDEXES = st.builds(
    index.Index,
    st.dictionaries(st.sampled_from("abcd"), ENTRIES),
    st.dictionaries(st.sampled_from(["a.py", "b.py"]), st.sampled_from(["this", "that"])),
)


@given(INDEXES, INDEXES)
def test_indexes_differ_if_and_only_if_they_are_unequal(one: Any, other: Any) -> None:
    assert (one != other) == any(index.differences(one, other))
    assert list(index.differences(one, one)) == []


def test_a_difference_says_what_was_counted_twice() -> None:
    one = index.Index({"os": index.Entry({"a": 2}, ["sep", "sep"])})
    other = index.Index({"os": index.Entry({"a": 1}, ["sep"])}, {"b.py": "SyntaxError"})
    assert list(index.differences(one, other)) == [
        "b.py does not parse: 0 instead of SyntaxError",
        "os defines sep: 2 instead of 1",
        "os is imported by a: 2 instead of 1",
    ]


def test_names_are_sent_in_parts_that_fit_into_a_message() -> None:
    in_parts = room("actors").in_parts
    names = [f"name_{number:05}" for number in range(10_000)]
    parts = list(in_parts(names))
    assert [name for part in parts for name in part] == names
    assert len(parts) > 1
    assert all(sum(len(name) + 5 for name in part) <= 32_000 for part in parts)
    assert list(in_parts([])) == [[]]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_in_place_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with bar.Bar(stream := Terminal()) as drawn:
        drawn.show(1000, 2000)
    text = stream.getvalue()
    assert "\x1b[32m[####################--------------------]  50% 1,000 of 2,000 files\x1b[0m" in text
    assert text.startswith("\r")
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text


def test_a_bar_has_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    bar.Bar(stream := Terminal()).show(1, 2)
    assert "\x1b[3" not in stream.getvalue()


def test_a_bar_is_a_few_plain_lines_in_a_file() -> None:
    with bar.Bar(stream := io.StringIO()) as drawn:
        for done in range(101):
            drawn.show(done, 100)
        drawn.say("done")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[-2:] == [f"[{'#' * 40}] 100% 100 of 100 files", "done"]
    assert not {"\x1b", "\r"} & set(stream.getvalue())
