"""What words of a food question can stand for: places within places, and the synonyms and kinds of the kitchen.

The knowledge is in three text files beside this module, `places.txt`, `culinary.txt` and `beyond.txt`; their heads
explain their formats. Terms are compared as tuples of stems, so "grilled meats" finds "grilled meat".
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from pathlib import Path
from string import ascii_lowercase
from typing import Final, TypeAlias

from tui.embed.words import split_words, stem

Term: TypeAlias = tuple[str, ...]
"""The stems of a word or a phrase."""

# How strongly one term stands for another, from 0 to 1: the same thing, a kind of it, a place inside it, a place around
# it, what a misspelt word was meant to be.
SAME: Final = 0.95
KIND: Final = 0.8
INSIDE: Final = 0.85
AROUND: Final = 0.45
MISSPELT: Final = 0.85

_SHORTEST_MISSPELT = 5
_LONGEST_MISSPELT = 24
"""Letters; no single word of the files is longer, and a word has some 50 slips a letter."""
_FOLDER = Path(__file__).parent


def term_of(text: str) -> Term:
    """Returns the stems of a phrase."""
    return tuple(map(stem, split_words(text)))


class Lexicon:
    """Related terms of a term, each with the strength at which it stands for it, and the terms beyond any food."""

    def __init__(self, related: Mapping[Term, Mapping[Term, float]], beyond: Collection[Term] = ()) -> None:
        # A hundred thousand relations: kept side by side they take a tenth of what dictionaries would.
        self._related = {term: (tuple(others), array("d", others.values())) for term, others in related.items()}
        self._beyond = frozenset(beyond)
        self._named = frozenset(related).union(*related.values())
        self.longest: Final = max(map(len, (*related, *beyond)), default=1)

    def names(self, term: Term) -> bool:
        """Whether the files have the term at all, as a place, an ingredient, a dish, a method or an occasion."""
        return term in self._named

    def spelling_of(self, word: str) -> Term | None:
        """Returns the term that a misspelt stem most likely means: one slip away, with the same first letter.

        Words under five letters are left alone, since they are one slip from too many others.
        """
        if not _SHORTEST_MISSPELT <= len(word) <= _LONGEST_MISSPELT or not word.isalpha():
            return None
        slips = (slip for slip in _one_slip(word) if slip[:1] == word[0] and (slip,) in self._named)
        return next(((slip,) for slip in slips), None)

    def is_beyond(self, term: Term) -> bool:
        """Whether a term asks for what a description of food does not tell, such as a price."""
        return term in self._beyond

    def related(self, term: Term) -> Mapping[Term, float]:
        """Returns the terms that can stand for `term` with their strengths; empty for an unknown term."""
        others, strengths = self._related.get(term, ((), ()))
        return dict(zip(others, strengths, strict=True))

    def __contains__(self, term: object) -> bool:
        return term in self._related or term in self._beyond


@lru_cache(maxsize=1)
def food_lexicon() -> Lexicon:
    """Reads the three files once. Takes a tenth of a second, so it waits for the first question."""
    related: defaultdict[Term, dict[Term, float]] = defaultdict(dict)
    known: dict[Term, Term] = {}
    for term, other, strength in chain(_culinary(_lines("culinary.txt")), _places(_lines("places.txt"))):
        if term and other and term != other:
            others = related[term]
            others[known.setdefault(other, other)] = max(strength, others.get(other, 0.0))
    beyond = {term for line in _lines("beyond.txt") for term in _terms(line)}
    return Lexicon(related, beyond - related.keys())


def _one_slip(word: str) -> Iterator[str]:
    """Every spelling that one wrong key makes: letters swapped, left out, added, or mistaken."""
    halves = [(word[:cut], word[cut:]) for cut in range(len(word) + 1)]
    yield from (head + tail[1] + tail[0] + tail[2:] for head, tail in halves if len(tail) > 1)
    yield from (head + letter + tail for head, tail in halves for letter in ascii_lowercase)
    yield from (head + tail[1:] for head, tail in halves if tail)
    yield from (head + letter + tail[1:] for head, tail in halves if tail for letter in ascii_lowercase)


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
                strength = INSIDE if part in inside[place] and part not in names else AROUND
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
