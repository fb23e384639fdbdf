"""Folders, disks, index files and encodings that are not as they should be: a sentence, and nothing is harmed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import FOODS, Result, clean_environment, ragfood, write_foods
from tests.cli.conftest import Call
from tests.hostile import forbidden_in

COMMANDS = [
    ("ask", "soup", "--json"),
    ("search", "soup"),
    ("index", "stats", "--json"),
    ("index", "list"),
    ("index", "upsert"),
    ("index", "reset", "--yes"),
]


@pytest.mark.parametrize("command", [*COMMANDS, ("doctor", "--json")], ids=" ".join)
def test_a_file_in_place_of_the_home(call: Call, home: Path, command: tuple[str, ...]) -> None:
    home.write_text("in the way")
    said = call(*command).sentence()
    assert "a file is in its place" in said
    assert "RAGFOOD_HOME" in said
    assert home.read_text() == "in the way"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_a_home_where_nothing_can_be_made(call: Call, monkeypatch, command: tuple[str, ...]) -> None:
    monkeypatch.setenv("RAGFOOD_HOME", "/proc/ragfood")
    assert "RAGFOOD_HOME" in call(*command).sentence()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drops capabilities of Linux")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o500])
@pytest.mark.parametrize("folder", [".", "data"])
def test_a_folder_without_permission(filled: Path, folder: str, mode: int) -> None:
    if (folder, mode) == (".", 0o500):
        pytest.skip("nothing has to be made in the home itself")
    (filled / folder).chmod(mode)
    try:
        said = ragfood("ask", "soup", home=filled, powerless=True).sentence()
    finally:
        (filled / folder).chmod(0o700)
    assert "Permission denied" in said
    assert "RAGFOOD_HOME" in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drops capabilities of Linux")
@pytest.mark.parametrize("name", ["foods.json", ".env", "config.toml"])
def test_a_file_without_permission(filled: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    (tmp_path / name).chmod(0)
    options = {".env": (), "config.toml": ("--config", name), "foods.json": ()}[name]
    done = ragfood(*options, "index", "plan", "foods.json", home=filled, powerless=True)
    assert f"{name} cannot be read: Permission denied" in done.sentence()


def test_a_working_directory_that_is_gone(filled: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$0" -m tui index stats'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable],
        capture_output=True, env=clean_environment(filled), cwd=gone, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"working directory" in done.stderr
    assert b"did not expect" not in done.stderr


def test_without_a_log_the_work_goes_on(filled: Path, call: Call) -> None:
    shutil.rmtree(filled / "state")
    (filled / "state").write_text("in the way")
    done = call("index", "stats", "--json")
    assert done.code == 0
    assert done.document["records"] == 150
    assert "There is no log" in done.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("damage", ["garbage", "cut", "folder"])
def test_a_corrupt_index_file(filled: Path, call: Call, command: tuple[str, ...], damage: str) -> None:
    file = filled / "data" / "index.db"
    whole = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"garbage" * 1000 if damage == "garbage" else whole[:5000])
    before = file.read_bytes() if file.is_file() else b""
    assert "cannot be used" in call(*command).sentence()
    assert (file.read_bytes() if file.is_file() else b"") == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_index_of_a_newer_schema_is_left_untouched(filled: Path, call: Call, command: tuple[str, ...]) -> None:
    file = filled / "data" / "index.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.read_bytes()
    said = call(*command).sentence()
    assert "newer ragfood" in said
    assert "Update ragfood" in said
    assert file.read_bytes() == before


@pytest.mark.parametrize("kilobytes", [0, 16, 200])
def test_a_full_disk_during_the_first_fill(home: Path, kilobytes: int) -> None:
    done = ragfood("ask", "soup", "--json", home=home, limit_file_size=kilobytes * 1024)
    assert "Free some space" in done.sentence(1)
    after = ragfood("ask", "soup", "--json", home=home)
    assert after.code == 0
    assert ragfood("index", "stats", "--json", home=home).document["records"] == 150


def test_a_full_disk_during_upsert_export_and_reset(filled: Path, tmp_path: Path) -> None:
    before = ragfood("index", "list", "--json", "--limit", "1000", home=filled).out
    rows = [{"id": f"new-{number}", "text": f"Dish {number} " + "of rice " * 50} for number in range(2_000)]
    many = write_foods(tmp_path / "many.json", rows)
    limit = (filled / "data" / "index.db").stat().st_size // 2
    for command in (("upsert", str(many)), ("export", "out.jsonl"), ("reset", "--yes")):
        said = ragfood("index", *command, home=filled, limit_file_size=limit).sentence(1)
        assert "Free some space" in said
    assert not (tmp_path / "out.jsonl").exists()
    assert ragfood("index", "list", "--json", "--limit", "1000", home=filled).out == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [("index", "stats", "--json"), ("ask", "soup", "--no-llm"), ("--help",)])
def test_an_output_that_takes_nothing(filled: Path, command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = ragfood(*command, home=filled, stdout=full)
    assert "No space left on device" in done.sentence(1)
    assert "Exception ignored" not in done.err


def _piped(filled: Path, *command: str) -> tuple[int, str, str]:
    """Runs a command whose reader leaves after one line; returns its exit code, that line and stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(filled), cwd=filled.parent,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline().decode()
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    return process.wait(60), line, errors


