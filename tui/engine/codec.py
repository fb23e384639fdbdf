"""Rows to bytes and back: checking what comes in, and giving back exactly what was stored."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tui.core.errors import InvalidQuery, InvalidRecord, VectorIndexError
from tui.core.limits import MAX_DATA_BYTES, MAX_METADATA_BYTES, MAX_SPARSE_VALUES
from tui.core.records import SparseVector
from tui.engine.faults import Damage
from tui.engine.records import DenseVector, IndexConfig, Row

STORED_FLOAT = np.dtype("<f4")
STORED_INDEX = np.dtype("<i4")

MAX_METADATA_DEPTH = 100
"""Arrays and objects within each other. Ours: keeps reading far from Python's recursion limit."""

NEEDS_DENSE = "This index requires dense vectors"
NEEDS_SPARSE = "This index requires sparse vectors"
"""The service's own words (Upstash SDK tests, 2026-01)."""

_INT32 = np.iinfo(np.int32)
_decode_json = json.JSONDecoder().decode
_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

Refusal = Callable[[str], VectorIndexError]


@dataclass(frozen=True, slots=True)
class Batch:
    """Checked rows of one write, ids unique; `vectors` is float32 of shape (rows, dimension) or None.

    `sparse`, `metadata` and `data` are parallel to `ids`, None where a row has none.
    """

    ids: list[str]
    vectors: NDArray[np.float32] | None
    sparse: list[bytes | None]
    metadata: list[bytes | None]
    data: list[str | None]


def encode_batch(config: IndexConfig, rows: Sequence[Row]) -> Batch:
    """Checks and encodes rows; of rows with the same id the last wins, at the place of the first.

    Raises `InvalidRecord` naming the first row that does not fit.
    """
    unique = list({row.id: row for row in rows}.values())
    for row in unique:
        check_id(row.id)
        _check_kinds(config, row.id, dense=row.vector is not None, sparse=row.sparse is not None)
    return Batch(
        ids=[row.id for row in unique],
        vectors=_encode_vectors(config.dimension, unique) if config.dense else None,
        sparse=encode_sparse([row.sparse for row in unique], record_refusal([row.id for row in unique])),
        metadata=[encode_metadata(row.id, row.metadata) for row in unique],
        data=[check_data(row.id, row.data) for row in unique],
    )


def check_id(id: object) -> None:
    """Raises `InvalidRecord` unless `id` is text that can be stored: not empty, valid Unicode."""
    if not isinstance(id, str) or not id:
        raise InvalidRecord(f"A record needs an id that is text and not empty, not {id!r}.")
    _check_unicode(id, id)


def check_update(config: IndexConfig, id: str, *, dense: bool, sparse: bool) -> None:
    """Raises `InvalidRecord` when an update brings a vector kind that the index lacks, or only one of two."""
    if dense or sparse:
        _check_kinds(config, id, dense=dense, sparse=sparse)


def encode_vector(dimension: int, values: Any, refuse: Refusal = InvalidRecord) -> DenseVector:
    """Returns `values` as a float32 array of shape (dimension,). Raises what `refuse` makes when they do not fit."""
    try:
        given = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise refuse("A vector is a flat list of numbers.") from error
    if given.ndim != 1 or (len(given) and given.dtype.kind not in "fiu"):
        raise refuse("A vector is a flat list of numbers.")
    with np.errstate(over="ignore"):
        vector = given.astype(np.float32, copy=False)
    if len(vector) != dimension:
        raise refuse(f"Invalid vector dimension: {len(vector)}, expected: {dimension}")
    if not np.isfinite(vector).all():
        raise refuse("A vector holds a number that is not finite in 32 bits.")
    return vector


