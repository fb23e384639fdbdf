"""Short ways to make rows, and a plain model of the database to compare it with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tui.core.records import SparseVector
from tui.engine.filters import parse
from tui.engine.matching import matches
from tui.engine.records import Fusion, Row, Similarity, Weighting

Sparse = Mapping[int, float]


def row(
    id: str,
    vector: Sequence[float] | None = None,
    sparse: Sparse | None = None,
    data: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Row:
    dense = None if vector is None else np.array(vector, np.float32)
    return Row(id, dense, None if sparse is None else terms(sparse), data, metadata)


def terms(sparse: Sparse) -> SparseVector:
    return SparseVector(list(sparse.keys()), list(sparse.values()))


def numbered(count: int, **parts: Any) -> list[Row]:
    """Rows id-0, id-1, ... with vectors (i, 1)."""
    return [row(f"id-{number}", [number, 1], **parts) for number in range(count)]


def ids(rows: Iterable[Any]) -> list[str]:
    return [found.id for found in rows]


def f32(value: float) -> float:
    return float(np.float32(value))


@dataclass
class Model:
    """What the database should do, one row at a time, in Python's own floats."""

    similarity: Similarity = Similarity.COSINE
    rows: dict[str, Row] = field(default_factory=dict)

    def upsert(self, rows: Iterable[Row]) -> None:
        self.rows.update((row.id, row) for row in rows)

    def delete(self, ids: Iterable[str]) -> int:
        return sum(self.rows.pop(id, None) is not None for id in set(ids))

    def matching(self, filter: str) -> list[Row]:
        condition = parse(filter) if filter else None
        return [row for row in self.rows.values() if condition is None or matches(condition, row.metadata)]

    def query(
        self,
        top_k: int,
        vector: Sequence[float] | None = None,
        sparse: Sparse | None = None,
        filter: str = "",
        weighting: Weighting | None = None,
        fusion: Fusion = Fusion.RRF,
    ) -> list[tuple[str, float]]:
        rankings = []
        if vector is not None:
            rankings.append([(row.id, self.score(row, vector)) for row in self.matching(filter)])
        if sparse is not None:
            weights = {index: value * self.idf(index, weighting) for index, value in sparse.items()}
            rankings.append(
                [
                    (row.id, f32(sum(weights[index] * f32(value) for index, value in held.items() if index in weights)))
                    for row in self.matching(filter)
                    if set(held := sparse_of(row)) & set(weights)
                ]
            )
        best = [sorted(ranking, key=lambda hit: -hit[1])[:top_k] for ranking in rankings]
        return best[0] if len(best) == 1 else self.fused(best, fusion, top_k)

    def fused(self, rankings: list[list[tuple[str, float]]], fusion: Fusion, top_k: int) -> list[tuple[str, float]]:
        sums = {}
        for id in self.rows:
            parts = [part for ranking in rankings if (part := fused_part(ranking, id, fusion)) is not None]
            if parts:
                sums[id] = f32(sum(parts))
        return sorted(sums.items(), key=lambda hit: -hit[1])[:top_k]

    def score(self, row: Row, query: Sequence[float]) -> float:
        a, b = [float(x) for x in row.vector], [f32(x) for x in query]  # type: ignore[union-attr]
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        if self.similarity is Similarity.DOT_PRODUCT:
            return f32((1 + dot) / 2)
        if self.similarity is Similarity.EUCLIDEAN:
            return f32(1 / (1 + sum((x - y) ** 2 for x, y in zip(a, b, strict=True))))
        lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
        return f32((1 + (dot / lengths if lengths else 0)) / 2)

    def idf(self, index: int, weighting: Weighting | None) -> float:
        if weighting is None:
            return 1.0
        having = sum(index in sparse_of(row) for row in self.rows.values())
        return math.log((len(self.rows) - having + 0.5) / (having + 0.5) + 1)


def sparse_of(row: Row) -> dict[int, float]:
    assert row.sparse is not None
    return dict(zip(row.sparse.indices, row.sparse.values, strict=True))


def fused_part(ranking: list[tuple[str, float]], id: str, fusion: Fusion) -> float | None:
    places = [place for place, hit in enumerate(ranking) if hit[0] == id]
    if not places:
        return None
    if fusion is Fusion.RRF:
        return 1 / (places[0] + 60)
    scores = [score for _, score in ranking]
    mean = sum(scores) / len(scores)
    if len(scores) == 1 or max(scores) == min(scores):
        return 0.5
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) - 1))
    return (scores[places[0]] - (mean - 3 * deviation)) / (6 * deviation)
