"""The database's value types: how an index is shaped, what a row holds, what a query returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.core.errors import InvalidQuery
from tui.core.records import SparseVector

DenseVector = NDArray[np.float32]

MAX_DIMENSION = 65_536
"""Highest dimension taken; Upstash's own plans end at 5,376 (its FAQ, 2026-08-21)."""
PREFIX_FETCH_LIMIT = 1000
"""Most rows that a fetch by prefix returns (Upstash fetch documentation, 2026-08-21)."""


class Similarity(StrEnum):
    """How two dense vectors are compared, in Upstash's words."""

    COSINE = "COSINE"
    EUCLIDEAN = "EUCLIDEAN"
    DOT_PRODUCT = "DOT_PRODUCT"


class Fusion(StrEnum):
    """How the two rankings of a hybrid query become one."""

    RRF = "RRF"
    DBSF = "DBSF"


class Weighting(StrEnum):
    """How the weights of a sparse query are changed before it runs."""

    IDF = "IDF"


class UpdateMode(StrEnum):
    """What an update does with metadata: replace it, or merge into it by RFC 7396."""

    OVERWRITE = "OVERWRITE"
    PATCH = "PATCH"


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """The shape of an index, fixed when its file is created.

    `dimension` is 0 where there is no dense part. `model` and `sparse_model` name the embedders whose vectors the index
    holds; the database only remembers them, so that vectors of two models are never mixed.
    """

    dimension: int
    similarity: Similarity = Similarity.COSINE
    sparse: bool = False
    model: str = ""
    sparse_model: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.dimension <= MAX_DIMENSION:
            raise InvalidQuery(f"An index has a dimension from 0 to {MAX_DIMENSION:,}, not {self.dimension}.")
        if not self.dimension and not self.sparse:
            raise InvalidQuery("An index needs a dense part, a sparse part or both.")

    @property
    def dense(self) -> bool:
        """Whether rows carry dense vectors."""
        return self.dimension > 0

    @property
    def hybrid(self) -> bool:
        """Whether rows carry both kinds of vectors."""
        return self.dense and self.sparse

    def differences(self, other: IndexConfig) -> list[str]:
        """Returns one phrase per field in which `other` contradicts this configuration, both values named."""
        names = [item.name for item in fields(self)]
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return [f"{name.replace('_', ' ')} {mine!s}, not {theirs!s}" for name, mine, theirs in pairs if mine != theirs]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One record as the database keeps it.

    `vector` is a float32 array of shape (dimension,); `metadata` a JSON object. Results leave None what was not asked
    for or never given.
    """

    id: str
    vector: DenseVector | None = None
    sparse: SparseVector | None = None
    data: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A row that answers a query; `score` is rounded to float32. Higher is better."""

    row: Row
    score: float

    @property
    def id(self) -> str:
        """The row's id."""
        return self.row.id


@dataclass(frozen=True, slots=True)
class Include:
    """Which parts of a row are read besides its id."""

    vectors: bool = False
    metadata: bool = True
    data: bool = True


PAYLOAD = Include()
"""Metadata and data, no vectors."""


@dataclass(frozen=True, slots=True)
class Info:
    """What a database says about itself: records per namespace (the default one first) and the file's size in bytes."""

    counts: Mapping[str, int]
    size: int

    @property
    def total(self) -> int:
        """Records in all namespaces."""
        return sum(self.counts.values())
