"""What a filter means for one record's metadata.

Upstash documents the operators and not their edges. Ours, in one place:

- Nothing but ``HAS NOT FIELD`` holds for a path that leads nowhere, the negated operators included.
- Nothing holds between values of different types, the negated operators included: ``a != 'x'`` is false when ``a`` is
  5. ``a NOT IN (...)`` needs one member at least that ``a`` can be compared with. A JSON null compares with nothing.
- The numbers 1 and 0 are also a way to write true and false, as Upstash documents, so they equal both; ``true`` and
  ``false`` equal booleans only. Whether Upstash keeps the number 1 and true apart is unverified.
- Numbers compare by value, integers of any size exactly; order holds between numbers only and a boolean is none.
- Texts compare by code point: case counts and nothing is normalised.
- ``CONTAINS`` looks at the members of an array by the rules of ``=``, and not into arrays within it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

from tui.engine.globs import compile_glob
from tui.engine.syntax import (
    And,
    Comparison,
    Condition,
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

MISSING: Final = object()
"""What `resolve` returns for a path that leads nowhere; a JSON null is None."""

ORDER: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}
"""The operators that hold between numbers only. The functions work on numbers and on arrays of them."""


def matches(filter: Filter, metadata: Mapping[str, Any] | None) -> bool:
    """Whether a record with this metadata (a JSON object as Python values, or none) passes the filter."""
    if isinstance(filter, And):
        return all(matches(part, metadata) for part in filter.parts)
    if isinstance(filter, Or):
        return any(matches(part, metadata) for part in filter.parts)
    return holds(filter, resolve(metadata, filter.path))


def resolve(metadata: Any, path: Path) -> Any:
    """Returns the value that the path leads to from `metadata`, or `MISSING`."""
    value = metadata
    for step in path.steps:
        if isinstance(step, str):
            if not isinstance(value, Mapping) or step not in value:
                return MISSING
        elif not isinstance(value, list) or not -len(value) <= step < len(value):
            return MISSING
        value = value[step]
    return value


def holds(condition: Condition, value: Any) -> bool:
    """Whether a condition holds for the value that its path leads to, `MISSING` included."""
    match condition:
        case HasField():
            return (value is MISSING) is condition.negated
        case Comparison():
            return _compares(condition.operator, value, condition.literal)
        case Membership():
            return _equals_any(value, condition.literals, condition.negated)
        case Contains():
            if not isinstance(value, list):
                return False
            return any(_equals_any(member, (condition.literal,), False) for member in value) is not condition.negated
        case Glob():
            if not isinstance(value, str):
                return False
            return compile_glob(condition.pattern).matches(value) is not condition.negated
        case _:
            assert_never(condition)


def comparable(value: Any, literal: Literal) -> bool:
    """Whether a JSON value is of a type that can equal the literal."""
    if isinstance(value, bool):
        return literal.kind is LiteralKind.BOOLEAN or (literal.kind is LiteralKind.NUMBER and literal.value in (0, 1))
    if isinstance(value, int | float):
        return literal.kind is LiteralKind.NUMBER
    return isinstance(value, str) and literal.kind is LiteralKind.TEXT


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; to Python, and only to Python, a boolean is one too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compares(relation: Operator, value: Any, literal: Literal) -> bool:
    if relation in ORDER:
        return is_number(value) and literal.kind is LiteralKind.NUMBER and bool(ORDER[relation](value, literal.value))
    return _equals_any(value, (literal,), relation is Operator.NOT_EQUAL)


def _equals_any(value: Any, literals: tuple[Literal, ...], negated: bool) -> bool:
    """Whether the value equals one of the literals; negated: whether it could, and equals none."""
    candidates = [literal.value for literal in literals if comparable(value, literal)]
    return bool(candidates) and (value in candidates) is not negated
