"""Random filters and metadata that have something to do with each other, and filters as text."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tui.engine.filters import quote
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
)

BIG = 2**53
NUMBERS = [
    -2,
    -1,
    0,
    1,
    2,
    5,
    BIG,
    BIG + 1,
    BIG + 2,
    -BIG - 1,
    10**30,
    10**30 + 1,
    10**320,
    0.0,
    1.0,
    0.1,
    2.5,
    -2.5,
    float(BIG),
]
TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "A",
    "é",
    "e\u0301",
    "it's",
    'say "x"',
    "\\",
    "a\\'\"",
    "1",
    "true",
    "*",
    "[a]",
    "\n",
    "🍜",
    "名",
]

keys = st.sampled_from(["a", "b", "c", "d_1"])
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.sampled_from(TEXTS) | st.text(max_size=5)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)
metadata = st.none() | st.dictionaries(keys, values, max_size=4)


def _number_literal(number: float) -> Literal:
    # The language has no exponents: what a float is when written out is the literal that can be parsed back.
    return Literal(LiteralKind.NUMBER, float(f"{number:.20f}") if isinstance(number, float) else number)


literals = (
    numbers.filter(lambda number: abs(number) < 10**330).map(_number_literal)
    | texts.map(lambda text: Literal(LiteralKind.TEXT, text))
    | st.booleans().map(lambda value: Literal(LiteralKind.BOOLEAN, value))
)
paths = st.builds(lambda first, rest: Path((first, *rest)), keys, st.lists(keys | st.integers(-3, 3), max_size=2))
patterns = st.text(alphabet="ab*?[]^-é\\'\"", max_size=6) | texts
conditions = (
    st.builds(Comparison, paths, st.sampled_from(Operator), literals)
    | st.builds(Membership, paths, st.lists(literals, min_size=1, max_size=4).map(tuple), st.booleans())
    | st.builds(Glob, paths, patterns, st.booleans())
    | st.builds(Contains, paths, literals, st.booleans())
    | st.builds(HasField, paths, st.booleans())
)
filters = st.recursive(
    conditions,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3)
        .map(tuple)
        .flatmap(lambda parts: st.sampled_from([And(parts), Or(parts)]))
    ),
    max_leaves=5,
)


def encode(value: Any) -> bytes | None:
    """Metadata as the JSON that a store is given."""
    return None if value is None else json.dumps(value, ensure_ascii=False).encode()


def render(filter: Filter) -> str:
    """The text of a filter, with parentheses around every group within a group."""
    match filter:
        case And(parts):
            return " AND ".join(map(_grouped, parts))
        case Or(parts):
            return " OR ".join(map(_grouped, parts))
        case HasField(path, negated):
            return f"HAS {'NOT ' if negated else ''}FIELD {_path(path)}"
        case Comparison(path, operator, literal):
            return f"{_path(path)} {operator} {_literal(literal)}"
        case Membership(path, members, negated):
            return f"{_path(path)} {'NOT ' if negated else ''}IN ({', '.join(map(_literal, members))})"
        case Glob(path, pattern, negated):
            return f"{_path(path)} {'NOT ' if negated else ''}GLOB {quote(pattern)}"
        case Contains(path, literal, negated):
            return f"{_path(path)} {'NOT ' if negated else ''}CONTAINS {_literal(literal)}"


def _grouped(part: Filter) -> str:
    return f"({render(part)})" if isinstance(part, And | Or) else render(part)


def _path(path: Path) -> str:
    text = ""
    for step in path.steps:
        if isinstance(step, str):
            text += f".{step}"
        else:
            text += f"[{step}]" if step >= 0 else f"[#{step}]"
    return text.removeprefix(".")


def _literal(literal: Literal) -> str:
    if literal.kind is LiteralKind.TEXT:
        return quote(str(literal.value))
    if isinstance(literal.value, float):
        return f"{literal.value:.20f}"
    return str(literal.value).lower()
