"""What words of a food question can stand for: places within places, and the synonyms and kinds of the kitchen.

The knowledge is in two text files beside this module, `places.txt` and `culinary.txt`; their heads explain their
formats. Terms are compared as tuples of stems, so "grilled meats" finds "grilled meat".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from tui.embed.words import split_words, stem

Term: TypeAlias = tuple[str, ...]
"""The stems of a word or a phrase."""

# How strongly one term stands for another, from 0 to 1: the same thing, a kind of it, a part of it, what it is part of.
SAME: Final = 0.95
KIND: Final = 0.8
INSIDE: Final = 0.85
AROUND: Final = 0.45

_FOLDER = Path(__file__).parent


def term_of(text: str) -> Term:
    """Returns the stems of a phrase."""
    return tuple(map(stem, split_words(text)))


class Lexicon:
    """Related terms of a term, each with the strength at which it stands for it."""

    def __init__(self, related: Mapping[Term, Mapping[Term, float]]) -> None:
        self._related = related
        self.longest: Final = max(map(len, related), default=1)

    def related(self, term: Term) -> Mapping[Term, float]:
        """Returns the terms that can stand for `term` with their strengths; empty for an unknown term."""
        return self._related.get(term, {})

    def __contains__(self, term: object) -> bool:
        return term in self._related


@lru_cache(maxsize=1)
def food_lexicon() -> Lexicon:
    """Reads both files once. Takes a few hundredths of a second, so it waits for the first question."""
    related: defaultdict[Term, dict[Term, float]] = defaultdict(dict)
    for term, other, strength in (*_culinary(_lines("culinary.txt")), *_places(_lines("places.txt"))):
        if term and other and term != other:
            related[term][other] = max(strength, related[term].get(other, 0.0))
    return Lexicon(related)


def _lines(name: str) -> list[str]:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def _terms(text: str) -> list[Term]:
    return [term for term in map(term_of, text.split(",")) if term]


def _culinary(lines: Iterable[str]) -> Iterator[tuple[Term, Term, float]]:
    """Yields (term, what can stand for it, strength) of `= a, b` and `> broad: narrow, narrow` lines."""
    same: dict[Term, set[Term]] = {}
    kinds: list[tuple[Term, list[Term]]] = []
    for line in lines:
        sign, _, rest = line.partition(" ")
        if sign == "=":
            group = set(_terms(rest))
            for term in group:
                same.setdefault(term, set()).update(group)
        else:
            heading, _, members = rest.partition(":")
            kinds.append((term_of(heading), _terms(members)))
    for term, group in same.items():
        yield from ((term, other, SAME) for other in group)
    for broad, narrower in kinds:
        for asked in same.get(broad, {broad}):
            for narrow in narrower:
                yield from ((asked, found, KIND) for found in same.get(narrow, {narrow}))


def _places(lines: Iterable[str]) -> Iterator[tuple[Term, Term, float]]:
    """Yields (place, what can stand for it, strength) of `name | other names | inside | around` lines."""
    names: dict[Term, list[Term]] = {}
    inside: defaultdict[Term, set[Term]] = defaultdict(set)
    for line in lines:
        name, others, parts, areas = (field.strip() for field in line.split("|"))
        place = term_of(name)
        names[place] = [place, *_terms(others)]
        inside[place].update(_terms(parts))
        for area in _terms(areas):
            inside[area].add(place)
    for place, called in names.items():
        within = _all_inside(place, inside)
        for asked in called:
            yield from ((asked, other, SAME) for other in called)
            for part in within:
                yield from ((asked, found, INSIDE) for found in names.get(part, [part]))
        for part in within:
            for asked in names.get(part, [part]):
                strength = AROUND if part in names else INSIDE
                yield from ((asked, found, strength) for found in called)


def _all_inside(place: Term, inside: Mapping[Term, set[Term]]) -> set[Term]:
    """Everything within a place, at any depth; loops in the data do no harm."""
    found: set[Term] = set()
    waiting = [place]
    while waiting:
        for part in inside.get(waiting.pop(), ()):
            if part not in found and part != place:
                found.add(part)
                waiting.append(part)
    return found
