"""Starts the program of `crash_child` and asks it to run jobs in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Ended:
    """How one process ended: its exit status (negative: the signal), after how long, past which checkpoints."""

    status: int
    seconds: float
    names: list[str]

    @property
    def killed(self) -> bool:
        return self.status == -9

    @property
    def well(self) -> bool:
        return self.status == 0


class Lab:
    """A running `crash_child`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *jobs: dict[str, Any]) -> list[Ended]:
        """Runs jobs at the same time, each in a process of its own."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        return [Ended(**answer) for answer in json.loads(self._process.stdout.readline())]

    def act(self, action: str, home: Path, **options: Any) -> Ended:
        """Runs one job."""
        return self.run({"action": action, "home": str(home), **options})[0]


@contextmanager
def lab() -> Iterator[Lab]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, str(Path(__file__).with_name("crash_child.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            yield Lab(process)
        finally:
            process.stdin.close()  # type: ignore[union-attr]
            process.wait(timeout=30)
