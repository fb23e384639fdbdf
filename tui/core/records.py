"""The nouns: foods, records, hits and what an index says about itself. Plain values that know nobody."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tui.core.text import clean_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    DenseVector = NDArray[np.float32]

Metadata = Mapping[str, Any]
"""A JSON object: string keys, JSON values."""


class QueryMode(StrEnum):
    """Which evidence a text query uses, in Upstash's own words (`queryMode`)."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


class IndexKind(StrEnum):
    """Where records live: the values of `RAGFOOD_INDEX`."""

    AUTO = "auto"
    UPSTASH = "upstash"
    EMBEDDED = "embedded"
    CHROMA = "chroma"


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Non-zero coordinates of a sparse vector: int32 `indices` beside float32 `values`, of equal length."""

    indices: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Food:
    """An entry of a foods file. `extra` holds its further fields, as JSON values."""

    id: str
    text: str
    name: str = ""
    region: str = ""
    type: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What an index holds: `id`, the `text` that was embedded, `metadata`, maybe vectors.

    `vector` is a float32 array of shape (dimension,); both vectors are None unless they were asked for.
    """

    id: str
    text: str
    metadata: Metadata = field(default_factory=dict)
    vector: DenseVector | None = None
    sparse: SparseVector | None = None

    @property
    def passage(self) -> str:
        """The text for people and models: `original_text` of the metadata, else the embedded text."""
        original = self.metadata.get("original_text")
        return original if isinstance(original, str) and original else self.text

    @property
    def heading(self) -> str:
        """The record's `name`, else the first clause of its passage, else its id."""
        name = self.metadata.get("name")
        if isinstance(name, str) and name.strip():
            return name.strip()
        return first_clause(self.passage) or self.id


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A record that answers a query.

    `score` is the index's own number. `relevance` is our evidence from 0 to 1, or None where the index gives none.
    `similarity` (cosine, -1 to 1) and `coverage` (share of the question's weighted words found in the record, 0 to 1)
    are the two parts it is made of, each None when unknown.
    """

    record: Record
    score: float
    relevance: float | None = None
    similarity: float | None = None
    coverage: float | None = None

    @property
    def id(self) -> str:
        """The record's id."""
        return self.record.id


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a scan in insertion order. `next_cursor` is empty when nothing is left."""

    records: tuple[Record, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """Counts of one namespace: `records` are searchable now, `pending` not yet."""

    records: int
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Work of several batches of which only the first are in the index.

    `kind` is ``upsert`` or ``restore``; `file` the absolute path of what it reads; `done` of `total` records are in.
    """

    kind: str
    file: str
    done: int
    total: int
    namespace: str = ""

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        what = f"A{'n' if self.kind[:1] in 'aeiou' else ''} {self.kind} of {clean_line(PurePath(self.file).name)}"
        return f"{what} was interrupted after {self.done:,} of {self.total:,} records."

    @property
    def hint(self) -> str:
        """What to do next: the command that finishes it."""
        place = f"--namespace {shlex.quote(self.namespace)} " if self.namespace else ""
        command = f"ragfood {place}index {self.kind} {shlex.quote(self.file)}"
        return f"Run it again to finish, unless another ragfood is still at it: {clean_line(command)}"


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index says about itself.

    `dimension` is 0 where there is no dense part; `similarity` is COSINE, EUCLIDEAN, DOT_PRODUCT or empty; `model` and
    `sparse_model` name the embedders, empty where the index has none; `location` is a host or a file for people to
    read; `size` is in bytes, 0 when unknown. `records` and `pending` count the bound namespace; `unfinished` is
    the work on it that was interrupted, as far as the index keeps such a record.
    """

    kind: IndexKind
    location: str
    namespace: str
    records: int
    pending: int
    dimension: int
    similarity: str
    model: str
    sparse_model: str
    size: int
    namespaces: Mapping[str, NamespaceInfo]
    unfinished: Unfinished | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis: what was checked, whether it holds, what was found, and the fix when it does not.

    `severity` is ``ok``, ``warning`` (the app works with less) or ``error`` (it cannot do its job).
    """

    check: str
    severity: str
    message: str
    hint: str = ""


def first_clause(text: str, limit: int = 60) -> str:
    """Returns the text up to its first clause mark (`.,;:!?` and dashes), at most `limit` characters."""
    end = len(text)
    for mark in (". ", ", ", "; ", ": ", "! ", "? ", " - ", " – ", " — ", "\n"):
        found = text.find(mark)
        if 0 < found < end:
            end = found
    clause = text[:end].strip().rstrip(".")
    return clause if len(clause) <= limit else clause[: limit - 1].rstrip() + "…"
