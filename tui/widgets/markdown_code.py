"""Colours for finished blocks of code, a bounded step at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from tui.widgets.markdown_lines import TextLine
from tui.widgets.markdown_marks import COMMENT, KEYWORD, NAME, NUMBER, STRING

if TYPE_CHECKING:
    from pygments.lexer import Lexer  # type: ignore[import-untyped]

MOST_CODE = 60_000
"""Characters of a block that are still highlighted; colours are no use in more, and cost time."""
TOKENS_A_STEP = 600
"""Tokens between two looks at the keyboard: some milliseconds."""
LONGEST_LANGUAGE = 30


@dataclass(slots=True)
class CodeBlock:
    """A finished block: its language as the fence names it, the number of its first line, and its lines."""

    language: str
    first: int
    lines: Sequence[TextLine]


def highlight(block: CodeBlock) -> Iterator[int]:
    """Gives the lines of a block their colours, step by step; yields how many tokens each step was worth."""
    code = "\n".join(line.text for line in block.lines)
    lexer = _lexer(block.language) if len(code) <= MOST_CODE else None
    if lexer is None:
        return
    tokens = lexer.get_tokens_unprocessed(code)
    number = line_start = 0
    while batch := list(islice(tokens, TOKENS_A_STEP)):
        for start, kind, text in batch:
            marks = _marks(kind)
            if not marks:
                continue
            for offset, piece in _pieces(start, text):
                while offset > line_start + len(block.lines[number].text):
                    line_start += len(block.lines[number].text) + 1
                    number += 1
                begin = offset - line_start
                block.lines[number].colour(begin, begin + len(piece), marks)
        yield len(batch)


def _pieces(start: int, text: str) -> Iterator[tuple[int, str]]:
    """Cuts a token at line ends."""
    for piece in text.split("\n"):
        if piece:
            yield start, piece
        start += len(piece) + 1


@lru_cache(maxsize=32)
def _lexer(language: str) -> Lexer | None:
    words = language.split()
    if not words or len(words[0]) > LONGEST_LANGUAGE:
        return None
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]

    try:
        return get_lexer_by_name(words[0].lower())
    except ClassNotFound:
        return None


def _marks(kind: object) -> int:
    """Returns the marks of a kind of token, in Pygments' dotted names."""
    name = str(kind)
    for prefix, marks in _MARKS.items():
        if name.startswith(prefix):
            return marks
    return 0


_MARKS = {
    "Token.Comment": COMMENT,
    "Token.Keyword": KEYWORD,
    "Token.Operator.Word": KEYWORD,
    "Token.Literal.String": STRING,
    "Token.Literal.Number": NUMBER,
    "Token.Name.Function": NAME,
    "Token.Name.Class": NAME,
    "Token.Name.Tag": NAME,
    "Token.Name.Decorator": NAME,
    "Token.Name.Attribute": NAME,
    "Token.Name.Builtin": NAME,
}
