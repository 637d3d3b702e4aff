"""`callboard cert`: the safe way is two commands."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from callboard.cluster.addresses import parse_address
from callboard.cluster.security import Tls, check_listen
from callboard.cluster.tcp import TcpTransport
from callboard.console.command import main
from callboard.console.exits import Exit


def test_two_commands_make_all_that_a_node_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(main, ["cert", "init"])
    assert (made.exit_code, made.stdout) == (0, "certs/authority.pem\ncerts/authority.key\n")
    assert "callboard cert node NAME" in made.stderr
    made = CliRunner().invoke(main, ["cert", "node", "a"])
    assert (made.exit_code, made.stdout) == (0, "certs/a.pem\ncerts/a.key\n")
    assert "tls=Tls('a.pem', 'a.key', 'authority.pem')" in made.stderr
    tls = Tls(*(tmp_path / "certs" / name for name in ("a.pem", "a.key", "authority.pem")))
    check_listen(parse_address("0.0.0.0:7001"), tls)
    TcpTransport(tls)


def test_the_folder_and_the_cluster_can_be_chosen(tmp_path: Path) -> None:
    folder = str(tmp_path / "keys")
    assert CliRunner().invoke(main, ["cert", "init", "--dir", folder, "--cluster", "shop"]).exit_code == 0
    made = CliRunner().invoke(main, ["cert", "node", "till/1", "--dir", folder])
    assert made.stdout == f"{folder}/till%2F1.pem\n{folder}/till%2F1.key\n"


def test_a_second_time_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for words in (["init"], ["node", "a"]):
        command = ["cert", *words, "--dir", str(tmp_path)]
        assert CliRunner().invoke(main, command).exit_code == 0
        again = CliRunner().invoke(main, command)
        assert again.exit_code == Exit.FAILED
        assert "exists and is not overwritten" in again.stderr
        assert again.stdout == ""


def test_a_node_before_its_authority_is_told_what_comes_first(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["cert", "node", "a", "--dir", str(tmp_path)])
    assert told.exit_code == Exit.FAILED
    assert "callboard cert init" in told.stderr


def test_a_name_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["cert", "init", "--cluster", "a@b", "--dir", str(tmp_path)])
    assert told.exit_code == Exit.FAILED
    assert "cannot be a name" in told.stderr
