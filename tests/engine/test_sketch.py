"""Large namespaces: exact below 20,000 rows, and nearly so above, whatever the data and the filter."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tui.engine.dense import EXACT_BELOW, DenseIndex
from tui.engine.records import Similarity
from tui.engine.sketch import ROUNDING, Plan, Sketch, plan_sketch

ROWS = 24_000
DIMENSION = 128
K = 10

Floats = NDArray[np.float32]


def clusters(rows: int, noise: float, *, centres: int = 200, seed: int = 3) -> Floats:
    source = np.random.default_rng(seed)
    middles = source.standard_normal((centres, DIMENSION)).astype(np.float32)
    near = noise * source.standard_normal((rows, DIMENSION)).astype(np.float32)
    return middles[source.integers(0, centres, rows)] + near


def questions(vectors: Floats, count: int = 40) -> Floats:
    source = np.random.default_rng(11)
    near = 0.05 * source.standard_normal((count, DIMENSION)).astype(np.float32)
    return vectors[source.integers(0, len(vectors), count)] + near


def index_of(vectors: Floats, similarity: Similarity = Similarity.COSINE) -> DenseIndex:
    index = DenseIndex(similarity, vectors.shape[1])
    for start in range(0, len(vectors), 5000):
        piece = vectors[start : start + 5000]
        index.put(np.arange(start, start + len(piece)), piece)
    for _ in range(4):
        index.search(vectors[0], K)
    return index


def truth(vectors: Floats, queries: Floats, similarity: Similarity) -> NDArray[np.float64]:
    """Returns ranking values in float64, shape (queries, rows)."""
    wide, asked = vectors.astype(np.float64), queries.astype(np.float64)
    values: NDArray[np.float64] = asked @ wide.T
    if similarity is Similarity.EUCLIDEAN:
        values = 2 * values - (wide**2).sum(axis=1)
    if similarity is Similarity.COSINE:
        values /= np.linalg.norm(wide, axis=1)
    return values


def recall(index: DenseIndex, vectors: Floats, mask: NDArray[np.bool_] | None = None, *, given: bool = True) -> float:
    """Returns recall@10 over some questions; `mask` is passed to the search when `given`."""
    queries = questions(vectors)
    values = truth(vectors, queries, index.similarity)
    if mask is not None:
        values[:, ~mask] = -np.inf
    best = np.argpartition(values, -K, axis=1)[:, -K:]
    found = [
        np.isin(index.search(query, K, mask if given else None).slots, expected).sum()
        for query, expected in zip(queries, best, strict=True)
    ]
    return float(np.mean(found)) / K


def test_small_namespaces_are_searched_exactly() -> None:
    vectors = clusters(EXACT_BELOW - 1, 0.7)
    index = index_of(vectors)
    assert not index.sketched
    assert recall(index, vectors) == 1.0


@pytest.mark.parametrize("noise", [0.05, 0.3, 1.0, 1.5])
def test_clustered_data_is_found_by_sketches(noise: float) -> None:
    vectors = clusters(ROWS, noise)
    index = index_of(vectors)
    assert index.sketched
    assert recall(index, vectors) >= 0.99


@pytest.mark.parametrize("similarity", [Similarity.EUCLIDEAN, Similarity.DOT_PRODUCT])
def test_other_similarities_are_searched_exactly(similarity: Similarity) -> None:
    vectors = clusters(ROWS, 0.5)
    index = index_of(vectors, similarity)
    assert not index.sketched
    assert recall(index, vectors) == 1.0


def test_promises_never_overflow_their_integers() -> None:
    """Vectors within the sketched directions, against and with the query, make the largest sums there are."""
    source = np.random.default_rng(2)
    basis = np.linalg.qr(source.standard_normal((DIMENSION, 48)))[0].astype(np.float32)
    vectors = np.concatenate([source.standard_normal((500, 48)), np.eye(48), -np.eye(48)]).astype(np.float32) @ basis.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sketch = Sketch(Plan(basis, reach=1.0), len(vectors))
    sketch.put(np.arange(len(vectors)), vectors)
    for query in vectors[::7]:
        promises, one = sketch.promises(query, len(vectors))
        assert np.allclose(promises / one, vectors @ query, atol=4 * ROUNDING)


def test_a_query_of_nothing_finds_the_first_rows() -> None:
    index = index_of(clusters(ROWS, 0.3))
    assert index.search(np.zeros(DIMENSION, np.float32), 3).slots.tolist() == [0, 1, 2]


@pytest.mark.parametrize("share", [0.5, 0.2, 0.02, 0.0005])
def test_filters_lose_nothing(share: float) -> None:
    vectors = clusters(ROWS, 0.7)
    index = index_of(vectors)
    assert index.sketched
    mask = np.random.default_rng(1).random(ROWS) < share
    assert recall(index, vectors, mask) >= 0.99


def test_data_without_directions_is_searched_exactly() -> None:
    vectors = clusters(ROWS, 1.0, centres=1) - clusters(1, 0.0, centres=1)
    index = index_of(vectors)
    assert not index.sketched
    assert recall(index, vectors) == 1.0


def test_short_vectors_get_no_sketch() -> None:
    assert plan_sketch(np.ones((100, 64), np.float32), 50_000) is None


def test_writes_reach_the_sketch() -> None:
    vectors = clusters(ROWS, 0.7)
    index = index_of(vectors)
    index.drop(np.arange(0, ROWS, 3))
    index.put(np.arange(0, ROWS, 7), -vectors[::7])
    more = clusters(9000, 0.7, seed=4)
    index.put(np.arange(ROWS, ROWS + 9000), more)
    assert index.sketched
    current = np.concatenate([vectors, more])
    current[:ROWS:7] = -vectors[::7]
    alive = np.ones(len(current), bool)
    alive[:ROWS:3] = False
    alive[:ROWS:7] = True
    assert recall(index, current, alive, given=False) >= 0.99


def test_many_results_of_equal_vectors_come_in_order() -> None:
    vectors = clusters(ROWS, 0.3)
    vectors[5000:5400] = vectors[17]
    index = index_of(vectors)
    found = index.search(vectors[17], 300)
    assert found.slots.tolist() == [17, *range(5000, 5299)]
    assert set(found.scores.tolist()) == {1.0}
