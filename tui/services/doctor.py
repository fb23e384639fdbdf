"""Checks everything an answer depends on and says for every failure how to mend it."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from importlib import metadata
from typing import TYPE_CHECKING

from tui.core.errors import RagfoodError
from tui.core.records import Finding
from tui.core.secret import Secret
from tui.core.setting_sources import DEFAULT
from tui.core.settings import SETTINGS
from tui.core.text import shorten

if TYPE_CHECKING:
    from pathlib import Path

    from tui.core.paths import Paths
    from tui.core.settings import Settings
    from tui.index.base import VectorIndex
    from tui.llm.base import Answerer

OK = "ok"
WARNING = "warning"
ERROR = "error"

_DEPENDENCIES = ("textual", "httpx", "numpy", "msgspec", "orjson", "tokenizers", "wordllama", "PyStemmer")

_PRIVATE = frozenset(setting.name for setting in SETTINGS if setting.private)
_OTHER_FOLDER = "Change its permissions, or set RAGFOOD_HOME to a folder that can be written."

_LITTLE_SPACE = 100 * 2**20
"""Bytes of free disk below which a reset's snapshot or a larger upsert may fail."""


async def examine(
    settings: Settings, paths: Paths, foods_file: Path, index: VectorIndex, answerer: Answerer
) -> list[Finding]:
    """Returns one finding or more per dependency, in the order in which an answer needs them. Raises nothing."""
    local = [_program(), _settings(settings), _folder(paths.data), await asyncio.to_thread(_foods, foods_file)]
    return [*local, *await index.diagnose(), await _model(answerer)]


def _program() -> Finding:
    try:
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in _DEPENDENCIES)
    except metadata.PackageNotFoundError as error:
        return Finding("program", ERROR, f"The package {error.name} is missing.", "Install ragfood again with pip.")
    return Finding("program", OK, f"Python {platform.python_version()}, {versions}.")


def _settings(settings: Settings) -> Finding:
    """Names every setting that is not a default, with its source; what is private stays hidden."""
    given = {name: source for name, source in settings.sources.items() if source != DEFAULT}
    if not given:
        return Finding("settings", OK, "All settings have their defaults.")
    named = [f"{name} {_shown(name, getattr(settings, name))} ({source})" for name, source in given.items()]
    return Finding("settings", OK, "; ".join(named) + ".")


def _shown(name: str, value: object) -> str:
    if name in _PRIVATE or isinstance(value, Secret):
        return "is set"
    text = str(value)
    if name == "ollama_host" and "@" in text:
        # What stands before it may be a password.
        text = "…@" + text.rpartition("@")[2]
    return f"= {shorten(text)}"


def _folder(folder: Path) -> Finding:
    """Checks where sessions, snapshots and the index are kept."""
    name = shorten(str(folder), 200)
    try:
        nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
        writable = nearest.is_dir() and os.access(nearest, os.R_OK | os.W_OK | os.X_OK)
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        return Finding("data folder", ERROR, f"{name}: {error.strerror or error}.", _OTHER_FOLDER)
    if not writable:
        return Finding("data folder", ERROR, f"{name} cannot be written.", _OTHER_FOLDER)
    space = f"{free / 2**30:.1f} GB free"
    if free < _LITTLE_SPACE:
        return Finding("data folder", WARNING, f"{name}: only {space}.", "Free some space before a large upsert.")
    return Finding("data folder", OK, f"{name}: {space}.")


def _foods(file: Path) -> Finding:
    from tui.core.foods import read_foods

    name = shorten(str(file), 200)
    try:
        read = read_foods(file)
    except RagfoodError as error:
        return Finding("foods file", ERROR, error.message, error.hint)
    if read.rejected:
        first = read.rejected[0]
        return Finding(
            "foods file",
            WARNING,
            f"{name}: {len(read.foods)} foods, {len(read.rejected)} rows refused; row {first.row}: {first.reason}",
            "ragfood index plan lists every refused row.",
        )
    return Finding("foods file", OK, f"{name}: {len(read.foods)} foods.")


async def _model(answerer: Answerer) -> Finding:
    found = await answerer.check()
    if found.ok:
        return Finding("answer model", OK, f"{answerer.name} is ready.")
    reason = f"{found.reason} Answers are then extracts of the sources."
    return Finding("answer model", WARNING, reason, found.hint)
