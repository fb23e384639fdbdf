from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tui.core.errors import StorageFull
from tui.core.files import is_temporary, remove_stale, storage_error, write_atomically

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with write_atomically(path) as file:
        file.write(b"one ")
        file.write(b"two")
        assert not path.exists()
    assert path.read_bytes() == b"one two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["out.json"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with write_atomically(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), OSError("somewhere else")])
def test_an_error_in_the_block_passes_and_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")

    def fail() -> None:
        with write_atomically(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out.json"]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real" / "file.json")
    with write_atomically(link) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "file.json").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_the_longest_names_work(tmp_path: Path, name: str) -> None:
    with write_atomically(tmp_path / name) as file:
        file.write(b"x")
    assert names(tmp_path) == [name]


def test_checkpoints_lie_around_the_rename(tmp_path: Path) -> None:
    path = tmp_path / "out"
    seen = []
    with write_atomically(path, checkpoint=lambda name: seen.append((name, path.exists())), name="snapshot") as file:
        file.write(b"x")
    assert seen == [("snapshot.written", False), ("snapshot.renamed", True)]


KILLED = """
import os, signal, sys
from pathlib import Path
from tui.core.files import write_atomically
def strike(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
with write_atomically(Path(sys.argv[1]), checkpoint=strike) as file:
    file.write(b"new")
    file.flush()
    strike("half")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("moment", "content"), [("half", "old"), ("file.written", "old"), ("file.renamed", "new")])
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, moment: str, content: str) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), moment], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == content
    left = [found for found in tmp_path.iterdir() if found != path]
    assert all(is_temporary(found) for found in left)
    assert remove_stale(tmp_path, now=path.stat().st_mtime) == 0
    assert remove_stale(tmp_path, now=path.stat().st_mtime + 100_000) == len(left)
    assert names(tmp_path) == ["out"]


FULL = """
import resource, sys
from pathlib import Path
from tui.core.errors import StorageFull
from tui.core.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with write_atomically(Path(sys.argv[1])) as file:
        file.write(b"x" * int(sys.argv[2]))
        if len(sys.argv) > 3:
            raise KeyboardInterrupt
except StorageFull as error:
    print(error.message, error.hint)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
@pytest.mark.parametrize("size", [2000, 1_000_000])
def test_no_space_left_is_a_sentence_and_leaves_the_old_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(size)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "the disk is full" in done.stdout
    assert "Free some space" in done.stdout
    assert not done.stderr
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_does_not_hide_why_a_write_was_given_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "out"), "2000", "interrupt"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "interrupted\n"
    assert not done.stderr
    assert names(tmp_path) == []


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageFull) as caught, write_atomically(tmp_path / "no" / "out"):
        pytest.fail("there is no folder")
    assert "cannot be written" in caught.value.message
    assert f"Make the folder {tmp_path / 'no'}" in caught.value.hint


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageFull, match="Is a directory"), write_atomically(tmp_path / "out"):
        pytest.fail("it is a folder")
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(StorageFull, match="a device or a pipe"), write_atomically(tmp_path / "out"):
        pytest.fail("it is a pipe")
    assert stat.S_ISFIFO((tmp_path / "out").stat().st_mode)


def test_a_folder_without_permission_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("the superuser may write everywhere")
    try:
        with pytest.raises(StorageFull) as caught, write_atomically(tmp_path / "out"):
            pytest.fail("it cannot be written")
        assert "permissions" in caught.value.hint
    finally:
        tmp_path.chmod(0o700)


def test_hostile_names_are_quoted_safely() -> None:
    error = storage_error(Path("/x/\x1b[31mred\n"), PermissionError(13, "Permission denied"))
    assert error.message == "/x/red cannot be written: Permission denied."


def test_other_files_are_not_temporary(tmp_path: Path) -> None:
    assert not is_temporary(tmp_path / "notes.ragfood-tmp")
    assert not is_temporary(tmp_path / ".hidden")
    assert remove_stale(tmp_path / "missing", now=0.0) == 0
