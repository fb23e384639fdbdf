"""Scores as Upstash gives them: exact in float64, rounded to float32 at the end, equal scores in insertion order.

Searching goes in two steps. A *ranking value* is cheap (one float32 matrix product) and orders rows like their score
up to rounding; what comes within the rounding error of the best `k` is then scored exactly. So results do not depend on
how the linear algebra library sums, and a vector equal to the query scores exactly 1.

Formulas: Upstash documentation, "similarity functions", 2026-08-21.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui.engine.records import DenseVector, Similarity

Mask = NDArray[np.bool_]
"""Which slots may be found, shape (size,)."""

FLOAT32_EPSILON = float(np.finfo(np.float32).eps)

FLOAT32_MAX = float(np.finfo(np.float32).max)
_EXACT_CHUNK = 4096
_GROUP = 16

_LIBRARY_FROM = 20_000 * 256
"""Numbers in a matrix from which several cores pay."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search, best first: `slots`, and `scores` as float32."""

    slots: NDArray[np.int64]
    scores: NDArray[np.float32]


def exact_scores(
    similarity: Similarity, matrix: NDArray[np.float32], rows: NDArray[np.intp], query: DenseVector
) -> NDArray[np.float32]:
    """Returns the scores of the given `rows` of `matrix` for `query`, computed in float64.

    Cosine ``(1 + cos) / 2``, dot product ``(1 + dot) / 2``, Euclidean ``1 / (1 + squared distance)``. A zero vector is
    neither like nor unlike anything: its cosine is 0 and its score 0.5.
    """
    scores = np.empty(len(rows), np.float32)
    wide_query = query.astype(np.float64)
    for start in range(0, len(rows), _EXACT_CHUNK):
        wide = matrix[rows[start : start + _EXACT_CHUNK]].astype(np.float64)
        scores[start : start + _EXACT_CHUNK] = _scores(similarity, wide, wide_query)
    return scores


def raw_similarities(similarity: Similarity, vectors: NDArray[np.float32], query: DenseVector) -> NDArray[np.float64]:
    """Returns dot products under DOT_PRODUCT and cosines (-1 to 1) otherwise, in float64."""
    wide, wide_query = vectors.astype(np.float64), query.astype(np.float64)
    if similarity is Similarity.DOT_PRODUCT:
        return _dots(wide, wide_query)
    return _cosines(wide, wide_query)


def products(matrix: NDArray[np.float32], query: DenseVector) -> NDArray[np.float32]:
    """Returns ``matrix @ query`` in float32.

    The linear algebra library spreads even small products over all cores and then waits for the last; when another
    process has that core, a fifth of a millisecond becomes eight. On one core numpy's own loop is as fast (measured
    2026-08), so the library is left the products where the cores pay.
    """
    if matrix.size > _LIBRARY_FROM:
        return np.asarray(matrix @ query)
    result: NDArray[np.float32] = np.einsum("ij,j->i", matrix, query)
    return result


def best(scores: NDArray[np.float32], order: NDArray[np.int64], k: int) -> NDArray[np.intp]:
    """Returns the positions of the `k` highest scores, best first; equal ones by ascending `order`."""
    return np.lexsort((order, -scores))[:k]


def candidates(ranking: NDArray[np.float32], k: int, margin: float) -> NDArray[np.intp]:
    """Returns the positions of all values that can belong to the `k` highest when each may be wrong by half `margin`.

    Values of minus infinity are never returned.
    """
    if k < len(ranking):
        threshold = np.partition(ranking, len(ranking) - k)[len(ranking) - k]
        if threshold > -np.inf:
            return np.flatnonzero(ranking >= threshold - np.float32(margin))
    return np.flatnonzero(ranking > -np.inf)


def about_best(values: NDArray[np.int16], count: int) -> int:
    """Returns a threshold that at least `count` of the `values` reach, and not many more: cheaper than a partition.

    Needs several times as many values as `count`.
    """
    group = max(1, min(_GROUP, len(values) // (4 * count)))
    groups = len(values) // group
    highest = values[: groups * group].reshape(group, groups).max(axis=0)
    return int(np.partition(highest, groups - count)[groups - count])


def ranking_margin(similarity: Similarity, dimension: int, longest: float, query_length: float) -> float:
    """Returns how far apart two ranking values may be whose exact scores are in the other order, or equal.

    `longest` is the length of the longest vector. Twice the error of a float32 dot product, however the library sums
    it, plus what the score's own rounding to float32 hides.
    """
    error = FLOAT32_EPSILON * (dimension / 8 + 16)
    if similarity is Similarity.COSINE:
        return 2 * error + 2 * FLOAT32_EPSILON
    reach = longest * query_length
    if similarity is Similarity.DOT_PRODUCT:
        return 2 * error * reach + 2 * FLOAT32_EPSILON * (1 + reach)
    return 4 * error * reach + 4 * FLOAT32_EPSILON * (longest**2 + 1 + (longest + query_length) ** 2)


def _scores(similarity: Similarity, vectors: NDArray[np.float64], query: NDArray[np.float64]) -> NDArray[np.float64]:
    if similarity is Similarity.COSINE:
        return (1.0 + _cosines(vectors, query)) / 2.0
    if similarity is Similarity.DOT_PRODUCT:
        dots = (1.0 + _dots(vectors, query)) / 2.0
        return np.clip(dots, -FLOAT32_MAX, FLOAT32_MAX, out=dots)
    differences = vectors - query
    return 1.0 / (1.0 + _squares(differences))


def _cosines(vectors: NDArray[np.float64], query: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.sqrt(_squares(vectors)) * np.sqrt(query @ query)
    dots = _dots(vectors, query)
    cosines: NDArray[np.float64] = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    return np.clip(cosines, -1.0, 1.0, out=cosines)


def _dots(vectors: NDArray[np.float64], query: NDArray[np.float64]) -> NDArray[np.float64]:
    dots: NDArray[np.float64] = vectors @ query
    return dots


def _squares(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", vectors, vectors)
    return squares
