"""Scores, ties, fusion, IDF: what a query returns."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.engine.rows import ids, numbered, row, terms
from tui.core.errors import FilterSyntaxError, InvalidQuery
from tui.core.records import SparseVector
from tui.engine.database import Database
from tui.engine.records import Fusion, Include, IndexConfig, Scored, Similarity, Weighting


def scores(hits: list[Scored]) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in hits]


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        (Similarity.COSINE, [("same", 1.0), ("right", 0.8), ("zero", 0.5), ("left", 0.2)]),
        (Similarity.DOT_PRODUCT, [("same", 13.0), ("right", 2.0), ("zero", 0.5), ("left", -1.0)]),
        (Similarity.EUCLIDEAN, [("same", 1.0), ("right", 0.04761905), ("zero", 0.03846154), ("left", 0.030303031)]),
    ],
)
def test_the_three_similarities(
    opened: Callable[..., Database], similarity: Similarity, expected: list[tuple[str, float]]
) -> None:
    database = opened(IndexConfig(2, similarity))
    vectors = {"left": [-1.0, 0.0], "right": [1.0, 0.0], "zero": [0.0, 0.0], "same": [3.0, 4.0]}
    database.upsert("", [row(id, vector) for id, vector in vectors.items()])
    assert scores(database.query("", vector=[3, 4])) == expected


@pytest.mark.parametrize("vector", [[0.1, 0.1], [0.7, 0.8], [1e-20, 3e-20], [1e20, 3e20], [0.3, -0.9]])
def test_an_equal_vector_scores_exactly_one(dense: Database, vector: list[float]) -> None:
    dense.upsert("", [row("a", vector), row("b", [-1, 0.5])])
    assert scores(dense.query("", vector=vector, top_k=1)) == [("a", 1.0)]


def test_scores_are_written_in_the_shortest_decimals(dense: Database) -> None:
    dense.upsert("", [row("a", [0.1, 0.2])])
    [hit] = dense.query("", vector=[0.3, 0.5])
    assert hit.score == float(str(np.float32((1 + 0.13 / math.sqrt(0.05 * 0.34)) / 2)))
    assert len(str(hit.score)) <= 11


def test_a_zero_query_is_like_nothing(dense: Database) -> None:
    dense.upsert("", numbered(3))
    assert scores(dense.query("", vector=[0, 0], top_k=2)) == [("id-0", 0.5), ("id-1", 0.5)]


def test_equal_scores_come_in_insertion_order(dense: Database) -> None:
    dense.upsert("", [row(f"z-{number}", [number % 7 + 1, number % 7 + 1]) for number in range(50)])
    dense.upsert("", [row("a", [5, 5]), row("z-7", [1, 1])])
    assert ids(dense.query("", vector=[2, 2], top_k=20)) == [f"z-{number}" for number in range(20)]


def test_thousands_of_equal_vectors_keep_their_order(dense: Database) -> None:
    dense.upsert("", [row(str(number), [0.3, 0.7]) for number in range(9000)])
    assert ids(dense.query("", vector=[0.1, 0.9], top_k=5)) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("similarity", list(Similarity))
def test_vectors_at_the_edge_of_float32(opened: Callable[..., Database], similarity: Similarity) -> None:
    database = opened(IndexConfig(2, similarity))
    database.upsert("", [row("huge", [3e38, 1e38]), row("tiny", [1e-45, 0]), row("one", [1, 1])])
    hits = database.query("", vector=[3e38, 1e38])
    assert hits[0].id == "huge"
    assert all(math.isfinite(hit.score) for hit in hits)
    assert len(database.query("", vector=[1e-45, 0])) == 3


def test_sparse_scores_are_inner_products(sparse: Database) -> None:
    sparse.upsert("", [row("a", sparse={1: 0.1, 5: 2}), row("b", sparse={5: 3}), row("c", sparse={9: 1})])
    assert scores(sparse.query("", sparse=terms({5: 2, 1: 10}))) == [("b", 6.0), ("a", 5.0)]


def test_rows_that_share_no_index_are_left_out(sparse: Database) -> None:
    sparse.upsert("", [row("a", sparse={1: 1}), row("none", sparse={}), row("zero", sparse={2: 0})])
    assert sparse.query("", sparse=terms({7: 1})) == []
    assert sparse.query("", sparse=terms({})) == []
    assert scores(sparse.query("", sparse=terms({2: 1}))) == [("zero", 0.0)]


def test_a_repeated_index_counts_with_its_sum(sparse: Database) -> None:
    sparse.upsert("", [row("b", sparse={1: 2.5})])
    given = SparseVector([1, 3, 1], [1, 1, 2])
    sparse.upsert("", [type(row("a"))("a", sparse=given)])
    assert scores(sparse.query("", sparse=SparseVector([1, 1], [1, 1]))) == [("a", 6.0), ("b", 5.0)]
    [found] = sparse.fetch("", ["a"], include=Include(vectors=True))
    assert found is not None
    assert found.sparse == SparseVector([1, 3, 1], [1.0, 1.0, 2.0])
    assert sparse.document_frequencies("", [1, 3, 4])[0].tolist() == [2, 1, 0]


def test_idf_weighting_gives_the_service_s_numbers(sparse: Database) -> None:
    """Scores asserted by the tests of upstash/vector-js (2026-03), which need N = 3 and ln((N-n+0.5)/(n+0.5)+1)."""
    sparse.upsert(
        "",
        [row("id0", sparse={0: 0.1, 1: 0.2}), row("id1", sparse={1: 0.3}), row("id2", sparse={0: 0.1, 1: 0.1, 2: 0.1})],
    )
    found = dict(scores(sparse.query("", sparse=terms({0: 0.2, 1: 0.1}), weighting=Weighting.IDF)))
    both, two = (math.log((3 - n + 0.5) / (n + 0.5) + 1) for n in (3, 2))
    assert found["id1"] == pytest.approx(0.03 * both, rel=1e-6)
    assert found["id0"] == pytest.approx(0.02 * two + 0.02 * both, rel=1e-6)


def test_idf_counts_the_namespace_as_it_is(sparse: Database) -> None:
    sparse.upsert("", [row(str(number), sparse={number % 2: 1}) for number in range(10)])
    sparse.upsert("ns", [row("x", sparse={0: 1})])
    assert sparse.document_frequencies("", [0, 1, 2])[0].tolist() == [5, 5, 0]
    sparse.delete("", ids=["0", "2"])
    sparse.upsert("", [row("4", sparse={1: 1})])
    frequencies, records = sparse.document_frequencies("", [0, 1])
    assert (frequencies.tolist(), records) == ([2, 6], 8)
    assert sparse.document_frequencies("elsewhere", [0])[1] == 0


def test_reciprocal_ranks_start_at_sixty(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 1}), row("b", [1, 1], {1: 3}), row("c", [0, 1], {1: 2})])
    found = scores(hybrid.query("", vector=[1, 0], sparse=terms({1: 1})))
    assert found == [("b", 0.03306011), ("a", 0.032795697), ("c", 0.032522473)]


def test_the_first_of_both_rankings_scores_two_sixtieths(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 3}), row("b", [1, 1], {1: 1})])
    assert hybrid.query("", vector=[1, 0], sparse=terms({1: 1}))[0].score == 0.033333335


def test_distribution_based_fusion_uses_the_sample_deviation(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 1}), row("b", [0, 1], {1: 1})])
    found = dict(scores(hybrid.query("", vector=[1, 0], sparse=terms({1: 1}), fusion=Fusion.DBSF)))
    # Two scores lie half a sample deviation times the square root of two from their mean: 0.5 +- 1 / (6 * sqrt(2)).
    assert found["a"] - 0.5 == pytest.approx(0.617851, abs=1e-6)
    assert found["b"] - 0.5 == pytest.approx(1 - 0.617851, abs=1e-6)


def test_distribution_based_fusion_of_one_candidate_is_a_half(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 1}), row("b", [0, 1], {2: 1})])
    found = scores(hybrid.query("", vector=[1, 0], sparse=terms({1: 1}), top_k=1, fusion=Fusion.DBSF))
    assert found == [("a", 1.0)]


def test_depth_widens_what_is_fused(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 1}), row("b", [1, 0.1], {1: 2}), row("c", [0, 1], {1: 3})])
    shallow = hybrid.query("", vector=[1, 0], sparse=terms({1: 1}), top_k=1)
    deep = hybrid.query("", vector=[1, 0], sparse=terms({1: 1}), top_k=1, depth=3)
    assert (ids(shallow), ids(deep)) == (["a"], ["a"])
    assert shallow[0].score < deep[0].score


@pytest.mark.parametrize("fusion", list(Fusion))
def test_a_hybrid_index_asked_with_one_kind_gives_plain_scores(hybrid: Database, fusion: Fusion) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 4})])
    assert scores(hybrid.query("", vector=[1, 0], fusion=fusion)) == [("a", 1.0)]
    assert scores(hybrid.query("", sparse=terms({1: 2}), fusion=fusion)) == [("a", 8.0)]


def test_filters_narrow_every_kind_of_query(hybrid: Database) -> None:
    regions = ["Japan", "Peru"]
    hybrid.upsert(
        "",
        [row(f"id-{n}", [n, 1], {1: n}, metadata={"region": regions[n % 2]} if n < 8 else None) for n in range(10)],
    )
    assert ids(hybrid.query("", vector=[9, 1], top_k=2, filter="region = 'Peru'")) == ["id-7", "id-5"]
    assert ids(hybrid.query("", sparse=terms({1: 1}), top_k=2, filter="region = 'Japan'")) == ["id-6", "id-4"]
    both = hybrid.query("", vector=[9, 1], sparse=terms({1: 1}), top_k=2, filter="HAS NOT FIELD region")
    assert ids(both) == ["id-9", "id-8"]
    assert hybrid.query("", vector=[9, 1], filter="region = 'Mali'") == []


def test_filters_see_every_write(dense: Database) -> None:
    dense.upsert("", [row("a", [1, 0], metadata={"x": 1}), row("b", [1, 1], metadata={"x": 2})])
    assert ids(dense.query("", vector=[1, 0], filter="x = 1")) == ["a"]
    dense.update("", "b", metadata={"x": 1})
    dense.upsert("", [row("c", [0, 1], metadata={"x": 1})])
    assert ids(dense.query("", vector=[1, 0], filter="x = 1")) == ["a", "b", "c"]
    dense.delete("", ids=["a"])
    assert ids(dense.query("", vector=[1, 0], filter="x = 1")) == ["b", "c"]
    assert ids(dense.query("", vector=[1, 0], filter="HAS NOT FIELD y")) == ["b", "c"]


def test_a_missing_namespace_answers_nothing_and_stays_missing(hybrid: Database) -> None:
    assert hybrid.query("nowhere", vector=[1, 0], sparse=terms({1: 1}), filter="x = 1") == []
    assert hybrid.namespaces() == [""]


def test_results_carry_what_is_asked(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 4}, "text", {"x": 1})])
    [hit] = hybrid.query("", vector=[1, 0], include=Include(vectors=True, metadata=False))
    assert hit.row.vector is not None
    assert hit.row.vector.tolist() == [1, 0]
    assert (hit.row.sparse, hit.row.data, hit.row.metadata) == (SparseVector([1], [4.0]), "text", None)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"vector": [1, 2, 3]}, "Invalid vector dimension: 3, expected: 2"),
        ({}, "This index requires dense vectors"),
        ({"vector": [1, 2], "top_k": 0}, "at least one"),
        ({"vector": [1, 2], "depth": 0}, "at least one"),
        ({"vector": [1, float("inf")]}, "not finite"),
        ({"sparse": SparseVector([1], [1.0])}, "no sparse"),
        ({"vector": [1, 2], "filter": "x ="}, "does not parse"),
    ],
)
def test_a_query_that_does_not_fit_is_refused(dense: Database, query: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidQuery, match=message):
        dense.query("", **query)  # type: ignore[arg-type]


def test_a_sparse_index_takes_no_dense_query(sparse: Database) -> None:
    with pytest.raises(InvalidQuery, match="This index requires sparse vectors"):
        sparse.query("", vector=[1, 2])
    with pytest.raises(FilterSyntaxError):
        sparse.query("", sparse=terms({1: 1}), filter="nonsense")
    with pytest.raises(InvalidQuery, match="32 bits"):
        sparse.query("", sparse=terms({2**40: 1}))


def test_similarities_are_raw(dense: Database, opened: Callable[..., Database]) -> None:
    dense.upsert("", [row("a", [1, 0]), row("b", [0, 2]), row("c", [-3, 0]), row("d", [0, 0])])
    found = dense.similarities("", ["c", "missing", "a", "b", "d"], [5, 0])
    assert np.array_equal(found, [-1, np.nan, 1, 0, 0], equal_nan=True)
    assert np.isnan(dense.similarities("elsewhere", ["a"], [5, 0])).all()
    dots = opened(IndexConfig(2, Similarity.DOT_PRODUCT), dense.path.with_name("dots.db"))
    dots.upsert("", [row("a", [2, 3])])
    assert dots.similarities("", ["a"], [5, 1]).tolist() == [13]
