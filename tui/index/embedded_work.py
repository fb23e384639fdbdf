"""The record of work under way, in notes that are committed together with the batches they speak of.

A piece of work has a note of its own, by its kind and file, so that other work does not take it off the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tui.core.records import Unfinished

_SCHEMA = 1


def prefix(namespace: str) -> str:
    """Returns how the keys of all notes about work in a namespace begin."""
    return "work:" + json.dumps([namespace])[:-1] + ", "


def note_of(namespace: str, work: Unfinished) -> tuple[str, str | None]:
    """Returns the key and the value of the note about a piece of work; None when all of it is done."""
    key = prefix(namespace) + json.dumps([work.kind, work.file])
    if work.done >= work.total:
        return key, None
    fields = {"schema": _SCHEMA, "kind": work.kind, "file": work.file, "done": work.done, "total": work.total}
    return key, json.dumps(fields)


def first_of(namespace: str, notes: Mapping[str, str]) -> Unfinished | None:
    """Returns the first work that the notes tell of; one that this version cannot read is passed over."""
    for value in notes.values():
        try:
            told = json.loads(value)
        except ValueError:
            continue
        if not isinstance(told, dict) or told.get("schema") != _SCHEMA:
            continue
        kind, file, done, total = (told.get(name) for name in ("kind", "file", "done", "total"))
        if isinstance(kind, str) and isinstance(file, str) and isinstance(done, int) and isinstance(total, int):
            return Unfinished(kind, file, done, total, namespace)
    return None