def encode_sparse(
    vectors: Sequence[SparseVector | None], refuse: Callable[[int, str], VectorIndexError]
) -> list[bytes | None]:
    """Returns each sparse vector as its int32 indices followed by its float32 values, little endian.

    Raises what ``refuse(position, reason)`` makes for the first that does not fit.
    """
    if all(vector is None for vector in vectors):
        return [None] * len(vectors)
    lengths = [len(vector.indices) if vector else 0 for vector in vectors]
    for position, (vector, length) in enumerate(zip(vectors, lengths, strict=True)):
        if vector and len(vector.values) != length:
            raise refuse(position, "a sparse vector needs as many values as indices")
        if length > MAX_SPARSE_VALUES:
            raise refuse(position, f"a sparse vector has at most {MAX_SPARSE_VALUES:,} values, not {length:,}")
    indices = _flatten([vector.indices if vector else () for vector in vectors], _integers, refuse)
    values = _flatten([vector.values if vector else () for vector in vectors], _floats, refuse)
    starts = np.cumsum([0, *lengths])
    wrong = (indices < _INT32.min) | (indices > _INT32.max)
    if wrong.any():
        raise refuse(_owner(starts, wrong), "a sparse index does not fit in 32 bits")
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise refuse(_owner(starts, wrong), "a sparse value is not finite in 32 bits")
    index_bytes, value_bytes = indices.astype(STORED_INDEX).tobytes(), values.astype(STORED_FLOAT).tobytes()
    bounds = (starts * 4).tolist()
    return [
        None if vector is None else index_bytes[start:end] + value_bytes[start:end]
        for vector, start, end in zip(vectors, bounds, bounds[1:], strict=False)
    ]


def encode_query_sparse(vector: SparseVector) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Returns the indices and values of a query's sparse vector. Raises `InvalidQuery`."""
    blob = encode_sparse([vector], lambda _, reason: InvalidQuery(f"The query does not fit: {reason}."))[0]
    return split_sparse(blob or b"")


def split_sparse(blob: bytes) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Returns the indices and values in a stored sparse vector, both views of it.

    Raises `Damage` for bytes that are no such vector.
    """
    half = len(blob) // 2
    if len(blob) % (STORED_INDEX.itemsize + STORED_FLOAT.itemsize):
        raise Damage("a sparse vector")
    return np.frombuffer(blob[:half], STORED_INDEX), np.frombuffer(blob[half:], STORED_FLOAT)


def decode_sparse(blob: bytes | None) -> SparseVector | None:
    """Returns a stored sparse vector, its values in the shortest decimals that are the same float32."""
    if blob is None:
        return None
    indices, values = split_sparse(blob)
    return SparseVector(indices=indices.tolist(), values=shortest(values))


def shortest(values: NDArray[np.float32]) -> list[float]:
    """Returns floats that print as the shortest decimals which round to these float32: 0.1, not 0.10000000149011612."""
    decimals: list[float] = orjson.loads(orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY))
    return decimals


def encode_metadata(id: str, metadata: Mapping[str, Any] | None) -> bytes | None:
    """Returns metadata as compact JSON in UTF-8, key order kept. Raises `InvalidRecord`."""
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise InvalidRecord(f"Record {id!r}: metadata is a JSON object.")
    try:
        encoded = _encode_json(metadata if isinstance(metadata, dict) else dict(metadata)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRecord(f"Record {id!r}: metadata is not JSON ({error}).") from error
    if len(encoded) > MAX_METADATA_BYTES:
        raise InvalidRecord(
            f"Exceeded max metadata size: record {id!r} has {len(encoded):,} bytes of at most {MAX_METADATA_BYTES:,}."
        )
    if encoded.count(b"{") + encoded.count(b"[") > MAX_METADATA_DEPTH and _depth(metadata) > MAX_METADATA_DEPTH:
        raise InvalidRecord(f"Record {id!r}: metadata is nested more than {MAX_METADATA_DEPTH} deep.")
    return encoded


def decode_metadata(encoded: bytes | None) -> dict[str, Any] | None:
    """Returns stored metadata: keys in order, integers of any size, floats as they were.

    Raises `Damage`, `UnicodeDecodeError` or `json.JSONDecodeError` for bytes that are no metadata.
    """
    if encoded is None:
        return None
    decoded = _decode_json(encoded.decode())
    if not isinstance(decoded, dict):
        raise Damage("the metadata of a record")
    return decoded


def merge_patch(target: Any, patch: Any) -> Any:
    """Returns `target` changed by a JSON merge patch (RFC 7396): null removes, objects merge, the rest replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def check_data(id: str, data: str | None) -> str | None:
    """Returns `data` when it can be stored. Raises `InvalidRecord`."""
    if data is None:
        return None
    if not isinstance(data, str):
        raise InvalidRecord(f"Record {id!r}: data is text, not {type(data).__name__}.")
    size = _check_unicode(id, data)
    if size > MAX_DATA_BYTES:
        raise InvalidRecord(f"Exceeded max data size: record {id!r} has {size:,} bytes of at most {MAX_DATA_BYTES:,}.")
    return data


