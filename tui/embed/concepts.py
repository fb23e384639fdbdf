"""A question taken apart into concepts: the words and phrases it is about, with what can stand for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tui.embed.lexicon import MISSPELT, Lexicon, Term
from tui.embed.words import FUNCTION_WORDS, STOP_WORDS, split_words, stem

MAX_CONCEPTS: Final = 64
"""Of a question that are looked for: some 150 words of prose. More would blur it and cost time and memory."""

_MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing a question asks for.

    `words` are the folded words as asked and `own` their stems; `terms` maps every term that answers it to its
    strength, its own at 1. `named` is whether the lexicon has it, as spelt or as meant; `beyond` whether it asks for
    what no description of food tells.
    """

    words: tuple[str, ...]
    own: Term
    terms: Mapping[Term, float]
    named: bool = False
    beyond: bool = False


def concepts_of(question: str, lexicon: Lexicon) -> tuple[Concept, ...]:
    """Returns the concepts of a question in order, each once; known phrases are kept whole.

    Words that only wrap a question are left out, unless nothing else is there. Only the first `MAX_CONCEPTS` count.
    """
    words = split_words(question)[:_MAX_WORDS]
    return _distinct(_read(words, lexicon, STOP_WORDS)) or _distinct(_read(words, lexicon, FUNCTION_WORDS))


def _distinct(concepts: Iterable[Concept]) -> tuple[Concept, ...]:
    found: dict[Term, Concept] = {}
    for concept in concepts:
        found.setdefault(concept.own, concept)
        if len(found) == MAX_CONCEPTS:
            break
    return tuple(found.values())


def _read(words: Sequence[str], lexicon: Lexicon, ignored: frozenset[str]) -> Iterator[Concept]:
    stems = list(map(stem, words))
    position = 0
    while position < len(words):
        length = _phrase_length(stems, position, lexicon)
        if length == 1 and words[position] in ignored:
            position += 1
            continue
        own = tuple(stems[position : position + length])
        yield _concept(tuple(words[position : position + length]), own, lexicon)
        position += length


def _concept(words: tuple[str, ...], own: Term, lexicon: Lexicon) -> Concept:
    terms = {**lexicon.related(own), own: 1.0}
    named, beyond = lexicon.names(own), lexicon.is_beyond(own)
    meant = None if named or beyond or len(own) > 1 else lexicon.spelling_of(own[0])
    if meant is not None:
        guessed = {meant: 1.0, **lexicon.related(meant)}
        terms |= {term: MISSPELT * strength for term, strength in guessed.items() if term != own}
    return Concept(words, own, terms, named or meant is not None, beyond)


def _phrase_length(stems: Sequence[str], position: int, lexicon: Lexicon) -> int:
    """Words of the longest known phrase that begins at `position`, 1 when there is none."""
    for length in range(min(lexicon.longest, len(stems) - position), 1, -1):
        if tuple(stems[position : position + length]) in lexicon:
            return length
    return 1
