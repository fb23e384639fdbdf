"""The real command, run as a user runs it: in a process of its own, in this one, and in a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60.0

NOBODY_LISTENS = "127.0.0.1:1"
"""Port 1 (tcpmux) on loopback: nothing a person runs ever listens there."""

FOODS: list[dict[str, Any]] = [
    {
        "id": "pho",
        "name": "Pho",
        "text": "Pho is a soup of rice noodles and beef.",
        "region": "Vietnam",
        "type": "Soup",
    },
    {"id": "ramen", "name": "Ramen", "text": "Ramen is a soup of wheat noodles.", "region": "Japan", "type": "Soup"},
    {"id": "baklava", "name": "Baklava", "text": "Baklava is a sweet pastry with nuts.", "region": "Turkey"},
]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that stdout must be."""
        return json.loads(self.out)

    def sentence(self, code: int = 2) -> str:
        """What a failed command says: something, without a traceback, on stderr alone."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.strip()
        assert "Traceback" not in self.err
        assert "did not expect" not in self.err
        return self.err


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of this machine's settings: a home below the test's folder, no Ollama, no keys."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home.parent),
        "RAGFOOD_HOME": str(home),
        "OLLAMA_HOST": NOBODY_LISTENS,
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        **more,
    }


def ragfood(
    *arguments: str,
    home: Path,
    cwd: Path | None = None,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    limit_file_size: int | None = None,
    powerless: bool = False,
    stdout: Any = subprocess.PIPE,
) -> Result:
    """Runs `python -m tui` to its end.

    `limit_file_size` (bytes) is a disk that is full there; `powerless` obeys permissions also when root runs the tests.
    """

    def limit() -> None:
        import ctypes
        import resource

        if limit_file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_file_size, limit_file_size))
        if powerless:
            for capability in (1, 2):  # linux/capability.h: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
                ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # linux/prctl.h: PR_CAPBSET_DROP

    done = subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        input=stdin.encode(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=cwd or home.parent,
        env=clean_environment(home, **(env or {})),
        timeout=WAIT_SECONDS,
        check=False,
        preexec_fn=limit if powerless or limit_file_size is not None else None,
    )
    return Result(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())


class Terminal:
    """A command in a terminal of `columns` by `rows`: what it shows, typing, signals, and its end."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, columns: int, rows: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui", *arguments],
            stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=dict(env), start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def read_until(self, text: str) -> None:
        """Reads until `text` was shown; fails when the command ends before."""
        end = time.monotonic() + WAIT_SECONDS
        while text not in self.shown:
            assert self._read_some(end), f"ended without {text!r}: {self.shown!r}"

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        """Sends Ctrl+C to a program that waits for typing, again when it came the moment before it began to wait."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)

    def end(self) -> int:
        """Reads to the end and returns the exit code."""
        end = time.monotonic() + WAIT_SECONDS
        while self._read_some(end):
            pass
        return self.process.wait(WAIT_SECONDS)

    @property
    def lines(self) -> list[str]:
        return self.shown.replace("\r\n", "\n").split("\n")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read_some(self, end: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(end - time.monotonic(), 0))
        assert ready, f"nothing more came: {self.shown!r}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the other side was closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def terminal(
    *arguments: str, home: Path, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    environment = clean_environment(home, **{"TERM": "xterm-256color", **(env or {})})
    running = Terminal(arguments, environment, home.parent, columns, rows)
    try:
        yield running
    finally:
        running.close()


def write_foods(path: Path, foods: object) -> Path:
    path.write_text(json.dumps(foods), encoding="utf-8")
    return path


def recorded_turns(home: Path) -> list[dict[str, Any]]:
    """The last state of every turn that was saved."""
    turns: dict[str, dict[str, Any]] = {}
    for file in sorted((home / "data" / "sessions").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines()[1:]:
            turn = json.loads(line)
            turns[turn["id"]] = turn
    return list(turns.values())
