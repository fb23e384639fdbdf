"""The values of one metadata path over many records, each distinct value kept once."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tui.engine.matching import MISSING, ORDER, comparable, holds, is_number
from tui.engine.syntax import Comparison, Condition, HasField, Literal, Membership, Operator

_MISSING, _NULL, _FALSE, _TRUE, _OBJECT = range(5)
_FIXED: Final[tuple[Any, ...]] = (MISSING, None, False, True, {})
"""What the first codes stand for. To every condition all objects are alike, so one stands for all."""

_ENTRY_BYTES: Final = 100
"""What a distinct value costs beside itself: its place in a list, a dictionary and the array of numbers."""

_SLACK: Final = 1_024


class Column:
    """An int32 code per slot, and what each code stands for. Code 0 stands for a path that leads nowhere.

    A condition is evaluated once for each distinct value and the results are gathered by code, so that a column of few
    distinct values is filtered at the speed of an array lookup.
    """

    def __init__(self) -> None:
        self._codes: NDArray[np.int32] = np.zeros(0, np.int32)
        self._values: list[Any] = list(_FIXED)
        self._code_of: dict[Any, int] = {}
        self._numbers: NDArray[np.float64] = np.zeros(0)
        self._value_bytes = 0

    @property
    def value_bytes(self) -> int:
        """About how much memory the distinct values take."""
        return self._value_bytes

    @property
    def total_bytes(self) -> int:
        """About how much memory the column takes."""
        return self._value_bytes + self._codes.nbytes

    @property
    def is_stale(self) -> bool:
        """Whether replaced values have left so much behind that the column is better built again."""
        return len(self._values) > 2 * len(self._codes) + _SLACK

    def encode(self, value: Any) -> int:
        """Returns the code of a JSON value or `MISSING`, a new one if the value is new."""
        kind = type(value)
        if kind is str or kind is int or kind is float:
            return self._code_of.get(value) or self._add(value, value)
        if kind is list:
            # Only the set of scalar members can matter to a condition. False and true must not meet 0 and 1 in it.
            scalars = [member for member in value if isinstance(member, str | int | float)]
            key = frozenset((member,) if isinstance(member, bool) else member for member in scalars)
            return self._code_of.get(key) or self._add(key, scalars)
        if kind is bool:
            return _TRUE if value else _FALSE
        if value is None:
            return _NULL
        return _MISSING if value is MISSING else _OBJECT

    def put(self, slot: int, value: Any) -> None:
        """Sets the value of one slot."""
        code = self.encode(value)
        self._reach(slot + 1)
        self._codes[slot] = code

    def fill(self, slots: NDArray[np.int32], codes: NDArray[np.int32]) -> None:
        """Sets the codes of many slots at once."""
        if len(slots):
            self._reach(int(slots.max()) + 1)
            self._codes[slots] = codes

    def mask(self, condition: Condition, size: int) -> NDArray[np.bool_]:
        """Returns for which of the first `size` slots the condition holds, as an array of its own."""
        self._reach(size)
        codes = self._codes[:size]
        if isinstance(condition, HasField):
            return np.equal(codes, _MISSING) if condition.negated else np.not_equal(codes, _MISSING)
        if isinstance(condition, Comparison) and condition.operator is Operator.EQUAL:
            equal = self._codes_equal_to((condition.literal,))
            if len(equal) == 1:
                return np.equal(codes, equal[0])
        return self._table(condition)[codes]

    def _table(self, condition: Condition) -> NDArray[np.bool_]:
        """Returns whether the condition holds for each distinct value, by code."""
        match condition:
            case Comparison(operator=Operator.EQUAL, literal=literal):
                return self._members_table((literal,))
            case Membership(literals=literals, negated=False):
                return self._members_table(literals)
            case Comparison(operator=operator, literal=literal) if operator in ORDER:
                return self._order_table(operator, literal)
        return np.fromiter((holds(condition, value) for value in self._values), np.bool_, len(self._values))

    def _members_table(self, literals: Iterable[Literal]) -> NDArray[np.bool_]:
        table = np.zeros(len(self._values), np.bool_)
        table[self._codes_equal_to(literals)] = True
        return table

    def _codes_equal_to(self, literals: Iterable[Literal]) -> list[int]:
        """Returns the codes of the values that equal one of the literals."""
        codes: list[int] = []
        for literal in literals:
            if not isinstance(literal.value, bool) and literal.value in self._code_of:
                codes.append(self._code_of[literal.value])
            if comparable(True, literal):
                codes.append(_TRUE if literal.value else _FALSE)
        return codes

    def _order_table(self, operator: Operator, literal: Literal) -> NDArray[np.bool_]:
        """Compares in float64, and exactly where that cannot tell: rounding never turns an order around."""
        table = np.zeros(len(self._values), np.bool_)
        if not is_number(literal.value):
            return table
        numbers, limit = self._as_numbers(), _as_float(literal.value)
        compare = ORDER[operator]
        table[:] = compare(numbers, limit)
        for code in np.flatnonzero(numbers == limit).tolist():
            table[code] = compare(self._values[code], literal.value)
        return table

    def _as_numbers(self) -> NDArray[np.float64]:
        """Returns the distinct values as float64, NaN where they are no numbers."""
        known = len(self._numbers)
        if known < len(self._values):
            added = [_as_float(value) if is_number(value) else math.nan for value in self._values[known:]]
            self._numbers = np.concatenate([self._numbers, np.array(added, np.float64)])
        return self._numbers

    def _add(self, key: Any, value: Any) -> int:
        code = len(self._values)
        self._values.append(value)
        self._code_of[key] = code
        self._value_bytes += _ENTRY_BYTES + sys.getsizeof(value)
        if isinstance(value, list):
            self._value_bytes += sys.getsizeof(key) + sum(map(sys.getsizeof, value))
        return code

    def _reach(self, size: int) -> None:
        if size > len(self._codes):
            grown = np.zeros(max(size, 2 * len(self._codes)), np.int32)
            grown[: len(self._codes)] = self._codes
            self._codes = grown


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
