from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tui.core.errors import ConfigurationError
from tui.core.paths import Paths, ensure_directory


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_lies_below_ragfood_home(tmp_path: Path) -> None:
    paths = Paths.from_environment({"RAGFOOD_HOME": str(tmp_path / "home")})
    places = [paths.index_file, paths.snapshots, paths.sessions, paths.dead_letters, paths.log_file, paths.config_file]
    assert all(place.is_relative_to(tmp_path / "home") for place in places)
    assert len(set(places)) == len(places)
    assert not (tmp_path / "home").exists()


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths.from_environment({"RAGFOOD_HOME": "here"}) == Paths.below(tmp_path / "here")


def test_a_blank_home_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = Paths.from_environment({"RAGFOOD_HOME": "  "})
    assert paths == Paths.from_environment({})
    assert paths.index_file.name == "index.db"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is Linux's")
def test_the_platform_decides_without_ragfood_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    paths = Paths.from_environment({})
    assert paths.index_file == tmp_path / "data" / "ragfood" / "index.db"
    assert paths.log_file == tmp_path / "state" / "ragfood" / "ragfood.log"


def test_an_unknown_home_directory_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Paths.from_environment({"RAGFOOD_HOME": "~nobody-of-this-name/x"})
    assert "RAGFOOD_HOME" in caught.value.hint
    assert caught.value.exit_code == 2


def test_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert ensure_directory(folder) == folder
    assert mode(folder) == mode(folder.parent) == 0o700


def test_folders_that_exist_keep_their_permissions(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    ensure_directory(folder)
    assert mode(folder) == 0o755


@pytest.mark.parametrize("below", [".", "sub/folder"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError) as caught:
        ensure_directory(tmp_path / "file" / below)
    assert str(tmp_path / "file") in caught.value.message
    assert "a file is in its place" in caught.value.message
    assert caught.value.hint


def test_a_folder_that_cannot_be_made_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ensure_directory(Path("/proc/1/ragfood"))
    assert "/proc/1/ragfood" in caught.value.message
    assert "RAGFOOD_HOME" in caught.value.hint


@pytest.mark.parametrize("bits", [0o500, 0o000])
def test_a_folder_without_permissions_is_a_sentence(tmp_path: Path, bits: int) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(bits)
    if os.access(folder, os.W_OK):
        pytest.skip("the superuser may write everywhere")
    try:
        with pytest.raises(ConfigurationError, match="cannot be read and written"):
            ensure_directory(folder)
    finally:
        folder.chmod(0o700)
