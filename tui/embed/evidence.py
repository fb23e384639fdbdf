"""How much of a question a text covers: each concept is looked for by its words, by what stands for them, by meaning.

A static model blurs a text into one vector, and BM25 needs the very word. Between the two lies this measure: for every
concept of the question the best match among the words of the text, weighted by how much the concept says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

from tui.embed.bm25 import term_index
from tui.embed.calibration import ABSENT_BELOW, WEIGHT_OF_ABSENT, WEIGHT_OF_BEYOND, WEIGHT_OF_PLAIN
from tui.embed.concepts import Concept, concepts_of
from tui.embed.vocabulary import Vocabulary

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

_AT_ONCE = 64
"""Texts covered in one step: more than a question judges, and few enough that the longest ones need little memory."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question made ready: its `concepts`, their unit vectors of shape (concepts, 256) and their `weights`."""

    text: str
    concepts: tuple[Concept, ...]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]


class Evidence:
    """Measures coverage with the built-in model's word vectors and a lexicon. Safe to use from several threads."""

    def __init__(self, embedder: BuiltinEmbedder, lexicon: Lexicon) -> None:
        self._embedder = embedder
        self._lexicon = lexicon
        self._vocabulary = Vocabulary(embedder)
        self._lock = Lock()
        self._last: tuple[str, tuple[Concept, ...]] = ("", ())

    def concepts(self, text: str) -> tuple[Concept, ...]:
        """Returns what a question asks for. The last question is remembered: a search asks twice."""
        last = self._last
        if last[0] != text:
            self._last = last = (text, concepts_of(text, self._lexicon))
        return last[1]

    def read(self, text: str, frequencies: Frequencies) -> Question:
        """Takes a question apart. A rare concept weighs more than a common one, one that no record has weighs most."""
        concepts = self.concepts(text)
        vectors = np.zeros((len(concepts), self._embedder.dimension), np.float32)
        for row, concept in enumerate(concepts):
            total = self._embedder.embed_words(concept.words).sum(axis=0)
            vectors[row] = total / max(float(np.linalg.norm(total)), 1e-12)
        return Question(text, concepts, vectors, _weights(concepts, frequencies))

    def cover(self, question: Question, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the strength of each concept in each text, shape (len(texts), len(concepts)), from 0 to 1."""
        if not texts or not question.concepts:
            return np.zeros((len(texts), len(question.concepts)))
        with self._lock:
            parts = [self._cover(question, texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)]
        return np.concatenate(parts)

    def _cover(self, question: Question, texts: Sequence[str]) -> NDArray[np.float64]:
        strengths = np.zeros((len(texts), len(question.concepts)))
        bags = self._vocabulary.bags(texts)
        filled = [row for row, bag in enumerate(bags) if len(bag)]
        if not filled:
            return strengths
        words, places = np.unique(np.concatenate([bags[row] for row in filled]), return_inverse=True)
        sizes = [len(bags[row]) for row in filled]
        table = self._word_strengths(question, words)
        strengths[filled] = np.maximum.reduceat(table[places], np.cumsum([0, *sizes[:-1]]), axis=0)
        holds = np.zeros((len(texts), len(words)), np.bool_)
        holds[np.repeat(filled, sizes), places] = True
        self._add_phrases(strengths, question.concepts, words, holds)
        return strengths

    def _word_strengths(self, question: Question, words: NDArray[np.int32]) -> NDArray[np.float64]:
        """Strength of every concept in every word, by the words' ascending numbers; shape (words, concepts)."""
        cosines = self._vocabulary.vectors(words) @ question.vectors.T
        table: NDArray[np.float64] = np.clip((cosines.astype(np.float64) - CLOSE) / (1 - CLOSE), 0, 1) * MEANING
        for column, concept in enumerate(question.concepts):
            if concept.beyond:
                table[:, column] = 0.0
                continue
            for term, strength in concept.terms.items():
                if len(term) == 1:
                    for row in self._rows_of(term[0], words):
                        table[row, column] = max(strength, table[row, column])
        return table

    def _rows_of(self, word_stem: str, words: NDArray[np.int32]) -> list[int]:
        """Where the words with this stem stand in the ascending numbers `words`."""
        rows = []
        for number in self._vocabulary.numbers_of(word_stem):
            row = int(words.searchsorted(number))
            if row < len(words) and words[row] == number:
                rows.append(row)
        return rows

    def _add_phrases(
        self,
        strengths: NDArray[np.float64],
        concepts: Sequence[Concept],
        words: NDArray[np.int32],
        holds: NDArray[np.bool_],
    ) -> None:
        """Raises a concept's strength where a phrase that stands for it has all its words in the text.

        `holds` tells which text has which word, shape (texts, words).
        """
        rows: dict[str, list[int]] = {}
        for column, concept in enumerate(concepts):
            for term, strength in () if concept.beyond else concept.terms.items():
                if len(term) == 1:
                    continue
                for word in term:
                    if word not in rows:
                        rows[word] = self._rows_of(word, words)
                    if not rows[word]:
                        break
                else:
                    texts = np.logical_and.reduce([holds[:, rows[word]].any(axis=1) for word in term])
                    strengths[texts, column] = np.maximum(strengths[texts, column], strength)


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
        # Where the records are not known (`total` 0), every concept is as rare as the others.
        idf = math.log((max(total, most) - most + 0.5) / (most + 0.5) + 1)
        absent = not any(count(term) for term, strength in concept.terms.items() if strength >= ABSENT_BELOW)
        weights.append(math.sqrt(idf) * _kind_weight(concept, absent))
    return np.array(weights)


def _kind_weight(concept: Concept, absent: bool) -> float:
    if concept.beyond:
        return WEIGHT_OF_BEYOND
    if not concept.named:
        return WEIGHT_OF_PLAIN
    return WEIGHT_OF_ABSENT if absent else 1.0
