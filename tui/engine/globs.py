"""GLOB patterns, matched piece by piece instead of by one backtracking expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# A set runs from ``[`` to the next ``]``, which is a member where it comes first: ``[]x]``, ``[^]x]``.
_SYMBOL = re.compile(r"\[(?P<negated>\^?+)(?P<members>\]?+[^\]]*+)\]|.", re.DOTALL)
_MEMBER = re.compile(r"(?P<low>.)-(?P<high>.)|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands between two stars: exactly `length` characters, given as they are or as an expression."""

    length: int
    content: str | re.Pattern[str]

    def stands_at(self, text: str, position: int) -> bool:
        if isinstance(self.content, str):
            return text.startswith(self.content, position)
        return self.content.match(text, position) is not None

    def find(self, text: str, start: int, end: int) -> int:
        """Returns the first place of the piece within ``text[start:end]``, or -1."""
        if isinstance(self.content, str):
            return text.find(self.content, start, end)
        found = self.content.search(text, start, end)
        return found.start() if found else -1


@dataclass(frozen=True, slots=True)
class GlobPattern:
    """A compiled pattern: pieces of fixed length with a star between each two.

    Because the lengths are fixed, taking every piece at its first possible place is always right. Nothing is tried
    twice, and the time is at most proportional to text times pattern, whatever the pattern.
    """

    pieces: tuple[_Piece, ...]

    def matches(self, text: str) -> bool:
        """Whether the pattern covers all of `text`. Case counts."""
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return len(text) == first.length and first.stands_at(text, 0)
        start, end = first.length, len(text) - last.length
        if end < start or not first.stands_at(text, 0) or not last.stands_at(text, end):
            return False
        for piece in self.pieces[1:-1]:
            found = piece.find(text, start, end)
            if found < 0:
                return False
            start = found + piece.length
        return True


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> GlobPattern:
    """Returns the compiled pattern. Every pattern has a meaning: a ``[`` that nothing closes stands for itself."""
    pieces: list[list[re.Match[str]]] = [[]]
    for symbol in _SYMBOL.finditer(pattern):
        if symbol.group() == "*":
            pieces.append([])
        else:
            pieces[-1].append(symbol)
    return GlobPattern(tuple(map(_piece, pieces)))


def _piece(symbols: list[re.Match[str]]) -> _Piece:
    if all(symbol["members"] is None and symbol.group() != "?" for symbol in symbols):
        return _Piece(len(symbols), "".join(symbol.group() for symbol in symbols))
    return _Piece(len(symbols), re.compile("".join(map(_expression, symbols)), re.DOTALL))


def _expression(symbol: re.Match[str]) -> str:
    """Returns a regular expression for the one character that a symbol stands for."""
    if symbol["members"] is None:
        return "." if symbol.group() == "?" else re.escape(symbol.group())
    members = "".join(map(_members, _MEMBER.finditer(symbol["members"])))
    if not members:
        return "." if symbol["negated"] else "(?!)"
    return f"[{'^' if symbol['negated'] else ''}{members}]"


def _members(member: re.Match[str]) -> str:
    """Returns a member or a range for a regular expression's set; a range that runs backwards is empty."""
    if member["low"] is None:
        return re.escape(member.group())
    return f"{re.escape(member['low'])}-{re.escape(member['high'])}" if member["low"] <= member["high"] else ""
