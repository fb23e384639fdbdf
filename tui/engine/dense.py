"""The dense vectors of one namespace in memory, and the search over them.

One float32 matrix holds the vectors as they were given, so nothing is kept twice and every score is exact. Beside it
lie three numbers per row: its slot, and what turns a dot product into a ranking value: ``dot * scale - bias``. A
removed row stays where it is with an infinite bias.

Small namespaces are searched exactly, and so are those that are not compared by cosine. The others get a sketch (see
`tui.engine.sketch`), which is not kept on disk: making it takes about as long as thirty exact searches, so the first
few go without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.engine import scoring
from tui.engine.records import DenseVector, Similarity
from tui.engine.scoring import Found, Mask
from tui.engine.sketch import ROUNDING, SAMPLE_ROWS, Sketch, plan_sketch

EXACT_BELOW = 20_000
"""Rows up to which every search is exact."""

_SEARCHES_BEFORE_SKETCH = 3

_SAFE_LENGTHS = (1e-15, 1e15)
"""Vector lengths whose squares and products fit float32 comfortably; others are always scored exactly."""

_GATHER_SHARE = 8
"""Below one row in so many, picking rows out beats ranking all (measured 2026-11, 256 dimensions)."""

_FIRST_LOOK = 64
"""Most promising rows that are ranked first, to learn what the k-th best amounts to."""

_SKETCH_CHUNK = 4096
_NO_ROW = -1
_NO_PROMISE = int(np.iinfo(np.int16).min)


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
        self._sketch: Sketch | None = None
        self._searches = 0
        self._planned_at = 0

    def __len__(self) -> int:
        return self._alive

    @property
    def wasted(self) -> int:
        """Rows of removed vectors that still take memory."""
        return self._used - self._alive

    @property
    def sketched(self) -> bool:
        """Whether searches go by a sketch now."""
        return self._sketch is not None

    def put(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Sets the vectors of `slots` (unique); `vectors` has shape (slots, dimension)."""
        if not len(slots):
            return
        self._reach(int(slots.max()) + 1)
        rows = self._rows[slots].astype(np.intp)
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
        rows = self._rows[slots].astype(np.intp)
        slots, rows = slots[rows >= 0], rows[rows >= 0]
        self._bias[rows] = np.inf
        self._slots[rows] = 0
        self._rows[slots] = _NO_ROW
        self._alive -= len(slots)
        if self._sketch is not None:
            self._sketch.drop(rows)

    def similarities(self, slots: NDArray[np.int64], query: DenseVector) -> NDArray[np.float64]:
        """Returns the cosine (the dot product under DOT_PRODUCT) of each of `slots`, which must be held."""
        return scoring.raw_similarities(self.similarity, self._matrix[self._rows[slots]], query)

    def search(self, query: DenseVector, k: int, mask: Mask | None = None) -> Found:
        """Returns the `k` best of the slots where `mask` (shape (size,)) is true; of all without a mask."""
        reduced, length = self._reduced(query)
        if self._extreme or not _is_safe(self.similarity, length):
            return self._settle(self._allowed_rows(mask), query, k)
        margin = scoring.ranking_margin(self.similarity, self.dimension, self._longest, length)
        rows = self._few_rows(mask)
        if rows is None:
            self._consider_sketch()
            rows = self._promising_rows(reduced, k, mask, margin)
        if rows is not None:
            return self._settle(rows[scoring.candidates(self._rank(rows, reduced), k, margin)], query, k)
        ranking = scoring.products(self._matrix[: self._used], reduced)
        ranking *= self._scale[: self._used]
        ranking -= self._bias[: self._used]
        if mask is not None:
            ranking[~mask[self._slots[: self._used]]] = -np.inf
        return self._settle(scoring.candidates(ranking, k, margin), query, k)

    def _few_rows(self, mask: Mask | None) -> NDArray[np.intp] | None:
        """Returns the rows that a mask allows when they are few, else None."""
        if mask is None or np.count_nonzero(mask) * _GATHER_SHARE > self._used:
            return None
        rows = self._rows[: self.size][mask[: self.size]].astype(np.intp)
        return rows[rows >= 0]

    def _allowed_rows(self, mask: Mask | None) -> NDArray[np.intp]:
        rows = np.flatnonzero(self._bias[: self._used] < np.inf)
        return rows if mask is None else rows[mask[self._slots[rows]]]

    def _promising_rows(
        self, reduced: DenseVector, k: int, mask: Mask | None, margin: float
    ) -> NDArray[np.intp] | None:
        """Returns the rows that may be among the `k` best, None when the sketch cannot rule out enough of them."""
        if self._sketch is None:
            return None
        first = max(_FIRST_LOOK, 4 * k)
        if first * 4 * _GATHER_SHARE > self._used:
            return None
        promises, one = self._sketch.promises(reduced, self._used)
        if mask is not None:
            promises[~mask[self._slots[: self._used]]] = _NO_PROMISE
        look = np.flatnonzero(promises >= scoring.about_best(promises, first))
        if len(look) * _GATHER_SHARE > self._used:
            return None
        ranking = self._rank(look, reduced)
        threshold = float(np.partition(ranking, len(look) - k)[len(look) - k]) - margin - ROUNDING
        rows = np.flatnonzero(promises >= max(threshold * one, _NO_PROMISE + 1))
        return rows if len(rows) * _GATHER_SHARE < self._used else None

    def _rank(self, rows: NDArray[np.intp], reduced: DenseVector) -> NDArray[np.float32]:
        ranking: NDArray[np.float32] = scoring.products(self._matrix[rows], reduced) * self._scale[rows]
        return ranking - self._bias[rows]

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

    def _consider_sketch(self) -> None:
        """Makes a sketch when the namespace is large and searched often, and again when it has doubled."""
        self._searches += 1
        due = self._used >= EXACT_BELOW and self._used >= 2 * self._planned_at
        if self.similarity is not Similarity.COSINE or not due or self._searches <= _SEARCHES_BEFORE_SKETCH:
            return
        self._planned_at, self._sketch = self._used, None
        alive = np.flatnonzero(self._bias[: self._used] < np.inf)
        chosen = np.random.default_rng(len(alive)).choice(alive, min(SAMPLE_ROWS, len(alive)), replace=False)
        plan = plan_sketch(self._scaled(chosen), len(alive))
        if plan is None:
            return
        self._sketch = Sketch(plan, len(self._matrix))
        for start in range(0, len(alive), _SKETCH_CHUNK):
            rows = alive[start : start + _SKETCH_CHUNK]
            self._sketch.put(rows, self._scaled(rows))

    def _scaled(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = self._matrix[rows]
        scaled *= self._scale[rows, np.newaxis]
        return scaled

    def _fill(self, rows: NDArray[np.intp], slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self._matrix[rows] = vectors
        self._slots[rows] = slots
        squares = np.einsum("ij,ij->i", vectors, vectors)
        lengths = np.sqrt(squares)
        shortest = float(lengths.min(initial=np.inf, where=lengths > 0))
        self._longest = max(self._longest, float(lengths.max()))
        vanished = bool((vectors[lengths == 0] != 0).any())
        self._extreme |= vanished or shortest < _SAFE_LENGTHS[0] or not self._longest < _SAFE_LENGTHS[1]
        if self.similarity is Similarity.COSINE:
            self._scale[rows] = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        else:
            self._scale[rows] = 1
        # Infinity is for removed rows alone; a vector too long for float32 has put the index into exact mode above.
        self._bias[rows] = np.minimum(squares, scoring.FLOAT32_MAX) if self.similarity is Similarity.EUCLIDEAN else 0
        if self._sketch is not None:
            self._sketch.put(rows, self._scaled(rows))

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
        self._matrix = _regrown(self._matrix, self._used, capacity)
        self._scale = _regrown(self._scale, self._used, capacity)
        self._bias = _regrown(self._bias, self._used, capacity)
        self._slots = _regrown(self._slots, self._used, capacity)
        if self._sketch is not None:
            self._sketch.grow(self._used, capacity)


def _is_safe(similarity: Similarity, query_length: float) -> bool:
    if similarity is Similarity.COSINE or query_length == 0:
        return True
    return _SAFE_LENGTHS[0] < query_length < _SAFE_LENGTHS[1]


def _grown(size: int) -> int:
    return size + size // 8 + 64


def _regrown(array: NDArray[Any], used: int, capacity: int) -> NDArray[Any]:
    grown = np.empty((capacity, *array.shape[1:]), array.dtype)
    grown[:used] = array[:used]
    return grown
