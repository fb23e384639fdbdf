"""Keeps every turn on disk: before it is asked, as it grows, and when it ends.

A session is a JSON Lines file. Its first line names the format; every further line is the state of one turn, and the
last line of a turn is the one that counts. Lines are only ever appended, so a kill at any instant costs at most the
line under way, which a reader skips.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, Final

from tui.core.errors import SchemaTooNew, SessionFileError, StorageFull
from tui.core.files import sync_folder
from tui.core.text import shorten
from tui.services.threads import finish_in_thread

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from tui.core.records import Hit
    from tui.core.turns import Turn

SCHEMA: Final = 1
"""The newest layout of a session file; readers refuse newer ones."""

_FORMAT = "ragfood-session"
_HEADER = json.dumps({"format": _FORMAT, "schema": SCHEMA}).encode() + b"\n"


class TurnRecorder:
    """Appends turns to one session file, which is created with the first of them, for its owner only."""

    def __init__(self, folder: Path, session_id: str) -> None:
        self.path = folder / f"{session_id}.jsonl"
        self._order = asyncio.Lock()

    async def record(self, turn: Turn) -> None:
        """Appends the turn's state and returns when it is on disk.

        Raises `StorageFull` when the folder cannot be written. Cancelling waits for the line under way.
        """
        text = json.dumps(_encode(turn), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        line = text.encode("utf-8", "replace") + b"\n"
        async with self._order:
            await finish_in_thread(lambda: self._append(line))

    def _append(self, line: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with open(descriptor, "ab", buffering=0) as file:  # noqa: PTH123 - a descriptor, for its permissions
                before = file.tell()
                try:
                    _write_all(file, line if before else _HEADER + line)
                except OSError:
                    # The next line must not be glued to half of this one.
                    with contextlib.suppress(OSError):
                        file.truncate(before)
                    raise
            if not before:
                sync_folder(self.path.parent)
        except OSError as error:
            raise StorageFull(
                f"The conversation cannot be saved to {shorten(str(self.path), 200)}: {error.strerror or error}.",
                hint="Free some space, or set RAGFOOD_HOME to a folder that can be written.",
            ) from error


def _write_all(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())


def read_session(path: Path) -> list[dict[str, Any]]:
    """Returns the last state of each turn of a session, oldest first.

    Lines that a crash cut short are skipped; a file whose first line was cut short holds no turn. Raises
    `SchemaTooNew` for a file of a newer ragfood, and `SessionFileError` for one that cannot be read or is no session.
    """
    name = shorten(str(path), 200)
    try:
        first, *others = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SessionFileError(f"The session {name} cannot be read: {error.strerror or error}.") from error
    if not others:
        return []
    _check_header(name, _parsed(first))
    turns: dict[str, dict[str, Any]] = {}
    for entry in map(_parsed, others):
        if isinstance(entry.get("id"), str):
            turns[entry["id"]] = entry
    return list(turns.values())


def _check_header(name: str, header: dict[str, Any]) -> None:
    schema = header.get("schema")
    if header.get("format") != _FORMAT or not isinstance(schema, int):
        raise SessionFileError(f"{name} is not a session of ragfood.", hint="Sessions are in the folder data/sessions.")
    if schema > SCHEMA:
        raise SchemaTooNew(
            f"The session {name} was written by a newer ragfood (format {schema}).",
            hint="Update ragfood to open it; the file was left as it is.",
        )


def _parsed(line: bytes) -> dict[str, Any]:
    """The object of a line, an empty one when there is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


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
