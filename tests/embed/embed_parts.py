"""The built-in model and what stands on it, loaded once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from tui.embed.bm25 import term_index
from tui.embed.builtin import BuiltinEmbedder
from tui.embed.evidence import Evidence, Frequencies
from tui.embed.lexicon import food_lexicon
from tui.embed.relevance import Relevance
from tui.embed.words import split_words, stem


@lru_cache(maxsize=1)
def builtin() -> BuiltinEmbedder:
    return BuiltinEmbedder()


@lru_cache(maxsize=1)
def evidence() -> Evidence:
    return Evidence(builtin(), food_lexicon())


@lru_cache(maxsize=1)
def relevance() -> Relevance:
    return Relevance(evidence())


def nothing_known(indices: Sequence[int]) -> tuple[Mapping[int, int], int]:
    return {}, 0


def frequencies_of(texts: Sequence[str]) -> Frequencies:
    """Counts in how many of the texts each term occurs."""
    terms = [{term_index(stem(word)) for word in split_words(text)} for text in texts]

    def frequencies(indices: Sequence[int]) -> tuple[Mapping[int, int], int]:
        return {index: sum(index in held for held in terms) for index in indices}, len(texts)

    return frequencies
