"""A query, checked, and how it runs over what is in memory of a namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.core.errors import InvalidQuery
from tui.core.records import SparseVector
from tui.engine import codec
from tui.engine.filters import Filter, parse
from tui.engine.fusion import fuse
from tui.engine.memory import NamespaceMemory
from tui.engine.records import DenseVector, Fusion, IndexConfig, Weighting
from tui.engine.scoring import Found
from tui.engine.store import Namespace


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for: a dense `vector`, sparse `terms` (indices, values), or both, which are then fused.

    `depth` is how many candidates each component gives to the fusion.
    """

    vector: DenseVector | None
    terms: tuple[NDArray[np.int32], NDArray[np.float32]] | None
    top_k: int
    depth: int
    condition: Filter | None
    weighting: Weighting | None
    fusion: Fusion


def make_query(
    config: IndexConfig,
    vector: Any,
    sparse: SparseVector | None,
    *,
    top_k: int,
    depth: int | None,
    filter: str,
    weighting: Weighting | None,
    fusion: Fusion,
) -> Query:
    """Checks a query against the index. Raises `InvalidQuery`, `FilterSyntaxError`."""
    if top_k < 1:
        raise InvalidQuery(f"A query asks for at least one result, not {top_k}.")
    if depth is not None and depth < 1:
        raise InvalidQuery(f"Fusion needs at least one candidate, not {depth}.")
    if vector is None and sparse is None:
        raise InvalidQuery(codec.NEEDS_DENSE if config.dense else codec.NEEDS_SPARSE)
    if sparse is not None and not config.sparse:
        raise InvalidQuery("This index keeps no sparse vectors.")
    return Query(
        vector=None if vector is None else dense_query(config, vector),
        terms=None if sparse is None else codec.encode_query_sparse(sparse),
        top_k=top_k,
        depth=depth or top_k,
        condition=parse(filter) if filter else None,
        weighting=weighting,
        fusion=fusion,
    )


def dense_query(config: IndexConfig, vector: Any) -> DenseVector:
    """Returns a query's dense vector as float32. Raises `InvalidQuery`."""
    if not config.dense:
        raise InvalidQuery(codec.NEEDS_SPARSE)
    return codec.encode_vector(config.dimension, vector, InvalidQuery)


def search(memory: NamespaceMemory, namespace: Namespace, query: Query) -> Found:
    """Returns the best slots of a namespace that has records."""
    mask = None
    if query.condition is not None:
        mask = memory.columns().mask(query.condition, namespace.next_slot)
    both = query.vector is not None and query.terms is not None
    k = query.depth if both else query.top_k
    components: list[Found] = []
    if query.vector is not None:
        components.append(memory.dense().search(query.vector, k, mask))
    if query.terms is not None:
        indices, values = query.terms
        components.append(
            memory.sparse().search(indices, values, k, records=namespace.records, mask=mask, weighting=query.weighting)
        )
    return fuse(query.fusion, components, query.top_k) if both else components[0]
