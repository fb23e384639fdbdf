"""The dense vectors of one namespace in memory, and the exact search over them.

One float32 matrix holds the vectors as they were given, so nothing is kept twice and every score is exact. Beside it
lie three numbers per row: its slot, and what turns a dot product into a ranking value: ``dot * scale - bias``. A
removed row stays where it is with an infinite bias.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui.engine import scoring
from tui.engine.records import DenseVector, Similarity
from tui.engine.scoring import Found, Mask

_SAFE_LENGTHS = (1e-15, 1e15)
"""Vector lengths whose squares and products fit float32 comfortably; others are always scored exactly."""

_GATHER_SHARE = 8
"""Below one row in so many, picking rows out beats ranking all (measured 2026-08, 256 dimensions)."""

_NO_ROW = -1


class DenseIndex:
    """Vectors by slot. `size` is one more than the highest slot ever held."""

    def __init__(self, similarity: Similarity, dimension: int, *, capacity: int = 0) -> None:
        self.similarity = similarity
        self.dimension = dimension
        self.size = 0
        self._matrix = np.empty((capacity, dimension), np.float32)
        self._scale = np.empty(capacity, np.float32)
        self._bias = np.empty(capacity, np.float32)
        self._slots = np.empty(capacity, np.int64)
        self._rows = np.full(0, _NO_ROW, np.int32)
        self._used = 0
        self._alive = 0
        self._longest = 0.0
        self._extreme = False

    def __len__(self) -> int:
        return self._alive

    @property
    def wasted(self) -> int:
        """Rows of removed vectors that still take memory."""
        return self._used - self._alive

    def put(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Sets the vectors of `slots` (unique); `vectors` has shape (slots, dimension)."""
        if not len(slots):
            return
        self._reach(int(slots.max()) + 1)
        rows = self._rows[slots].astype(np.int64)
        fresh = np.flatnonzero(rows < 0)
        rows[fresh] = self._used + np.arange(len(fresh))
        self._reserve(self._used + len(fresh))
        self._used += len(fresh)
        self._alive += len(fresh)
        self._rows[slots] = rows
        self._fill(rows, slots, vectors)

    def drop(self, slots: NDArray[np.int64]) -> None:
        """Removes the vectors of those of `slots` that are held."""
        slots = slots[slots < len(self._rows)]
        slots = slots[self._rows[slots] >= 0]
        self._bias[self._rows[slots]] = np.inf
        self._slots[self._rows[slots]] = 0
        self._rows[slots] = _NO_ROW
        self._alive -= len(slots)

    def similarities(self, slots: NDArray[np.int64], query: DenseVector) -> NDArray[np.float64]:
        """Returns the cosine (the dot product under DOT_PRODUCT) of each of `slots`, which must be held."""
        return scoring.raw_similarities(self.similarity, self._matrix[self._rows[slots]], query)

    def search(self, query: DenseVector, k: int, mask: Mask | None = None) -> Found:
        """Returns the `k` best of the slots where `mask` (shape (size,)) is true; of all without a mask."""
        if mask is None:
            rows = None
        else:
            chosen = np.flatnonzero(mask)
            rows = self._rows[chosen].astype(np.intp) if len(chosen) * _GATHER_SHARE < self._used else None
            rows = rows[rows >= 0] if rows is not None else None
        reduced, length = self._reduced(query)
        if self._extreme or not _is_safe(self.similarity, length):
            return self._search_slowly(query, k, mask)
        if rows is not None:
            ranking = self._matrix[rows] @ reduced * self._scale[rows] - self._bias[rows]
        else:
            ranking = self._matrix[: self._used] @ reduced
            ranking *= self._scale[: self._used]
            ranking -= self._bias[: self._used]
            if mask is not None:
                ranking[~mask[self._slots[: self._used]]] = -np.inf
        margin = scoring.ranking_margin(self.similarity, self.dimension, self._longest, length)
        near = scoring.candidates(ranking, k, margin)
        return self._settle(near if rows is None else rows[near], query, k)

    def _search_slowly(self, query: DenseVector, k: int, mask: Mask | None) -> Found:
        rows = np.flatnonzero(self._bias[: self._used] < np.inf)
        if mask is not None:
            rows = rows[mask[self._slots[rows]]]
        return self._settle(rows, query, k)

    def _settle(self, rows: NDArray[np.intp], query: DenseVector, k: int) -> Found:
        scores = scoring.exact_scores(self.similarity, self._matrix, rows, query)
        slots = self._slots[rows]
        order = scoring.best(scores, slots, k)
        return Found(slots[order], scores[order])

    def _reduced(self, query: DenseVector) -> tuple[DenseVector, float]:
        """Returns the query as the ranking wants it, and its length."""
        wide = query.astype(np.float64)
        length = float(np.sqrt(wide @ wide))
        if not _is_safe(self.similarity, length):
            return query, length
        if self.similarity is Similarity.COSINE:
            return ((wide / length) if length else wide).astype(np.float32), length
        return (wide * 2 if self.similarity is Similarity.EUCLIDEAN else wide).astype(np.float32), length

    def _fill(self, rows: NDArray[np.int64], slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self._matrix[rows] = vectors
        self._slots[rows] = slots
        squares = np.einsum("ij,ij->i", vectors, vectors)
        lengths = np.sqrt(squares)
        shortest = float(lengths.min(initial=np.inf, where=lengths > 0))
        self._longest = max(self._longest, float(lengths.max()))
        nothing = bool((vectors[lengths == 0] != 0).any())
        self._extreme |= nothing or shortest < _SAFE_LENGTHS[0] or not self._longest < _SAFE_LENGTHS[1]
        if self.similarity is Similarity.COSINE:
            self._scale[rows] = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        else:
            self._scale[rows] = 1
        self._bias[rows] = squares if self.similarity is Similarity.EUCLIDEAN else 0

    def _reach(self, size: int) -> None:
        if size > len(self._rows):
            grown = np.full(_grown(size), _NO_ROW, np.int32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self.size = max(self.size, size)

    def _reserve(self, capacity: int) -> None:
        if capacity <= len(self._matrix):
            return
        capacity = _grown(capacity)
        matrix = np.empty((capacity, self.dimension), np.float32)
        matrix[: self._used] = self._matrix[: self._used]
        self._matrix = matrix
        for name in ("_scale", "_bias", "_slots"):
            old = getattr(self, name)
            new = np.empty(capacity, old.dtype)
            new[: self._used] = old[: self._used]
            setattr(self, name, new)


def _is_safe(similarity: Similarity, query_length: float) -> bool:
    if similarity is Similarity.COSINE or query_length == 0:
        return True
    return _SAFE_LENGTHS[0] < query_length < _SAFE_LENGTHS[1]


def _grown(size: int) -> int:
    return size + size // 8 + 64
