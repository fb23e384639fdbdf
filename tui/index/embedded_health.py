"""What is right and wrong with an embedded index, in findings that name the fix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tui.core.errors import RagfoodError
from tui.core.records import Finding, IndexInfo
from tui.core.text import shorten

_LOW_SPACE = 200 * 1024 * 1024
"""Bytes of free disk below which an upsert of some size may not fit."""


READ_THROUGH = 200 * 1024 * 1024
"""Bytes of an index file that is read through: about two seconds' work."""


def examine(
    path: Path, info: Callable[[], IndexInfo], check_model: Callable[[], None], check_content: Callable[[], None]
) -> list[Finding]:
    """Checks folder, file, schema, content, records, model and free space. Raises nothing that a person can mend.

    `info` opens the file where there is one, `check_model` raises when it was embedded by another model and
    `check_content` when something in it is damaged.
    """
    findings = [_folder(path)]
    try:
        held = info()
    except RagfoodError as error:
        return [*findings, _fault("index file", error), _space(path)]
    if not path.exists():
        message = f"There is no index file yet; {_name(path)} is made by the first question or upsert."
        return [*findings, Finding("index file", "ok", message), _space(path)]
    findings.append(_file(path, held, check_content))
    findings.append(_records(held))
    if held.unfinished is not None:
        findings.append(Finding("unfinished work", "warning", held.unfinished.sentence, held.unfinished.hint))
    findings.append(_model(held, check_model))
    findings.append(_space(path))
    return findings


def _folder(path: Path) -> Finding:
    folder = _existing_folder(path)
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding("index folder", "ok", f"{_name(folder)} can be read and written.")
    return Finding(
        "index folder",
        "error",
        f"{_name(folder)} cannot be read and written.",
        "Change its permissions, or set RAGFOOD_HOME to a folder that you can write to.",
    )


def _file(path: Path, held: IndexInfo, check_content: Callable[[], None]) -> Finding:
    size = f"{held.size / 2**20:.1f} MB"
    if held.size > READ_THROUGH:
        return Finding("index file", "ok", f"{_name(path)} opens: {size}, too much to be read through for damage here.")
    try:
        check_content()
    except RagfoodError as error:
        return _fault("index file", error)
    return Finding("index file", "ok", f"{_name(path)} opens and holds no damage: {size}.")


def _records(held: IndexInfo) -> Finding:
    where = f"namespace {shorten(held.namespace)}" if held.namespace else "the default namespace"
    if held.records:
        return Finding("records", "ok", f"{held.records:,} record{'s' * (held.records != 1)} in {where}.")
    return Finding("records", "warning", f"There are no records in {where}.", "Run: ragfood index upsert")


def _model(held: IndexInfo, check: Callable[[], None]) -> Finding:
    try:
        check()
    except RagfoodError as error:
        return _fault("embedding model", error)
    return Finding("embedding model", "ok", f"{held.model} ({held.dimension} dimensions) and {held.sparse_model}.")


def _space(path: Path) -> Finding:
    try:
        free = shutil.disk_usage(_existing_folder(path)).free
    except OSError as error:
        return Finding("free space", "warning", f"It cannot be told: {error.strerror or error}.")
    message = f"{free / 2**30:.1f} GB are free for the index."
    if free < _LOW_SPACE:
        return Finding("free space", "warning", message, "Free some space before the next upsert.")
    return Finding("free space", "ok", message)


def _existing_folder(path: Path) -> Path:
    return next((folder for folder in path.parents if os.path.exists(folder)), path.parent)  # noqa: PTH110


def _fault(check: str, error: RagfoodError) -> Finding:
    return Finding(check, "error", error.message, error.hint)


def _name(path: Path) -> str:
    return shorten(str(path), 200)
