"""Relevance from 0 to 1: how well a record answers a question, from the model's similarity and the words it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tui.core.limits import MAX_SPARSE_VALUES
from tui.core.records import SparseVector
from tui.embed.bm25 import term_index
from tui.embed.calibration import BEYOND_FACTOR, CURVE, SIMILARITY_SHARE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tui.embed.evidence import Evidence, Frequencies

_WIDENED = 0.3
"""Weight of what stands for a word, beside 1 for the word itself: enough to be found, not enough to lead."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`relevance` of one text to a question and the `coverage` it rests on, both from 0 to 1."""

    relevance: float
    coverage: float


class Relevance:
    """Judges texts by calibrated evidence; see `calibration` for the constants and `evidence` for the measure."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    def judge(
        self, question: str, texts: Sequence[str], similarities: NDArray[np.float64], frequencies: Frequencies
    ) -> list[Judgement]:
        """Judges each text; `similarities` are the cosines of question and texts, shape (len(texts),)."""
        read = self.evidence.read(question, frequencies)
        strengths = self.evidence.cover(read, texts)
        coverage = strengths @ read.weights / max(float(read.weights.sum()), 1e-9)
        evidence = SIMILARITY_SHARE * similarities + (1 - SIMILARITY_SHARE) * coverage
        if any(concept.beyond for concept in read.concepts):
            evidence = evidence * BEYOND_FACTOR
        # Rounded, so that equal evidence is equal whatever order the words were looked at in.
        evidence = np.round(evidence, 6)
        relevance = 1.0 - (1.0 - np.clip(evidence, 0.0, 1.0)) ** CURVE
        return [Judgement(float(r), float(c)) for r, c in zip(relevance, np.clip(coverage, 0.0, 1.0), strict=True)]

    def widen(self, question: str) -> SparseVector:
        """Returns a keyword query that also looks, with less weight, for what stands for the question's words."""
        weights: dict[int, float] = {}
        for concept in self.evidence.concepts(question):
            for term, strength in concept.terms.items():
                weight = strength if strength == 1.0 else _WIDENED * strength / len(term)
                for word in term:
                    index = term_index(word)
                    weights[index] = max(weight, weights.get(index, 0.0))
        kept = sorted(sorted(weights, key=lambda index: -weights[index])[:MAX_SPARSE_VALUES])
        return SparseVector(kept, [weights[index] for index in kept])
