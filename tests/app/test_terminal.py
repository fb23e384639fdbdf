"""The app in a real terminal that misbehaves, and the signals that end it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import ROOT, Terminal, clean_environment, recorded_turns, terminal
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply
from tests.emulators.ollama_thread import emulator_thread
from tui.core.paths import Paths

ENTER = b"\r"
LEFT_THE_SCREEN = ("\x1b[?1049l", "\x1b[?25h", "\x1b[?1000l", "\x1b[?2004l")
"""Normal screen, visible cursor, no mouse reports, no bracketed paste."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def type_bytes(screen: Terminal, data: bytes) -> None:
    os.write(screen._master, data)


@pytest.mark.parametrize("data", [b"caf\xe9", b"\x1b[200~\x9b31mred\xff\x1b[201~", b"\xf0\x9f\x8d"])
def test_bytes_that_are_no_text_harm_nothing(home: Path, data: bytes) -> None:
    with terminal(home=home) as screen:
        screen.read_until("sk about")
        type_bytes(screen, data + b"x" + ENTER)
        screen.read_until("\ufffdx")
        type_bytes(screen, b"quit" + ENTER)
        screen.read_until("Leave ragfood?")
        type_bytes(screen, ENTER)
        assert screen.end() == 0
        assert "Traceback" not in screen.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(home: Path, number: signal.Signals) -> None:
    with terminal(home=home) as screen:
        screen.read_until("sk about")
        screen.process.send_signal(number)
        assert screen.end() == 128 + number
        for sequence in LEFT_THE_SCREEN:
            assert sequence in screen.shown
        assert "Traceback" not in screen.shown


def test_a_signal_keeps_the_answer_that_is_being_written(home: Path) -> None:
    with emulator_thread(lambda: OllamaEmulator(delay=0.05)) as ollama:
        ollama.say(Reply(pieces=["Pho "] * 2_000))
        with terminal(home=home, env={"OLLAMA_HOST": ollama.host}) as screen:
            screen.read_until("sk about")
            type_bytes(screen, b"Which soups come with noodles?" + ENTER)
            screen.read_until("Pho Pho")
            screen.process.send_signal(signal.SIGTERM)
            assert screen.end() == 128 + signal.SIGTERM
    [turn] = recorded_turns(home)
    assert turn["state"] == "stopped"
    assert turn["answer"].startswith("Pho Pho")


def test_a_terminal_that_goes_away_ends_it_in_order(home: Path) -> None:
    screen = Terminal([], clean_environment(home, TERM="xterm-256color"), home.parent, 80, 24)
    try:
        screen.read_until("sk about")
        os.close(screen._master)
        assert screen.process.wait(30) == 128 + signal.SIGHUP
    finally:
        screen._master = os.open(os.devnull, os.O_RDONLY)
        screen.close()


BROKEN_DRIVER = """
import asyncio
import sys
from pathlib import Path
from tui.app import RagfoodApp
from tui.core.log import setup_log
from tui.core.paths import Paths
from tui.core.settings import Settings
from tui.terminal import TerminalDriver

async def never():
    await asyncio.Event().wait()

class Broken(TerminalDriver):
    def process_message(self, message):
        secret = "hunter2"
        raise RuntimeError("the [/broken] driver")

log = setup_log(Paths.below(Path(sys.argv[1])))
app = RagfoodApp(Settings(), never, log_file="ragfood.log")
app.driver_class = Broken
app.run()
raise SystemExit(app.return_code)
"""


def test_a_failing_driver_ends_it_with_a_sentence(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(BROKEN_DRIVER, encoding="utf-8")
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, script, tmp_path], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env=clean_environment(tmp_path, TERM="xterm-256color", PYTHONPATH=str(ROOT)),
        )  # fmt: skip
        os.close(slave)
        os.write(master, b"x")
        shown = read_to_the_end(master)
        assert process.wait(30) == 1
    finally:
        os.close(master)
    assert "ragfood had to stop" in " ".join(shown.split())
    assert "Traceback" not in shown
    assert "hunter2" not in shown
    assert "the [/broken] driver" in Paths.below(tmp_path).log_file.read_text(encoding="utf-8")


def read_to_the_end(descriptor: int) -> str:
    shown = b""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # EIO: the other side was closed
            data = b""
        if not data:
            return shown.decode(errors="replace")
        shown += data
