"""How pieces of Markdown can look, as bits that combine, and the runs of text that carry them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MARKS = (
    "emphasis", "strong", "strike", "code", "link", "address", "citation", "unknown",
    "heading", "title", "marker", "bar", "quoted", "rule", "block", "label", "cell-head",
    "keyword", "name", "string", "number", "comment",
)  # fmt: skip
"""The names of the marks, in the order in which later ones win."""

(
    EMPHASIS, STRONG, STRIKE, CODE, LINK, ADDRESS, CITATION, UNKNOWN,
    HEADING, TITLE, MARKER, BAR, QUOTED, RULE, BLOCK, LABEL, CELL_HEAD,
    KEYWORD, NAME, STRING, NUMBER, COMMENT,
) = (1 << place for place in range(len(MARKS)))  # fmt: skip


class Run(NamedTuple):
    """Text in one look. `citation` is the number of a known source that the text stands for, else 0."""

    text: str
    marks: int = 0
    citation: int = 0


Span = tuple[int, int, int, int]
"""The look of the characters of a line from a start to an end: ``(start, end, marks, citation)``.

A plain tuple of numbers, of which an answer has thousands: the garbage collector does not look at those.
"""


def merged(runs: Iterable[Run]) -> list[Run]:
    """Returns the runs with neighbours of one look joined, and without empty ones."""
    joined: list[Run] = []
    texts: list[str] = []
    look = (0, 0)
    for text, marks, citation in runs:
        if not text:
            continue
        if texts and look != (marks, citation):
            joined.append(Run("".join(texts), *look))
            texts.clear()
        look = (marks, citation)
        texts.append(text)
    if texts:
        joined.append(Run("".join(texts), *look))
    return joined


def plain(runs: Iterable[Run]) -> str:
    """Returns the text of the runs."""
    return "".join(run.text for run in runs)
