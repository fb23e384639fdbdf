"""The database beside a plain model of it: whatever is done to both, they answer alike."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.engine.rows import Model, f32, ids, row, terms
from tui.core.checkpoints import no_checkpoint
from tui.engine.database import Database
from tui.engine.records import Fusion, Include, IndexConfig, Row, Similarity, Weighting

IDS = st.sampled_from([f"{letter}-{number}" for letter in "ab" for number in range(6)])
# Small halves make sums exact in any order, so that ties are ties everywhere.
NUMBERS = st.integers(-4, 4).map(lambda number: number / 2)
VECTORS = st.lists(NUMBERS, min_size=3, max_size=3)
SPARSE = st.dictionaries(st.integers(0, 5), NUMBERS, max_size=4)
METADATA = st.none() | st.fixed_dictionaries({}, optional={"x": st.integers(0, 2), "y": st.sampled_from(["p", "q"])})
FILTERS = st.sampled_from(["", "x = 1", "x != 1 AND y = 'p'", "HAS NOT FIELD y", "y GLOB '*'", "x IN (0, 2)"])
ROWS = st.builds(row, IDS, VECTORS, SPARSE, st.none() | st.text(max_size=3), METADATA)
BATCHES = st.lists(ROWS, min_size=1, max_size=8)


def answers(hits: list[Any]) -> list[tuple[str, float]]:
    return [(hit.id, pytest.approx(f32(hit.score), rel=1e-6, abs=1e-6)) for hit in hits]


class TwoDatabases(RuleBasedStateMachine):
    """Two connections to one file take turns; both have to agree with the model at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.databases: list[Database] = []

    @initialize(similarity=st.sampled_from(list(Similarity)))
    def start(self, similarity: Similarity) -> None:
        self.model = Model(similarity)
        self.path = Path(self.folder.name) / "index.db"
        self.config = IndexConfig(3, similarity, sparse=True)
        self.databases = [Database.open(self.path, self.config, checkpoint=no_checkpoint) for _ in range(2)]

    def teardown(self) -> None:
        for database in self.databases:
            database.close()
        self.folder.cleanup()

    @rule(batch=BATCHES, who=st.integers(0, 1))
    def upsert(self, batch: list[Row], who: int) -> None:
        self.databases[who].upsert("ns", batch)
        self.model.upsert({row.id: row for row in batch}.values())

    @rule(some=st.lists(IDS, min_size=1, max_size=4), who=st.integers(0, 1))
    def delete(self, some: list[str], who: int) -> None:
        assert self.databases[who].delete("ns", ids=some) == self.model.delete(some)

    @rule(filter=FILTERS.filter(bool), who=st.integers(0, 1))
    def delete_by_filter(self, filter: str, who: int) -> None:
        assert self.databases[who].delete("ns", filter=filter) == self.model.delete(ids(self.model.matching(filter)))

    @rule(prefix=st.sampled_from(["a", "b-", "a-1"]), who=st.integers(0, 1))
    def delete_by_prefix(self, prefix: str, who: int) -> None:
        expected = self.model.delete([id for id in self.model.rows if id.startswith(prefix)])
        assert self.databases[who].delete("ns", prefix=prefix) == expected

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), metadata=METADATA.filter(bool), who=st.integers(0, 1))
    def update(self, data: st.DataObject, metadata: dict[str, Any], who: int) -> None:
        old = self.model.rows[data.draw(st.sampled_from(sorted(self.model.rows)))]
        self.model.rows[old.id] = Row(old.id, old.vector, old.sparse, old.data, metadata)
        assert self.databases[who].update("ns", old.id, metadata=metadata) == 1

    @rule(who=st.integers(0, 1))
    def reset(self, who: int) -> None:
        self.databases[who].reset("ns")
        self.model.rows.clear()

    @rule(who=st.integers(0, 1))
    def reopen(self, who: int) -> None:
        self.databases[who].close()
        self.databases[who] = Database.open(self.path)

    @rule(vector=VECTORS, k=st.integers(1, 14), filter=FILTERS, who=st.integers(0, 1))
    def ask_dense(self, vector: list[float], k: int, filter: str, who: int) -> None:
        hits = self.databases[who].query("ns", vector=vector, top_k=k, filter=filter)
        assert answers(hits) == self.model.query(k, vector=vector, filter=filter)

    @rule(
        sparse=SPARSE,
        k=st.integers(1, 14),
        filter=FILTERS,
        weighting=st.sampled_from([None, Weighting.IDF]),
        who=st.integers(0, 1),
    )
    def ask_sparse(self, sparse: dict[int, float], k: int, filter: str, weighting: Weighting | None, who: int) -> None:
        hits = self.databases[who].query("ns", sparse=terms(sparse), top_k=k, filter=filter, weighting=weighting)
        assert answers(hits) == self.model.query(k, sparse=sparse, filter=filter, weighting=weighting)

    @rule(vector=VECTORS, sparse=SPARSE, k=st.integers(1, 14), fusion=st.sampled_from(list(Fusion)))
    def ask_both(self, vector: list[float], sparse: dict[int, float], k: int, fusion: Fusion) -> None:
        for database in self.databases:
            hits = database.query("ns", vector=vector, sparse=terms(sparse), top_k=k, fusion=fusion)
            expected = self.model.query(k, vector=vector, sparse=sparse, fusion=fusion)
            assert [score for _, score in answers(hits)] == [score for _, score in expected]

    @rule(filter=FILTERS, limit=st.integers(1, 5), who=st.integers(0, 1))
    def page_through(self, filter: str, limit: int, who: int) -> None:
        rows, cursor = self.databases[who].range("ns", "", limit, filter=filter, include=Include(vectors=True))
        while cursor:
            page, cursor = self.databases[who].range("ns", cursor, limit, filter=filter, include=Include(vectors=True))
            assert page
            rows += page
        expected = self.model.matching(filter)
        assert [(found.id, found.data, found.metadata, found.sparse) for found in rows] == [
            (wanted.id, wanted.data, wanted.metadata, wanted.sparse) for wanted in expected
        ]
        assert [found.vector.tolist() for found in rows] == [wanted.vector.tolist() for wanted in expected]

    @invariant()
    def counts_agree(self) -> None:
        for database in self.databases:
            assert database.info().counts.get("ns", 0) == len(self.model.rows)


TwoDatabases.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTwoDatabases = TwoDatabases.TestCase


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_comes_back_exactly(value: Any) -> None:
    from tui.engine.codec import decode_metadata, encode_metadata

    decoded = decode_metadata(encode_metadata("id", {"value": value, "after": 1}))
    assert repr(decoded) == repr({"value": value, "after": 1})
