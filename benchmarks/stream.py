"""How fast an answer of 5,000 words is on the screen, and how fast keys echo meanwhile.

    python benchmarks/stream.py [--shapes mixed paragraph list code] [--columns 120] [--rows 40] [--rounds 12]

An emulator of Ollama sends each shape over loopback as fast as it can; the real client reads it into an app on a
pseudo-terminal, where a key is typed into a prompt every 40 ms, whether or not the last one has been echoed. Each
shape is asked for several times in a row, because one answer is over before many keys are typed; the slowest counts.
The same keys typed into the same app without a stream are the baseline of the same run. Linux and macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.stream_parts import SHAPES, document  # noqa: E402 - found from the root only

PARTS = [sys.executable, "-m", "benchmarks.stream_parts"]
DONE = b"stream complete"
START = b"\x1b[15~"  # F5
KEY_EVERY = 0.04
BASELINE_KEYS = 100
LONGEST = 60.0
LIMIT_SECONDS, LIMIT_ECHO_MS = 3.0, 60.0

# One cell each, in no answer, and each typed once, so that every echo is told from every redraw.
KEYS = [chr(code) for low, high in ((0x410, 0x450), (0x3B1, 0x3C9), (0x561, 0x587), (0x10D0, 0x10F1), (0x100, 0x17F),
                                    (0x1E00, 0x1E95), (0x1EA0, 0x1EF9), (0x1400, 0x1676), (0xA500, 0xA60C))
        for code in range(low, high) if chr(code).isprintable()]  # fmt: skip


class Terminal:
    """A program on a pseudo-terminal; notes when each awaited piece of output came."""

    def __init__(self, command: list[str], columns: int, rows: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=ROOT, start_new_session=True
        )
        os.close(slave)
        self._waiting: dict[bytes, float] = {}
        self.times: dict[bytes, float] = {}
        self.bytes = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        kept = b""
        try:
            while data := os.read(self._master, 65536):
                now = time.monotonic()
                self.bytes += len(data)
                kept = kept[-64:] + data
                with self._changed:
                    for awaited in [awaited for awaited in self._waiting if awaited in kept]:
                        self.times[awaited] = now - self._waiting.pop(awaited)
                    self._changed.notify_all()
        except OSError:
            return

    def expect(self, awaited: bytes) -> None:
        with self._changed:
            self._waiting[awaited] = time.monotonic()

    def type(self, keys: bytes, awaited: bytes | None = None) -> None:
        self.expect(awaited or keys)
        os.write(self._master, keys)

    def has(self, awaited: bytes, timeout: float = 0.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: awaited in self.times, timeout)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def type_until(terminal: Terminal, done: bytes | None) -> list[float]:
    """Types a key every `KEY_EVERY` seconds until `done` is on the screen, and returns every echo in milliseconds."""
    typed = []
    began = time.monotonic()
    for number, key in enumerate(KEYS):
        finished = terminal.has(done) if done else number >= BASELINE_KEYS
        if finished or time.monotonic() - began > LONGEST:
            break
        terminal.type(key.encode())
        typed.append(key.encode())
        time.sleep(max(0.0, began + (number + 1) * KEY_EVERY - time.monotonic()))
    return [terminal.times[key] * 1000 if terminal.has(key, 5.0) else 5000.0 for key in typed]


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]


def run(host: str, options: argparse.Namespace) -> tuple[list[dict[str, object]], list[float], int]:
    """Returns what the app reports of each answer, the echoes, and the bytes it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [*PARTS, "app", host, str(options.rounds), str(report)]
        terminal = Terminal(command, options.columns, options.rows)
        try:
            terminal.expect(b"ready")
            if not terminal.has(b"ready", LONGEST):
                raise SystemExit("the app did not start")
            time.sleep(0.5)
            if host:
                terminal.type(START, DONE)
            echoes = type_until(terminal, DONE if host else None)
            if host and not terminal.has(DONE, LONGEST):
                raise SystemExit("the answers were not complete in time")
            return json.loads(report.read_text()) if host else [], echoes, terminal.bytes
        finally:
            terminal.stop()


def is_complete(told: dict[str, object], shape: str) -> bool:
    """Whether everything arrived, and the words on the screen are those of the source, whatever marked them up."""

    def bare(text: object) -> str:
        text = re.sub(r"^\s*(?:\d+\.|[-*+•◦▪▌>]|\||[-:| ]+$)", "", str(text), flags=re.MULTILINE)
        return "".join(re.findall(r"[^\W_]+", text))

    return told["source"] == document(shape) and bare(told["plain"]) == bare(told["source"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    _, base, _ = run("", options)
    print(f"5,000 words, {options.columns}x{options.rows}; limits {LIMIT_SECONDS:.0f} s and {LIMIT_ECHO_MS:.0f} ms\n")
    print("shape       words at   on screen   whole   echo p50   echo p99    worst   ratio p99    CPU    keys  output")
    print(f"{'no stream':<10}{'':33}{_echo(base, base)}{'':8}{len(base):7}")
    for shape in options.shapes:
        serve = [*PARTS, "serve", shape, str(options.rounds)]
        server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert server.stdout is not None
            answers, echoes, written = run(server.stdout.readline().strip(), options)
        finally:
            server.kill()
            server.wait()
        worst = {name: max(float(str(told[name])) for told in answers) for name in ("received", "seconds", "cpu")}
        whole = "yes" if all(is_complete(told, shape) for told in answers) else "NO"
        print(
            f"{shape:<10}{worst['received']:8.2f} s{worst['seconds']:10.2f} s{whole:>8}{_echo(echoes, base)}"
            f"{worst['cpu']:6.2f} s{len(echoes):7}{written / 1e6:6.1f} MB"
        )


def _echo(echoes: list[float], base: list[float]) -> str:
    return (
        f"{statistics.median(echoes):8.1f} ms{p99(echoes):8.1f} ms{max(echoes):6.1f} ms{p99(echoes) / p99(base):11.1f} "
    )


if __name__ == "__main__":
    main()
