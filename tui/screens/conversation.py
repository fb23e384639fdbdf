"""A conversation as a Markdown document, to be kept or shared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tui.core.errors import RagfoodError
from tui.core.files import write_atomically
from tui.core.text import clean, clean_line
from tui.core.turns import Turn
from tui.widgets.facts import facts


def as_markdown(turns: Sequence[Turn]) -> str:
    """Returns the turns with their questions, answers, numbered sources and facts, oldest first."""
    return "\n".join(["# A conversation with ragfood", *map(_turn, turns)])


def save_new(path: Path, text: str) -> None:
    """Writes `text` to a new file, whole or not at all. Raises `RagfoodError`, also when there is one already."""
    if path.exists():
        raise RagfoodError(f"{path} is there already and stays as it is.", hint="Choose another name.")
    with write_atomically(path) as file:
        file.write(text.encode())


def _turn(turn: Turn) -> str:
    lines = ["", f"## {clean_line(turn.question)}", "", clean(turn.answer).strip() or "(no answer)", ""]
    if turn.error:
        lines += [f"> {clean_line(turn.error)}", ""]
    for number, hit in enumerate(turn.hits, 1):
        lines.append(f"{number}. **{clean_line(hit.record.heading)}** (`{clean_line(hit.id)}`)")
    if turn.hits:
        lines.append("")
    lines += [f"*{facts(turn)}*", ""]
    return "\n".join(lines)
