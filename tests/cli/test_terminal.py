"""What a person at a terminal sees and does: wrapped lines, Ctrl+C, and an app that refuses what it cannot draw on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import clean_environment, ragfood, recorded_turns, terminal, write_foods
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply
from tests.emulators.ollama_thread import emulator_thread

SOUPS = "Which soups come with noodles?"


@pytest.fixture
def slow_ollama() -> Iterator[OllamaEmulator]:
    """A model that needs longer for its answer than any test waits."""
    with emulator_thread(lambda: OllamaEmulator(delay=0.05)) as running:
        running.say(Reply(pieces=["Pho "] * 2_000))
        yield running


def test_the_app_needs_a_terminal(home: Path) -> None:
    said = ragfood(home=home).sentence()
    assert "needs a terminal" in said
    assert "ragfood ask" in said
    assert not home.exists()


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_the_app_refuses_a_terminal_it_cannot_draw_on(home: Path, kind: str) -> None:
    with terminal(home=home, env={"TERM": kind}) as screen:
        assert screen.end() == 2
        assert "TERM=xterm-256color" in screen.shown
        assert "Traceback" not in screen.shown


@pytest.mark.parametrize(
    ("variables", "said"),
    [({"OLLAMA_HOST": "http://:::bad"}, "OLLAMA_HOST"), ({"UPSTASH_VECTOR_REST_URL": "https://x.io"}, "TOKEN")],
)
def test_the_app_does_not_open_with_settings_that_cannot_work(home: Path, variables: dict[str, str], said: str) -> None:
    with terminal(home=home, env=variables) as screen:
        assert screen.end() == 2
        assert said in screen.shown
        assert "\x1b[?1049h" not in screen.shown


def test_the_app_does_not_open_where_it_can_keep_nothing(home: Path) -> None:
    home.write_text("in the way")
    with terminal(home=home) as screen:
        assert screen.end() == 2
        assert "a file is in its place" in " ".join(screen.shown.split())
        assert "\x1b[?1049h" not in screen.shown


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (80, 24)])
def test_the_app_opens_and_closes_in_a_terminal(filled: Path, columns: int, rows: int) -> None:
    with terminal(home=filled, columns=columns, rows=rows) as screen:
        screen.read_until("\x1b[?1049h")
        screen.read_until("sk about")  # the cursor is on the A
        screen.type("\x11")
        assert screen.end() == 0
        assert "\x1b[?1049l" in screen.shown
        assert "Traceback" not in screen.shown


@pytest.mark.parametrize("columns", [40, 80])
def test_an_answer_fits_the_terminal(filled: Path, columns: int) -> None:
    with terminal("ask", SOUPS, "--no-llm", home=filled, columns=columns) as screen:
        assert screen.end() == 0
        lines = screen.lines
    assert "Sources" in lines
    assert len([line for line in lines if line.startswith(("[1] ", "[2] ", "[3] "))]) == 3
    assert max(map(len, lines)) <= columns


def test_long_passages_are_wrapped_at_words(filled: Path) -> None:
    with terminal("search", "noodle soup", home=filled, columns=60) as screen:
        assert screen.end() == 0
        lines = [line for line in screen.lines if line.startswith(" " * 10)]
    assert max(map(len, lines)) <= 60
    unwrapped = ragfood("search", "noodle soup", home=filled).out
    text = " ".join(line.strip() for line in lines)
    assert all(line.strip() in text for line in unwrapped.split("\n") if line.startswith(" " * 10))


def test_a_stream_is_wrapped_at_words_as_it_comes(filled: Path) -> None:
    words = "Phở is a noodle soup from Việt Nam that people eat at any hour of the day. " * 3
    pieces = [words[start : start + 3] for start in range(0, len(words), 3)]
    with emulator_thread() as ollama:
        ollama.say(Reply(pieces=pieces))
        with terminal("ask", SOUPS, home=filled, columns=40, env={"OLLAMA_HOST": ollama.host}) as screen:
            assert screen.end() == 0
    answer = screen.shown.replace("\r\n", "\n").split("\n\nSources\n")[0].split("\r")[-1]
    assert max(len(line) for line in answer.split("\n")) <= 40
    assert " ".join(answer.split()) == words.strip()


def test_the_first_fill_counts_on_a_terminal_and_leaves_no_line(home: Path) -> None:
    with terminal("search", "soup", home=home) as screen:
        assert screen.end() == 0
    assert "upsert 0 of 150" in screen.shown
    assert "\r" + " " * len("upsert 0 of 150") in screen.shown


def test_ctrl_c_stops_an_answer_and_keeps_what_came(filled: Path, slow_ollama: OllamaEmulator) -> None:
    with terminal("ask", SOUPS, home=filled, env={"OLLAMA_HOST": slow_ollama.host}) as screen:
        screen.read_until("Pho Pho")
        screen.process.send_signal(signal.SIGINT)
        assert screen.end() == 130
    assert "ragfood: Stopped." in screen.shown
    assert "Traceback" not in screen.shown
    turn = recorded_turns(filled)[-1]
    assert turn["state"] == "stopped"
    assert turn["answer"].startswith("Pho Pho")
    assert ("/api/chat", "stream") in slow_ollama.disconnects


def test_ctrl_c_leaves_no_half_document(filled: Path, slow_ollama: OllamaEmulator) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "ask", SOUPS, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=filled.parent,
        env=clean_environment(filled, OLLAMA_HOST=slow_ollama.host),
    )  # fmt: skip
    with terminal("ask", "--help", home=filled) as other:
        other.end()
    while not slow_ollama.bodies("/api/chat"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err


def test_ctrl_c_stops_an_upsert_after_the_batch_under_way(home: Path, tmp_path: Path) -> None:
    rows = [{"id": f"food-{number}", "text": f"Dish {number} of rice and beans."} for number in range(20_000)]
    many = str(write_foods(tmp_path / "many.json", rows))
    with terminal("index", "upsert", many, home=home) as screen:
        screen.read_until("upsert 0 of 20,000")
        screen.read_until("/s")
        screen.process.send_signal(signal.SIGINT)
        assert screen.end() == 130
    assert "ragfood: Stopped." in screen.shown
    assert "goes on from there" in screen.shown
    assert "Traceback" not in screen.shown
    kept = ragfood("index", "stats", "--json", home=home).document["records"]
    assert 0 < kept < 20_000
    plan = ragfood("index", "plan", many, "--json", home=home).document
    assert len(plan["unchanged"]) == kept
    assert len(plan["new"]) == 20_000 - kept


def test_ctrl_c_at_the_reset_question_removes_nothing(filled: Path) -> None:
    with terminal("index", "reset", home=filled) as screen:
        screen.read_until("Type reset to go on")
        screen.interrupt()
        assert screen.end() == 130
    assert ragfood("index", "stats", "--json", home=filled).document["records"] == 150
