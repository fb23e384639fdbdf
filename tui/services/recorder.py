"""Keeps every turn on disk: before it is asked, as it grows, and when it ends.

A session is a JSON Lines file. Its first line names the format; every further line is the state of one turn, and the
last line of a turn is the one that counts. Lines are only ever appended, so a kill at any instant costs at most the
line under way, which a reader skips.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tui.core.errors import SchemaTooNew, StorageFull

if TYPE_CHECKING:
    from pathlib import Path

    from tui.core.records import Hit
    from tui.core.turns import Turn

SCHEMA = 1
_FORMAT = "ragfood-session"


class TurnRecorder:
    """Appends turns to one session file, which is created with the first of them."""

    def __init__(self, folder: Path, session_id: str) -> None:
        self.path = folder / f"{session_id}.jsonl"
        self._order = asyncio.Lock()

    async def record(self, turn: Turn) -> None:
        """Appends the turn's state and returns when it is on disk.

        Raises `StorageFull` when the folder cannot be written. Cancelling waits for the line under way.
        """
        line = json.dumps(_encode(turn), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        async with self._order:
            writing = asyncio.ensure_future(asyncio.to_thread(self._append, line))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise

    def _append(self, line: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with open(descriptor, "ab") as file:  # noqa: PTH123 - a descriptor, for its permissions
                if file.tell() == 0:
                    line = json.dumps({"format": _FORMAT, "schema": SCHEMA}) + "\n" + line
                file.write(line.encode("utf-8", "replace") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageFull(
                f"The conversation cannot be saved to {self.path}: {error.strerror or error}.",
                hint="Free some space, or set RAGFOOD_HOME to a folder that can be written.",
            ) from error


def read_session(path: Path) -> list[dict[str, Any]]:
    """Returns the last state of each turn of a session, oldest first.

    Raises `SchemaTooNew` for a file of a newer ragfood. A line cut short by a crash is skipped.
    """
    turns: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(_entries(path)):
        if number == 0 and entry.get("format") == _FORMAT:
            if entry["schema"] > SCHEMA:
                raise SchemaTooNew(
                    f"The session {path.name} was written by a newer ragfood (format {entry['schema']}).",
                    hint="Update ragfood to open it; the file was left as it is.",
                )
        elif "id" in entry:
            turns[entry["id"]] = entry
    return list(turns.values())


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


def _encode(turn: Turn) -> dict[str, Any]:
    fields = {field.name: getattr(turn, field.name) for field in dataclasses.fields(turn)}
    fields["hits"] = [_encode_hit(hit) for hit in turn.hits]
    fields["dropped"] = [_encode_hit(hit) for hit in turn.dropped]
    fields["citations"] = [dataclasses.asdict(citation) for citation in turn.citations]
    fields["degraded"] = [dataclasses.asdict(degradation) for degradation in turn.degraded]
    fields["timings"] = dict(turn.timings)
    return fields


def _encode_hit(hit: Hit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "score": hit.score,
        "relevance": hit.relevance,
        "similarity": hit.similarity,
        "coverage": hit.coverage,
        "text": hit.record.text,
        "metadata": dict(hit.record.metadata),
    }
