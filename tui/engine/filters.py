"""Filter text to its tree (see `tui.engine.syntax`): a recursive-descent parser with bounded depth and size."""

from __future__ import annotations

import re
from collections.abc import Callable

from tui.core.errors import FilterSyntaxError
from tui.engine.syntax import (
    And,
    Comparison,
    Contains,
    Filter,
    Glob,
    HasField,
    Literal,
    LiteralKind,
    Membership,
    Operator,
    Or,
    Path,
    quote,
)
from tui.engine.tokens import Token, excerpt, syntax_error, tokens

__all__ = ["Filter", "parse", "quote"]

MAX_EXPRESSION_LENGTH = 65_536
"""Characters of a filter. Upstash has a limit and does not say which: unverified, ours."""

MAX_MEMBERS = 999
"""Literals of one IN list: unverified. A list of 1,000 was seen refused (mastra-ai/mastra, stores/upstash, 2026-08)."""

MAX_CONDITIONS = 1_000
"""Conditions of one filter: unverified, ours."""

MAX_DEPTH = 64
"""Parentheses within parentheses: unverified, ours. Keeps parsing and matching far from Python's recursion limit."""

MAX_PATTERN_LENGTH = 1_000
"""Characters of a GLOB pattern: unverified, ours. Bounds the time that a hostile pattern can take on a long text."""

MAX_NUMBER_LENGTH = 400
"""Characters of a number: unverified, ours. Holds any double written out, and no more than Python converts."""

_STEP = re.compile(r"\[(?P<end>#-)?(?P<index>[0-9]+)\]|\.?(?P<key>[^.\[]+)")
_ESCAPED = {
    "'": re.compile(r"""\\(['"\\])|'(')"""),
    '"': re.compile(r"""\\(['"\\])|"(")"""),
}
_OPERATORS = frozenset(operator.value for operator in Operator)
_LITERALS = "{string, number, TRUE, FALSE}"


def parse(expression: str) -> Filter:
    """Returns the meaning of a filter expression.

    An empty or blank expression does not parse: that it means "no filter" is the caller's to know. Raises
    `FilterSyntaxError`, which names the first character that does not fit, also for filters beyond the limits above.
    """
    if len(expression) > MAX_EXPRESSION_LENGTH:
        reason = f"a filter has at most {MAX_EXPRESSION_LENGTH} characters"
        raise syntax_error(expression, MAX_EXPRESSION_LENGTH, reason)
    return _Parser(expression).parse()


class _Parser:
    """One pass over one expression; `_token` is the next token that nobody has taken yet."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = tokens(expression)
        self._token = next(self._tokens)
        self._conditions = 0

    def parse(self) -> Filter:
        parsed = self._alternatives(0)
        if self._token.kind != "<EOF>":
            raise self._unexpected("{<EOF>, AND, OR}")
        return parsed

    def _alternatives(self, depth: int) -> Filter:
        parts = self._separated("OR", lambda: self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Or(parts)

    def _conjunction(self, depth: int) -> Filter:
        parts = self._separated("AND", lambda: self._primary(depth))
        return parts[0] if len(parts) == 1 else And(parts)

    def _separated(self, keyword: str, part: Callable[[], Filter]) -> tuple[Filter, ...]:
        parts = [part()]
        while self._accept(keyword):
            parts.append(part())
        return tuple(parts)

    def _primary(self, depth: int) -> Filter:
        if self._token.kind == "(":
            if depth >= MAX_DEPTH:
                raise self._refused(f"parentheses nest at most {MAX_DEPTH} deep")
            self._advance()
            inner = self._alternatives(depth + 1)
            self._expect(")", "{')', AND, OR}")
            return inner
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise self._refused(f"a filter has at most {MAX_CONDITIONS} conditions")
        if self._accept("HAS"):
            negated = self._accept("NOT")
            self._expect("FIELD", "FIELD" if negated else "{FIELD, NOT}")
            return HasField(self._path("path"), negated)
        return self._condition(self._path("{'(', HAS, path}"))

    def _condition(self, path: Path) -> Filter:
        if self._token.kind in _OPERATORS:
            operator = Operator(self._advance().kind)
            return Comparison(path, operator, self._literal())
        negated = self._accept("NOT")
        if self._accept("GLOB"):
            return Glob(path, self._pattern(), negated)
        if self._accept("IN"):
            return Membership(path, self._members(), negated)
        if self._accept("CONTAINS"):
            return Contains(path, self._literal(), negated)
        raise self._unexpected(
            "{GLOB, IN, CONTAINS}" if negated else "{'=', '!=', '<', '<=', '>', '>=', NOT, GLOB, IN, CONTAINS}"
        )

    def _members(self) -> tuple[Literal, ...]:
        self._expect("(", "'('")
        members = [self._literal()]
        while self._accept(","):
            if len(members) >= MAX_MEMBERS:
                raise self._refused(f"an IN list has at most {MAX_MEMBERS} members")
            members.append(self._literal())
        self._expect(")", "{',', ')'}")
        return tuple(members)

    def _pattern(self) -> str:
        if self._token.kind != "string":
            raise self._unexpected("string")
        pattern = _unquote(self._token.text)
        if len(pattern) > MAX_PATTERN_LENGTH:
            raise self._refused(f"a GLOB pattern has at most {MAX_PATTERN_LENGTH} characters")
        self._advance()
        return pattern

    def _path(self, expected: str) -> Path:
        return Path(_steps(self._expect("path", expected).text))

    def _literal(self) -> Literal:
        token = self._token
        if token.kind == "string":
            literal = Literal(LiteralKind.TEXT, _unquote(token.text))
        elif token.kind == "number":
            if len(token.text) > MAX_NUMBER_LENGTH:
                raise self._refused(f"a number has at most {MAX_NUMBER_LENGTH} characters")
            literal = Literal(LiteralKind.NUMBER, float(token.text) if "." in token.text else int(token.text))
        elif token.kind in ("TRUE", "FALSE"):
            literal = Literal(LiteralKind.BOOLEAN, token.kind == "TRUE")
        else:
            raise self._unexpected(_LITERALS)
        self._advance()
        return literal

    def _advance(self) -> Token:
        taken = self._token
        if taken.kind != "<EOF>":
            self._token = next(self._tokens)
        return taken

    def _accept(self, kind: str) -> bool:
        if self._token.kind != kind:
            return False
        self._advance()
        return True

    def _expect(self, kind: str, expected: str) -> Token:
        if self._token.kind != kind:
            raise self._unexpected(expected)
        return self._advance()

    def _unexpected(self, expected: str) -> FilterSyntaxError:
        return self._refused(f"mismatched input '{excerpt(self._token.text)}' expecting {expected}")

    def _refused(self, reason: str) -> FilterSyntaxError:
        return syntax_error(self._expression, self._token.position, reason)


def _unquote(text: str) -> str:
    """Returns what a string token means. A backslash before anything but a quote or a backslash stands for itself."""
    return _ESCAPED[text[0]].sub(lambda found: found[1] or found[2], text[1:-1])


def _steps(text: str) -> tuple[str | int, ...]:
    """Splits a path token at its dots and brackets."""
    steps: list[str | int] = []
    for found in _STEP.finditer(text):
        if found["key"] is not None:
            steps.append(found["key"])
        else:
            steps.append(-int(found["index"]) if found["end"] else int(found["index"]))
    return tuple(steps)
