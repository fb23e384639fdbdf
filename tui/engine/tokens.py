"""Filter text to tokens, one at a time, so that the first error of either kind in the text is the one reported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tui.core.errors import FilterSyntaxError

KEYWORDS = frozenset({"AND", "OR", "NOT", "HAS", "FIELD", "GLOB", "IN", "CONTAINS", "TRUE", "FALSE"})

MAX_EXCERPT = 40
"""Characters of the input that an error message repeats at most."""

# Keys may hold ``#``, ``-`` and ``]`` after their first character: Upstash reads ``industries#-1]`` as a plain key
# (seen in mastra-ai/mastra, stores/upstash). What the pattern leaves over (``[]``, ``[x``, ``..``) is then a character
# that no token begins with, which is how Upstash reports it. Possessive quantifiers keep hostile input linear.
_KEY_TAIL = r"[A-Za-z0-9_#\]-]"
_PATTERN = re.compile(
    r"(?P<space>[ \t\r\n]++)"
    r"|(?P<path>[A-Za-z_]" + _KEY_TAIL + r"*+(?:\." + _KEY_TAIL + r"++|\[(?:#-[1-9][0-9]{0,8}|[0-9]{1,9})\])*+)"
    r"|(?P<number>-?[0-9]++(?:\.[0-9]++)?)"
    r"|(?P<string>'(?:[^'\\]++|\\.|'')*+'|\"(?:[^\"\\]++|\\.|\"\")*+\")"
    r"|(?P<symbol>!=|<=|>=|[=<>(),])",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a filter.

    `kind` is ``path``, ``number``, ``string`` or ``<EOF>``, a keyword in upper case, or a symbol as it stands; `text`
    is the piece as written and `position` its zero-based offset.
    """

    kind: str
    text: str
    position: int


def tokens(expression: str) -> Iterator[Token]:
    """Yields the tokens of `expression`, ``<EOF>`` last. Raises `FilterSyntaxError` where no token begins."""
    position = 0
    while position < len(expression):
        found = _PATTERN.match(expression, position)
        if found is None:
            # An open string is shown whole, as ANTLR does; anything else by its one character.
            rest = expression[position:] if expression[position] in "'\"" else expression[position]
            raise syntax_error(expression, position, f"token recognition error at: '{excerpt(rest)}'")
        text = found.group()
        kind = found.lastgroup or ""
        if kind == "path" and text.upper() in KEYWORDS:
            kind = text.upper()
        elif kind == "symbol":
            kind = text
        if kind != "space":
            yield Token(kind, text, position)
        position = found.end()
    yield Token("<EOF>", "<EOF>", position)


def syntax_error(expression: str, position: int, reason: str) -> FilterSyntaxError:
    """Returns the error for the character at `position`, its reason prefixed by line (from 1) and column (from 0)."""
    line = expression.count("\n", 0, position) + 1
    column = position - (expression.rfind("\n", 0, position) + 1)
    return FilterSyntaxError(expression, position, f"line {line}:{column} {reason}")


def excerpt(text: str) -> str:
    """Returns the start of foreign text for a message, with what does not print written as an escape."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:MAX_EXCERPT])
    return shown + "…" if len(text) > MAX_EXCERPT else shown