def _check_kinds(config: IndexConfig, id: str, *, dense: bool, sparse: bool) -> None:
    if config.dense and not dense:
        raise InvalidRecord(NEEDS_DENSE)
    if config.sparse and not sparse:
        raise InvalidRecord(NEEDS_SPARSE)
    if dense and not config.dense:
        raise InvalidRecord(f"Record {id!r} has a dense vector and this index keeps none.")
    if sparse and not config.sparse:
        raise InvalidRecord(f"Record {id!r} has a sparse vector and this index keeps none.")


def _check_unicode(id: object, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRecord(f"Record {id!r} holds text that is not valid Unicode.") from error


def _encode_vectors(dimension: int, rows: Sequence[Row]) -> NDArray[np.float32]:
    shapes = {getattr(row.vector, "shape", None) for row in rows}
    kinds = {getattr(row.vector, "dtype", None) for row in rows}
    if shapes == {(dimension,)} and kinds == {np.dtype(np.float32)}:
        vectors = np.array([row.vector for row in rows], dtype=np.float32)
        if np.isfinite(vectors).all():
            return vectors
    vectors = np.empty((len(rows), dimension), np.float32)
    for position, row in enumerate(rows):
        vectors[position] = encode_vector(dimension, row.vector)
    return vectors


def record_refusal(ids: Sequence[str]) -> Callable[[int, str], VectorIndexError]:
    """Returns what `encode_sparse` raises for records with these `ids`."""
    return lambda position, reason: InvalidRecord(f"Record {ids[position]!r}: {reason}.")


def _integers(values: Iterable[float]) -> NDArray[np.int64]:
    return np.fromiter(map(operator.index, values), dtype=np.int64)  # type: ignore[arg-type]


def _floats(values: Iterable[float]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.fromiter(values, dtype=np.float32)


def _flatten(
    parts: Sequence[Sequence[float]],
    convert: Callable[[Iterable[float]], NDArray[Any]],
    refuse: Callable[[int, str], VectorIndexError],
) -> NDArray[Any]:
    """Returns all parts in one array; when that fails, looks for the part to blame."""
    try:
        return convert(chain.from_iterable(parts))
    except (TypeError, ValueError, OverflowError):
        for position, part in enumerate(parts):
            try:
                convert(part)
            except (TypeError, ValueError, OverflowError) as error:
                raise refuse(position, "a sparse vector holds 32-bit integers and numbers") from error
        raise


def _owner(starts: NDArray[np.int64], wrong: NDArray[np.bool_]) -> int:
    return int(np.searchsorted(starts, int(np.argmax(wrong)), side="right")) - 1


def _depth(value: Any) -> int:
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        children: Iterable[Any] = chain.from_iterable(
            item.values() if isinstance(item, Mapping) else item for item in level
        )
        level = [child for child in children if isinstance(child, Mapping | list | tuple)]
    return depth
