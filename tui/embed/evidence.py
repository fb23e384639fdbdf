"""How much of a question a text covers: each concept is looked for by its words, by what stands for them, by meaning.

A static model blurs a text into one vector, and BM25 needs the very word. Between the two lies this measure: for every
concept of the question the best match among the words of the text, weighted by how much the concept says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from tui.embed.bm25 import term_index
from tui.embed.calibration import ABSENT_BELOW, WEIGHT_OF_ABSENT, WEIGHT_OF_BEYOND, WEIGHT_OF_PLAIN
from tui.embed.concepts import Concept, concepts_of
from tui.embed.words import FUNCTION_WORDS, split_words, stem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tui.embed.builtin import BuiltinEmbedder
    from tui.embed.lexicon import Lexicon, Term

Frequencies = Callable[[Sequence[int]], tuple[Mapping[int, int], int]]
"""Tells, for term coordinates of `bm25.term_index`, in how many records each occurs, and how many records there are."""

CLOSE: Final = 0.35
"""Cosine of two words below which they have nothing to do with each other in the built-in model."""

MEANING: Final = 0.75
"""Strength of a word of equal meaning that is neither the concept's own nor in the lexicon: below a known synonym."""

_MAX_CHARACTERS = 20_000
"""Of a text that are looked at; what a longer one is about is said by then."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question made ready: its `concepts`, their unit vectors of shape (concepts, 256) and their `weights`."""

    text: str
    concepts: tuple[Concept, ...]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]


class Evidence:
    """Measures coverage with the built-in model's word vectors and a lexicon."""

    def __init__(self, embedder: BuiltinEmbedder, lexicon: Lexicon) -> None:
        self._embedder = embedder
        self._lexicon = lexicon

    def concepts(self, text: str) -> tuple[Concept, ...]:
        """Returns what a question asks for."""
        return concepts_of(text, self._lexicon)

    def read(self, text: str, frequencies: Frequencies) -> Question:
        """Takes a question apart. A rare concept weighs more than a common one, one that no record has weighs most."""
        concepts = concepts_of(text, self._lexicon)
        vectors = np.zeros((len(concepts), self._embedder.dimension), np.float32)
        for row, concept in enumerate(concepts):
            total = self._embedder.embed_words(concept.words).sum(axis=0)
            vectors[row] = total / max(float(np.linalg.norm(total)), 1e-12)
        return Question(text, concepts, vectors, _weights(concepts, frequencies))

    def cover(self, question: Question, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the strength of each concept in each text, shape (len(texts), len(concepts)), from 0 to 1."""
        strengths = np.zeros((len(texts), len(question.concepts)))
        bags = [_bag(text) for text in texts]
        words = list(frozenset().union(*bags))
        if not words or not question.concepts:
            return strengths
        vocabulary = dict(zip(words, range(len(words)), strict=True))
        stems = _rows_by_stem(vocabulary)
        table = self._word_strengths(question, vocabulary, stems)
        filled = [row for row, bag in enumerate(bags) if bag]
        flat = list(map(vocabulary.__getitem__, chain.from_iterable(bags)))
        starts = np.cumsum([0, *(len(bags[row]) for row in filled[:-1])])
        strengths[filled] = np.maximum.reduceat(table[flat], starts, axis=0)
        _add_phrases(strengths, question.concepts, bags, stems)
        return strengths

    def _word_strengths(
        self, question: Question, vocabulary: Mapping[str, int], stems: Mapping[str, Sequence[int]]
    ) -> NDArray[np.float64]:
        """Strength of every concept in every single word, shape (words, concepts)."""
        cosines = self._embedder.embed_words(list(vocabulary)) @ question.vectors.T
        table: NDArray[np.float64] = np.clip((cosines.astype(np.float64) - CLOSE) / (1 - CLOSE), 0, 1) * MEANING
        for column, concept in enumerate(question.concepts):
            if concept.beyond:
                table[:, column] = 0.0
                continue
            for term, strength in concept.terms.items():
                if len(term) == 1:
                    for row in stems.get(term[0], ()):
                        table[row, column] = max(strength, table[row, column])
        return table


@lru_cache(maxsize=512)
def _bag(text: str) -> frozenset[str]:
    """The topical words of a text. Kept for a while: neighbouring questions meet the same records."""
    return frozenset(split_words(text[:_MAX_CHARACTERS])) - FUNCTION_WORDS


def _rows_by_stem(vocabulary: Mapping[str, int]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for word, row in vocabulary.items():
        rows.setdefault(stem(word), []).append(row)
    return rows


def _add_phrases(
    strengths: NDArray[np.float64],
    concepts: Sequence[Concept],
    bags: Sequence[Collection[str]],
    known: Collection[str],
) -> None:
    """Raises a concept's strength where a phrase that stands for it has all its words in the text.

    `known` are the stems of all the texts; a phrase with another word is in none of them.
    """
    phrases = [
        (column, term, strength)
        for column, concept in enumerate(concepts)
        if not concept.beyond
        for term, strength in concept.terms.items()
        if len(term) > 1 and all(word in known for word in term)
    ]
    for row, bag in enumerate(bags if phrases else ()):
        stems = set(map(stem, bag))
        for column, term, strength in phrases:
            if strength > strengths[row, column] and stems.issuperset(term):
                strengths[row, column] = strength


def _weights(concepts: Sequence[Concept], frequencies: Frequencies) -> NDArray[np.float64]:
    """The square root of each concept's IDF, times what its kind weighs.

    IDF is Upstash's, ``ln((N - n + 0.5) / (n + 0.5) + 1)``, of the concept's most frequent single term.
    """
    indices = {term_index(word) for concept in concepts for term in concept.terms for word in term}
    found, total = frequencies(sorted(indices))

    def count(term: Term) -> int:
        return min(found.get(term_index(word), 0) for word in term)

    weights = []
    for concept in concepts:
        most = max((count(term) for term in concept.terms if len(term) == 1), default=0)
        idf = math.log((total - most + 0.5) / (most + 0.5) + 1)
        absent = not any(count(term) for term, strength in concept.terms.items() if strength >= ABSENT_BELOW)
        weights.append(math.sqrt(idf) * _kind_weight(concept, absent))
    return np.array(weights)


def _kind_weight(concept: Concept, absent: bool) -> float:
    if concept.beyond:
        return WEIGHT_OF_BEYOND
    if not concept.named:
        return WEIGHT_OF_PLAIN
    return WEIGHT_OF_ABSENT if absent else 1.0
