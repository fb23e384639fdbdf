"""A question taken apart into concepts: the words and phrases it is about, with what can stand for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui.embed.lexicon import MISSPELT, Lexicon, Term
from tui.embed.words import FUNCTION_WORDS, STOP_WORDS, split_words, stem


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing a question asks for.

    `words` are the folded words as asked; `terms` maps every term that answers it to its strength, the concept's own
    term at 1. `named` is whether the lexicon has it, as spelt or as meant; `beyond` whether it asks for what no
    description of food tells.
    """

    words: tuple[str, ...]
    terms: Mapping[Term, float]
    named: bool = False
    beyond: bool = False


def concepts_of(question: str, lexicon: Lexicon) -> tuple[Concept, ...]:
    """Returns the concepts of a question in order, each once; known phrases are kept whole.

    Words that only wrap a question are left out, unless nothing else is there.
    """
    words = split_words(question)
    found = _read(words, lexicon, STOP_WORDS) or _read(words, lexicon, FUNCTION_WORDS)
    return tuple({tuple(concept.terms): concept for concept in found}.values())


def _read(words: list[str], lexicon: Lexicon, ignored: frozenset[str]) -> list[Concept]:
    stems = list(map(stem, words))
    concepts: list[Concept] = []
    position = 0
    while position < len(words):
        length = _phrase_length(stems, position, lexicon)
        if length == 1 and words[position] in ignored:
            position += 1
            continue
        own = tuple(stems[position : position + length])
        concepts.append(_concept(tuple(words[position : position + length]), own, lexicon))
        position += length
    return concepts


def _concept(words: tuple[str, ...], own: Term, lexicon: Lexicon) -> Concept:
    terms = {**lexicon.related(own), own: 1.0}
    named, beyond = lexicon.names(own), lexicon.is_beyond(own)
    meant = None if named or beyond or len(own) > 1 else lexicon.spelling_of(own[0])
    if meant is not None:
        guessed = {meant: 1.0, **lexicon.related(meant)}
        terms |= {term: MISSPELT * strength for term, strength in guessed.items() if term != own}
    return Concept(words, terms, named or meant is not None, beyond)


def _phrase_length(stems: list[str], position: int, lexicon: Lexicon) -> int:
    """Words of the longest known phrase that begins at `position`, 1 when there is none."""
    for length in range(min(lexicon.longest, len(stems) - position), 1, -1):
        if tuple(stems[position : position + length]) in lexicon:
            return length
    return 1
