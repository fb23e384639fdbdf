"""The filter language of Upstash Vector as a tree of frozen values: what `parse` returns and `matching` evaluates.

The grammar, as far as it is documented (upstash/docs, ``vector/features/filtering``, 2026-08-21) or was seen to work::

    filter    := and ( OR and )*
    and       := primary ( AND primary )*
    primary   := '(' filter ')' | HAS [NOT] FIELD path | path comparison
    comparison:= ( '=' | '!=' | '<' | '<=' | '>' | '>=' ) literal
               | [NOT] GLOB string | [NOT] IN '(' literal ( ',' literal )* ')' | [NOT] CONTAINS literal
    path      := key ( '.' key | '[' n ']' | '[#-' n ']' )*
    literal   := string | number | TRUE | FALSE

Keywords are case-insensitive; there is no NOT in front of a whole condition. Strings stand in single or double quotes;
their own quote is written twice or after a backslash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

_AMBIGUOUS_BACKSLASH = re.compile(r"""\\(?=[\\'"]|\Z)""")


class Operator(StrEnum):
    """Comparisons of one value with one literal. The last four hold between numbers only."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


class LiteralKind(StrEnum):
    """What a literal was written as; it decides which JSON values the literal can be compared with."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant of a filter. Its kind is kept because Python takes ``1``, ``1.0`` and ``True`` for equal."""

    kind: LiteralKind
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Path:
    """Where in a record's metadata to look.

    A string step is a key of an object; an integer step is a position in an array, negative from its end, so that
    ``a.b[#-1]`` is ``("a", "b", -1)``. The first step is always a key.
    """

    steps: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``path operator literal``."""

    path: Path
    operator: Operator
    literal: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    """``path [NOT] IN (literal, ...)``."""

    path: Path
    literals: tuple[Literal, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Glob:
    """``path [NOT] GLOB 'pattern'``: the whole string, case counts; ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^abc]``."""

    path: Path
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """``path [NOT] CONTAINS literal``: whether an array has the literal among its members."""

    path: Path
    literal: Literal
    negated: bool = False


@dataclass(frozen=True, slots=True)
class HasField:
    """``HAS [NOT] FIELD path``. A JSON null is a field that is there."""

    path: Path
    negated: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two filters."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of at least two filters."""

    parts: tuple[Filter, ...]


Condition: TypeAlias = Comparison | Membership | Glob | Contains | HasField
"""A filter that looks at exactly one path."""

Filter: TypeAlias = Comparison | Membership | Glob | Contains | HasField | And | Or
"""What a filter expression means."""


def quote(value: str) -> str:
    """Returns `value` as a string literal that no value can break out of.

    The quote that the value does not hold is used; when it holds both, its single quotes are escaped by a backslash.
    A backslash is doubled only where it would otherwise escape what follows: whether Upstash knows backslash escapes is
    unverified, and this way every value without both quotes and without such a backslash reads the same either way.
    """
    value = _AMBIGUOUS_BACKSLASH.sub(r"\\\\", value)
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    return "'" + value.replace("'", r"\'") + "'"
