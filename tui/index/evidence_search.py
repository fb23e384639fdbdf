"""Text queries on the engine: both kinds of evidence searched, fused, judged, and ranked by the judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.core.records import Hit, QueryMode, Record, SparseVector

if TYPE_CHECKING:
    from tui.core.records import DenseVector
    from tui.embed.base import Embedder, SparseEmbedder
    from tui.embed.relevance import Relevance
    from tui.engine.database import Database
    from tui.engine.records import Row, Scored

CANDIDATES = 100
"""How many records of each ranking a hybrid query fuses: deep enough that a record good in both is never missed."""

JUDGED = 32
"""How many of the fused records are judged by evidence and ranked by it. On the data sets of `embed.calibration`, put
together in one index, recall@3 is 0.88 with 80, 0.86 with 40 and 0.83 with 20 (measured 2026-11); each costs 20 µs."""


class EvidenceSearch:
    """Answers text queries on one namespace. Not for use from more than one thread."""

    def __init__(self, namespace: str, dense: Embedder, sparse: SparseEmbedder, relevance: Relevance) -> None:
        self._namespace = namespace
        self._dense = dense
        self._sparse = sparse
        self._relevance = relevance

    def hits(self, database: Database, text: str, top_k: int, filter: str, mode: QueryMode) -> list[Hit]:
        """Returns at most `top_k` hits with similarity, coverage and relevance, best first.

        Raises `FilterSyntaxError`.
        """
        asked = self._asked(text, mode)
        hybrid = mode is QueryMode.HYBRID
        found = self._search(database, asked, max(top_k, JUDGED) if hybrid else top_k, filter)
        hits = self._judged(database, text, asked.vector, found)
        if hybrid:
            # The fused score only says how two rankings placed a record; the evidence was made to compare records.
            hits.sort(key=lambda hit: -(hit.relevance or 0.0))
        return hits[:top_k]

    def _asked(self, text: str, mode: QueryMode) -> _Asked:
        """Returns a question as vectors; what a text does not give (no known word, only stop words) is None."""
        vector = self._dense.embed_query(text)
        terms = self._relevance.widen(text) if mode is QueryMode.HYBRID else self._sparse.embed_query(text)
        return _Asked(
            vector=vector,
            dense=vector if mode is not QueryMode.SPARSE and vector.any() else None,
            sparse=terms if mode is not QueryMode.DENSE and terms.indices else None,
        )

    def _search(self, database: Database, asked: _Asked, top_k: int, filter: str) -> list[Scored]:
        from tui.engine.records import Weighting

        if asked.dense is None and asked.sparse is None:
            check_filter(filter)
            return []
        return database.query(
            self._namespace,
            vector=asked.dense,
            sparse=asked.sparse,
            top_k=top_k,
            filter=filter,
            weighting=Weighting.IDF,
            depth=max(CANDIDATES, top_k),
        )

    def _judged(self, database: Database, text: str, vector: DenseVector, found: Sequence[Scored]) -> list[Hit]:
        """Returns hits with similarity, coverage and relevance, in the order of `found`."""

        def frequencies(indices: Sequence[int]) -> tuple[dict[int, int], int]:
            counts, total = database.document_frequencies(self._namespace, indices)
            return dict(zip(indices, counts.tolist(), strict=True)), total

        similarities = database.similarities(self._namespace, [scored.id for scored in found], vector)
        records = [record_of(scored.row) for scored in found]
        judgements = self._relevance.judge(
            text, [_judged_text(record) for record in records], similarities, frequencies
        )
        return [
            Hit(record, scored.score, judgement.relevance, similarity, judgement.coverage)
            for record, scored, judgement, similarity in zip(
                records, found, judgements, similarities.tolist(), strict=True
            )
        ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as vectors: its direction, and the parts that the mode searches by."""

    vector: DenseVector
    dense: DenseVector | None
    sparse: SparseVector | None


def record_of(row: Row) -> Record:
    """Returns an engine's row as a record."""
    return Record(row.id, row.data or "", row.metadata or {}, row.vector, row.sparse)


def _judged_text(record: Record) -> str:
    """What a record says, its name included: people ask by name, and not every text repeats it."""
    name = record.metadata.get("name")
    return f"{name}. {record.text}" if isinstance(name, str) and name else record.text


def check_filter(filter: str) -> None:
    """Raises `FilterSyntaxError` where no record is there to be filtered. An empty text is no filter."""
    from tui.engine.filters import parse

    if filter:
        parse(filter)
