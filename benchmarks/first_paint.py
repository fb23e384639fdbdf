"""From the command to the prompt on the screen, beside an empty Textual app in the same run.

    python -m benchmarks.first_paint [--rounds 10]

Both start in turn under a pseudo-terminal of 120x40 that answers the questions a terminal is asked. The clock runs from
the start of the process until the prompt's placeholder has been written. Prints medians and their ratio.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

MARKER = b"sk about"
"""Of the placeholder; its first letter stands under the cursor, in a style of its own."""
LIMIT = 1.3
PATIENCE = 20.0

EMPTY_APP = """
from textual.app import App
from textual.widgets import Footer, Header, Input
class Empty(App):
    def compose(self):
        yield Header()
        yield Input(placeholder="Ask about food")
        yield Footer()
Empty().run()
"""

ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[?2048$p": b"\x1b[?2048;0$y", b"\x1b[c": b"\x1b[?62;22c"}
"""What a terminal says when it is asked for synchronized output, in-band resizing and its kind."""


def seconds_to_prompt(command: list[str], environ: dict[str, str]) -> float:
    """Starts the command on a new pseudo-terminal and returns the seconds until the prompt is there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ, close_fds=True)
    os.close(slave)
    seen = b""
    try:
        while MARKER not in seen:
            if time.perf_counter() - started > PATIENCE:
                raise TimeoutError(f"no prompt from {command} within {PATIENCE:.0f} s")
            chunk = os.read(master, 65536)
            seen += chunk
            for question, answer in ANSWERS.items():
                if question in chunk:
                    os.write(master, answer)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()
        os.close(master)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("RAGFOOD_", "UPSTASH_"))}
        environ |= {"RAGFOOD_HOME": folder, "OLLAMA_HOST": "127.0.0.1:1", "TERM": "xterm-256color"}
        ragfood = [sys.executable, "-m", "tui"]
        subprocess.run([*ragfood, "ask", "soup", "--no-llm"], env=environ, check=True, capture_output=True)
        times: dict[str, list[float]] = {"empty": [], "ragfood": []}
        for number in range(rounds + 1):
            empty = seconds_to_prompt([sys.executable, "-c", EMPTY_APP], environ)
            app = seconds_to_prompt(ragfood, environ)
            if number:  # the first round warms the disk's cache
                times["empty"].append(empty)
                times["ragfood"].append(app)
    empty, app = (statistics.median(times[name]) * 1000 for name in ("empty", "ragfood"))
    print(f"empty Textual app   {empty:6.0f} ms")
    print(f"ragfood             {app:6.0f} ms   x{app / empty:.2f} (at most x{LIMIT})")


if __name__ == "__main__":
    main()
