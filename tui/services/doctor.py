"""Checks everything an answer depends on and says for every failure how to mend it."""

from __future__ import annotations

import asyncio
import platform
import shutil
from importlib import metadata
from typing import TYPE_CHECKING

from tui.core.errors import RagfoodError
from tui.core.records import Finding
from tui.core.secret import Secret

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
    """Names every setting that is not a default, with its source; secrets stay hidden."""
    given = {name: source for name, source in settings.sources.items() if source != "default"}
    if not given:
        return Finding("settings", OK, "All settings have their defaults.")
    named = []
    for name, source in given.items():
        value = getattr(settings, name)
        named.append(f"{name} {'is set' if isinstance(value, Secret) else f'= {value}'} ({source})")
    return Finding("settings", OK, "; ".join(named) + ".")


def _folder(folder: Path) -> Finding:
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(nearest).free
    space = f"{free / 2**30:.1f} GB free"
    if free < _LITTLE_SPACE:
        return Finding("data folder", WARNING, f"{folder}: only {space}.", "Free some space before a large upsert.")
    return Finding("data folder", OK, f"{folder}: {space}.")


def _foods(file: Path) -> Finding:
    from tui.core.foods import read_foods

    try:
        read = read_foods(file)
    except RagfoodError as error:
        return Finding("foods file", ERROR, error.message, error.hint)
    if read.rejected:
        first = read.rejected[0]
        return Finding(
            "foods file",
            WARNING,
            f"{file}: {len(read.foods)} foods, {len(read.rejected)} rows refused; row {first.row}: {first.reason}",
            "ragfood index plan lists every refused row.",
        )
    return Finding("foods file", OK, f"{file}: {len(read.foods)} foods.")


async def _model(answerer: Answerer) -> Finding:
    found = await answerer.check()
    if found.ok:
        return Finding("answer model", OK, f"{answerer.name} is ready.")
    reason = f"{found.reason} Answers are then extracts of the sources."
    return Finding("answer model", WARNING, reason, found.hint)
