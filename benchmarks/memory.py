"""What ragfood costs in memory, beside an empty Textual app in the same run.

    python -m benchmarks.memory [--records 10000]

Runs both under a pseudo-terminal of 120x40 and reads their resident memory (RSS) from /proc: the empty app after its
first paint, ragfood after an answered question. Also prints the peak of `ragfood ask`. Linux only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from tui.core.foods import bundled_foods_path

QUESTION = "spicy noodle soup with pork"
LIMIT_MB = 110

EMPTY_APP = """
from textual.app import App
from textual.widgets import Footer, Header, Input
class Empty(App):
    def compose(self):
        yield Header()
        yield Input()
        yield Footer()
Empty().run()
"""


class Terminal:
    """A program on a pseudo-terminal of 120x40 whose output is read and thrown away."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**environ, "TERM": "xterm-256color"}, close_fds=True
        )
        os.close(slave)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        try:
            while os.read(self._master, 65536):
                pass
        except OSError:
            return

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def settled_mb(self) -> float:
        """Resident memory once it has not moved by 1 % for a second."""
        last, since = self.resident_mb(), time.monotonic()
        while time.monotonic() - since < 1.0:
            time.sleep(0.1)
            now = self.resident_mb()
            if abs(now - last) > last * 0.01:
                last, since = now, time.monotonic()
        return self.resident_mb()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def write_foods(path: Path, count: int) -> None:
    """Writes `count` foods mixed from the sentences of foods.json."""
    foods = json.loads(bundled_foods_path().read_text())
    sentences = [part for food in foods for part in re.split(r"(?<=\.)\s", food["text"])]
    rng = random.Random(1)
    rows = []
    for number in range(count):
        food = rng.choice(foods)
        rows.append({**food, "id": f"food-{number}", "text": " ".join(rng.sample(sentences, 4))})
    path.write_text(json.dumps(rows))


def answered(sessions: Path) -> bool:
    return any('"state":"answered"' in file.read_text() for file in sessions.glob("*.jsonl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("RAGFOOD_", "UPSTASH_"))}
        environ |= {"RAGFOOD_HOME": folder, "OLLAMA_HOST": "127.0.0.1:1"}
        write_foods(Path(folder, "foods.json"), records)
        ragfood = [sys.executable, "-m", "tui"]
        subprocess.run(
            [*ragfood, "index", "upsert", f"{folder}/foods.json"], env=environ, check=True, capture_output=True
        )

        empty = Terminal([sys.executable, "-c", EMPTY_APP], environ)
        time.sleep(2)
        empty_mb = empty.settled_mb()
        empty.stop()

        app = Terminal(ragfood, environ)
        time.sleep(2)
        app.type(QUESTION + "\r")
        deadline = time.monotonic() + 60
        while not answered(Path(folder, "data", "sessions")) and time.monotonic() < deadline:
            time.sleep(0.1)
        app_mb = app.settled_mb()
        app.stop()

        ask = subprocess.run(
            [sys.executable, "-c", _ASK_PEAK, QUESTION], env=environ, check=True, capture_output=True, text=True
        )
    print(f"{records:,} records, 256-d\n")
    print(f"empty Textual app             {empty_mb:7.1f} MB")
    print(f"ragfood, question answered    {app_mb:7.1f} MB   {app_mb - empty_mb:+.1f} MB (at most +{LIMIT_MB})")
    print(f"ragfood ask, peak             {float(ask.stdout.split()[-1]):7.1f} MB")


_ASK_PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "tui", "ask", sys.argv[1], "--no-llm"], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""

if __name__ == "__main__":
    main()