@pytest.mark.parametrize(
    "command",
    [("index", "list", "--json", "--limit", "1000"), ("search", "soup", "--top-k", "150"), ("index", "list")],
    ids=" ".join,
)
def test_a_reader_that_leaves_is_no_reason_to_complain(filled: Path, command: tuple[str, ...]) -> None:
    code, line, errors = _piped(filled, *command)
    assert code in (0, 1)
    assert line
    assert "BrokenPipe" not in errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def test_a_reader_that_left_before_the_first_word(filled: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        for command in (("index", "list", "--json"), ("ask", "soup", "--no-llm"), ("--help",)):
            done = ragfood(*command, home=filled, stdout=closed)
            assert done.code == 1
            assert done.err == ""


def _bytes(filled: Path, *command: str, **env: str) -> Result:
    done = subprocess.run(
        [sys.executable, "-m", "tui", *command],
        capture_output=True, env=clean_environment(filled, **env), cwd=filled.parent, timeout=60, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii"))


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "LANG=C"],
)
def test_a_terminal_that_knows_only_ascii(filled: Path, env: dict[str, str]) -> None:
    rows = write_foods(filled.parent / "rows.json", [{"id": "chili", "text": "Jalapeño 🌶 “hot”.", "name": "Jalapeño"}])
    assert ragfood("index", "upsert", str(rows), home=filled).code == 0
    listed = _bytes(filled, "index", "list", "--prefix", "chili", "--json", **env)
    assert json.loads(listed.out)["records"][0]["text"] == "Jalapeño 🌶 “hot”."
    shown = _bytes(filled, "ask", "jalapeno chili", "--no-llm", "--top-k", "2", **env)
    assert shown.code == 0
    assert " - 2 sources - " in shown.out


def test_json_is_utf8_where_it_can_be(filled: Path, call: Call, tmp_path: Path) -> None:
    call("index", "upsert", str(write_foods(tmp_path / "rows.json", [{"id": "a", "text": "Jalapeño 🌶."}])))
    assert "Jalapeño 🌶" in call("index", "list", "--prefix", "a", "--json").out


BROKEN = {"numpy": 'raise RuntimeError("broken numpy \\x1b[31m [/x]")', "tokenizers": 'raise ImportError("no wheel")'}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dependency_is_a_sentence_and_a_log_entry(filled: Path, tmp_path: Path, name: str) -> None:
    shadow = tmp_path / "shadow"
    (shadow / name).mkdir(parents=True)
    (shadow / name / "__init__.py").write_text(BROKEN[name])
    path = f"{shadow}{os.pathsep}{clean_environment(filled)['PYTHONPATH']}"
    done = ragfood("ask", "soup", "--no-llm", home=filled, env={"PYTHONPATH": path})
    assert done.code == 1
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "did not expect" in done.err
    log = filled / "state" / "ragfood.log"
    assert str(log) in done.err
    assert "Traceback" in log.read_text()
    assert not forbidden_in(done.err + log.read_text())


def test_without_click_there_is_still_a_sentence(home: Path, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "click.py").write_text('raise ImportError("gone")')
    path = f"{shadow}{os.pathsep}{clean_environment(home)['PYTHONPATH']}"
    done = ragfood("--help", home=home, env={"PYTHONPATH": path})
    assert done.code == 1
    assert "gone" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in (home / "state" / "ragfood.log").read_text()


def test_closed_streams(filled: Path) -> None:
    """As `ragfood index stats >&-` in a shell."""
    for closed in (1, 2):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" -m tui index stats {closed}>&-', sys.executable],
            capture_output=True, env=clean_environment(filled), cwd=filled.parent, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        assert b"Traceback" not in done.stderr


def test_two_commands_at_once_fill_an_index_once(home: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tui", "search", "soup", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(home), cwd=home.parent,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert len(json.loads(out)["hits"]) == len(FOODS)
    assert ragfood("index", "stats", "--json", home=home).document["records"] == 150
