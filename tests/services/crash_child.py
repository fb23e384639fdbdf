"""The program that crash tests kill: it forks itself for each job, so that a process costs milliseconds, not imports.

Reads one JSON request a line from stdin: a list of jobs to run at the same time, each in a process of its own. A job is
``{"action", "home", "kill_at": [name, occurrence] | null, "kill_after": seconds | null}``. Answers one line: for every
job ``{"status": exit status or -signal, "seconds", "names": checkpoints that it passed}``.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - imported before the fork, so that no child pays for it
import tokenizers  # noqa: F401

from tests.index.embedded_setup import open_index
from tui.core.clock import SystemClock
from tui.core.paths import Paths
from tui.core.records import Record
from tui.engine import database  # noqa: F401
from tui.index.embedded import EmbeddedIndex
from tui.services.filling import FirstFill
from tui.services.ingestion import IngestService
from tui.services.transfer import TransferService

BATCH = 10
WRITTEN_BY_ONE = 60


class Checkpoints:
    """Writes down every name, and kills the process at the wanted one."""

    def __init__(self, log: Path, kill_at: list[Any] | None) -> None:
        self._log = log.open("a", buffering=1)
        self._kill_at = kill_at
        self._seen: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        self._seen[name] += 1
        self._log.write(name + "\n")
        if self._kill_at is not None and [name, self._seen[name]] == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Job:
    """The services of one process over the files of one home."""

    def __init__(self, home: Path, checkpoint: Checkpoints) -> None:
        self.home = home
        self.index: EmbeddedIndex = open_index(home / "data" / "index.db", checkpoint=checkpoint)
        clock = SystemClock()
        self.ingest = IngestService(self.index, home / "foods.json", clock, checkpoint=checkpoint, batch_records=BATCH)
        self.filling = FirstFill(self.index, self.ingest, checkpoint=checkpoint)
        self.transfer = TransferService(
            self.index, Paths.below(home), clock, checkpoint=checkpoint, batch_records=BATCH
        )

    async def fill(self) -> None:
        async for _ in self.filling.run():
            pass

    async def upsert(self) -> None:
        async for _ in self.ingest.upsert():
            pass

    async def reset(self) -> None:
        async for _ in self.transfer.reset():
            pass

    async def restore(self) -> None:
        async for _ in self.transfer.restore(self.home / "restore.jsonl"):
            pass

    async def export(self) -> None:
        async for _ in self.transfer.export(self.home / "export.jsonl"):
            pass

    async def write_a(self) -> None:
        await self._write("a")

    async def write_b(self) -> None:
        await self._write("b")

    async def _write(self, writer: str) -> None:
        """Writes records one by one and tells after each commit, in shared memory, how far it came."""
        with (self.home / f"progress-{writer}").open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            for number in range(WRITTEN_BY_ONE):
                text = f"{writer}{number} is a soup with marker{writer}{number}"
                await self.index.upsert([Record(f"{writer}-{number}", text, {"n": number})])
                shared[:] = struct.pack("q", number + 1)

    async def read_a(self) -> None:
        await self._read("a")

    async def read_b(self) -> None:
        await self._read("b")

    async def _read(self, writer: str) -> None:
        """Checks all the while that what was committed is found by every way of reading."""
        with (self.home / f"progress-{writer}").open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            seen = 0
            while seen < WRITTEN_BY_ONE:
                (committed,) = struct.unpack("q", shared[:])
                if committed == seen:
                    await asyncio.sleep(0)
                    continue
                seen = committed
                last = f"{writer}-{seen - 1}"
                assert (await self.index.fetch([last]))[0] is not None, f"{last} is committed and not fetched"
                found = await self.index.query(f"marker{writer}{seen - 1}", top_k=3)
                assert last in [hit.id for hit in found], f"{last} is committed and not found"
                assert (await self.index.info()).records >= seen
                page = await self.index.scan(prefix=f"{writer}-", limit=1000)
                assert len(page.records) >= seen


async def run(job: dict[str, Any], log: Path) -> None:
    home = Path(job["home"])
    parts = Job(home, Checkpoints(log, job.get("kill_at")))
    action: Callable[[], Awaitable[None]] = getattr(parts, job["action"])
    try:
        await action()
    finally:
        await parts.index.aclose()


def child(job: dict[str, Any], log: Path) -> None:
    try:
        asyncio.run(run(job, log))
    except BaseException:  # noqa: BLE001 - the child of a fork must end here, whatever happened
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def carry_out(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    started = time.monotonic()
    running: dict[int, int] = {}
    logs = [Path(job["home"]) / f"checkpoints-{place}" for place, job in enumerate(jobs)]
    for place, job in enumerate(jobs):
        logs[place].write_text("")
        pid = os.fork()
        if pid == 0:
            child(job, logs[place])
        running[pid] = place
    answers: list[dict[str, Any]] = [{} for _ in jobs]
    for pid, place in list(running.items()):
        delay = jobs[place].get("kill_after")
        if delay is not None:
            time.sleep(max(0.0, started + delay - time.monotonic()))
            os.kill(pid, signal.SIGKILL)
    for pid, place in running.items():
        _, status = os.waitpid(pid, 0)
        answers[place] = {
            "status": os.waitstatus_to_exitcode(status),
            "seconds": time.monotonic() - started,
            "names": logs[place].read_text().split(),
        }
    return answers


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(carry_out(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
