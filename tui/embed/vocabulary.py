"""The words met lately, numbered: their unit vectors, their stems, and texts as sets of word numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from tui.embed.words import FUNCTION_WORDS, split_words, stem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tui.embed.builtin import BuiltinEmbedder

_MAX_CHARACTERS = 6000
"""Of a text that are looked at: what a longer one is about is said by then."""


class Vocabulary:
    """Numbers words in the order in which they are met.

    Questions that follow each other meet the same records, so words and texts are kept until there are too many, and
    then all forgotten: about 10 MB at most. Numbers are valid until the next call of `bags`.
    """

    WORDS: Final = 8192
    TEXTS: Final = 8192

    def __init__(self, embedder: BuiltinEmbedder) -> None:
        self._embedder = embedder
        self._forget()

    def bags(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Returns the numbers of each text's distinct topical words."""
        if len(self._numbers) > self.WORDS or len(self._bags) > self.TEXTS:
            self._forget()
        # Kept by their 64-bit hashes: the texts themselves may be large.
        keys = list(map(hash, texts))
        fresh = {key: _topical_words(text) for key, text in zip(keys, texts, strict=True) if key not in self._bags}
        self._learn(frozenset().union(*fresh.values()).difference(self._numbers))
        for key, words in fresh.items():
            self._bags[key] = np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words))
        return [self._bags[key] for key in keys]

    def vectors(self, numbers: NDArray[np.int32]) -> NDArray[np.float32]:
        """Returns the unit vectors of words by number, shape (len(numbers), dimension)."""
        found: NDArray[np.float32] = self._vectors[numbers]
        return found

    def numbers_of(self, word_stem: str) -> Sequence[int]:
        """Returns the numbers of the words with this stem."""
        return self._by_stem.get(word_stem, ())

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._by_stem: dict[str, list[int]] = {}
        self._bags: dict[int, NDArray[np.int32]] = {}
        self._vectors = np.empty((0, self._embedder.dimension), np.float32)

    def _learn(self, words: Collection[str]) -> None:
        if not words:
            return
        ordered = sorted(words)
        first = len(self._numbers)
        for number, word in enumerate(ordered, start=first):
            self._numbers[word] = number
            self._by_stem.setdefault(stem(word), []).append(number)
        if len(self._numbers) > len(self._vectors):
            grown = np.empty((max(2 * len(self._numbers), 1024), self._embedder.dimension), np.float32)
            grown[:first] = self._vectors[:first]
            self._vectors = grown
        self._vectors[first : len(self._numbers)] = self._embedder.embed_words(ordered)


def _topical_words(text: str) -> frozenset[str]:
    return frozenset(split_words(text[:_MAX_CHARACTERS])) - FUNCTION_WORDS
