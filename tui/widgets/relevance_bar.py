"""How close a hit is to the question, as ten cells and a number."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

CELLS = 10
_FULL, _EMPTY = "▇", "▁"


def bar(share: float, cells: int = CELLS) -> str:
    """Returns `share` (0 to 1, clamped) of `cells` filled cells; anything above nothing fills at least one."""
    share = min(1.0, max(0.0, share))
    filled = round(share * cells)
    if share > 0 and filled == 0:
        filled = 1
    return _FULL * filled + _EMPTY * (cells - filled)


class RelevanceBar(Static):
    """The bar and the relevance to two decimals; where the index gives no relevance, the rank among the hits."""

    DEFAULT_CSS = """
    RelevanceBar {
        width: auto;
        height: 1;
        color: $text-accent;
        padding-right: 1;
    }
    """

    def __init__(self, relevance: float | None, *, rank: int, count: int) -> None:
        """Draws `relevance` from 0 to 1, or `rank` (from 1) of `count` when it is None."""
        if relevance is None:
            text = f"{bar((count - rank + 1) / max(1, count))} #{rank}"
        else:
            text = f"{bar(relevance)} {min(1.0, max(0.0, relevance)):.2f}"
        super().__init__(Content(text), markup=False)
