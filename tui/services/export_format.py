"""The file of an export: JSON Lines that carry an index from one place to another, exact to the byte.

The first line is a header (schema, dimension, similarity, models), the last a trailer (how many records, BLAKE2b of
every byte before it), and every line between them one record: ``id``, ``text``, ``metadata``, ``vector`` and
``sparse``. Vectors are written as the shortest decimals that read back as the same float32. Nothing in a file depends
on when, where or from which namespace it was written, so equal indexes make equal files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from tui.core.errors import TransferFileError
from tui.core.records import Record, SparseVector
from tui.core.text import shorten

if TYPE_CHECKING:
    import numpy as np

    from tui.core.records import DenseVector

KIND = "ragfood export"
SCHEMA = 1
"""The newest layout of the file; readers refuse newer ones."""

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of the longest line that is read: far above a record's limits, far below what exhausts memory."""

_DIGEST_BYTES = 32
_TRAILER_BYTES = 256
_INT32 = 2**31


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what the records fit into. `dimension` is 0 and a name empty where the index has no such part."""

    kind: str
    schema: int
    dimension: int
    similarity: str
    model: str
    sparse_model: str


class _Sparse(msgspec.Struct, forbid_unknown_fields=True):
    indices: list[int]
    values: list[float]


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    text: str
    metadata: dict[str, Any]
    vector: list[float] | None
    sparse: _Sparse | None


class _Trailer(msgspec.Struct, forbid_unknown_fields=True):
    records: int
    blake2b: str


def header_of(*, dimension: int, similarity: str, model: str, sparse_model: str) -> Header:
    """Returns the header of a file in the newest schema."""
    return Header(
        kind=KIND,
        schema=SCHEMA,
        dimension=dimension,
        similarity=similarity,
        model=model,
        sparse_model=sparse_model,
    )


class ExportWriter:
    """Writes header, records and trailer to a binary file, hashing what it writes."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        self.records = 0
        self._write(msgspec.json.encode(header))

    def write(self, records: Iterable[Record]) -> None:
        """Appends records, one line each."""
        for record in records:
            self._write(encode_record(record))
            self.records += 1

    def finish(self) -> None:
        """Writes the trailer; nothing may follow."""
        self._write(msgspec.json.encode(_Trailer(self.records, self._digest.hexdigest())))

    def _write(self, line: bytes) -> None:
        line += b"\n"
        self._digest.update(line)
        self._file.write(line)


def encode_record(record: Record) -> bytes:
    """Returns the line of a record, without its end."""
    encode = msgspec.json.encode
    return b'{"id":%b,"text":%b,"metadata":%b,"vector":%b,"sparse":%b}' % (
        encode(record.id),
        encode(record.text),
        encode(dict(record.metadata)),
        _encode_floats(record.vector) if record.vector is not None else b"null",
        _encode_sparse(record.sparse) if record.sparse is not None else b"null",
    )


def _encode_sparse(sparse: SparseVector) -> bytes:
    indices = msgspec.json.encode([int(index) for index in sparse.indices])
    return b'{"indices":%b,"values":%b}' % (indices, _encode_floats(sparse.values))


def _encode_floats(values: Any) -> bytes:
    """Returns a JSON array of shortest float32 decimals (orjson writes float64 ones unless it sees a float32 array)."""
    import numpy as np
    import orjson

    return orjson.dumps(np.ascontiguousarray(values, dtype=np.float32), option=orjson.OPT_SERIALIZE_NUMPY)


class ExportReader:
    """Reads a file of ours from an open binary file; every fault is a `TransferFileError` that names its line.

    `name` is for messages; `promised` is the number of records by the closing line, 0 while that cannot be read, and
    `count` the number that was found once the file is verified.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.promised = self._promised()
        self.count = 0
        self._decoder = msgspec.json.Decoder(_Line)
        self._header = header_of(dimension=0, similarity="", model="", sparse_model="")

    def header(self) -> Header:
        """Returns the first line. Raises `TransferFileError` when the file is none of ours or of a newer schema."""
        self._file.seek(0)
        self._header = self._parse_header(self._line(1))
        return self._header

    def verify(self) -> Iterator[int]:
        """Reads the whole file, yielding how many records it has checked so far.

        Checks each line, that no id comes twice, the number of records and the hash.
        """
        digest = blake2b(digest_size=_DIGEST_BYTES)
        seen: set[str] = set()
        self.header()
        self._file.seek(0)
        digest.update(self._line(1))
        number = 1
        while (line := self._line(number + 1)) and not line.startswith(b'{"records":'):
            number += 1
            digest.update(line)
            record = self._parse_record(line, number)
            if record.id in seen:
                raise self._fault(number, f"the id {shorten(record.id)!r} comes a second time")
            seen.add(record.id)
            yield len(seen)
        self._check_trailer(line, number + 1, len(seen), digest.hexdigest())
        self.count = len(seen)

    def records(self) -> Iterator[Record]:
        """Yields the records in the order of the file."""
        self.header()
        number = 2
        while (line := self._line(number)) and not line.startswith(b'{"records":'):
            yield self._parse_record(line, number)
            number += 1

    def _promised(self) -> int:
        """Looks ahead at the closing line, for what is only shown."""
        try:
            self._file.seek(max(0, self._file.seek(0, os.SEEK_END) - _TRAILER_BYTES))
            return msgspec.json.decode(self._file.read().splitlines()[-1], type=_Trailer).records
        except (OSError, IndexError, msgspec.DecodeError, UnicodeDecodeError):
            return 0

    def _line(self, number: int) -> bytes:
        try:
            line = self._file.readline(LINE_LIMIT + 1)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(line) > LINE_LIMIT:
            raise self._fault(number, f"it is longer than {LINE_LIMIT // 2**20} MB")
        return line

    def _parse_header(self, line: bytes) -> Header:
        try:
            kind = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            kind = None
        if not isinstance(kind, dict) or kind.get("kind") != KIND:
            raise TransferFileError(
                f"{self.name} is not an export of ragfood: its first line is not our header.",
                hint="Give a file that was written by: ragfood index export FILE",
            )
        schema = kind.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise TransferFileError(
                f"{self.name} was written by a newer ragfood (schema {schema}; this one reads up to {SCHEMA}).",
                hint="Update ragfood, then restore again; nothing was changed.",
            )
        try:
            return msgspec.convert(kind, Header)
        except msgspec.ValidationError as error:
            raise self._fault(1, f"the header does not fit: {error}") from error

    def _parse_record(self, line: bytes, number: int) -> Record:
        try:
            parsed = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._fault(number, str(error)) from error
        vector = None if parsed.vector is None else self._dense(parsed.vector, number)
        sparse = None if parsed.sparse is None else self._sparse(parsed.sparse, number)
        if (vector is None) != (self._header.dimension == 0):
            raise self._fault(number, "the dense vector is missing or not expected")
        if (sparse is None) != (not self._header.sparse_model):
            raise self._fault(number, "the sparse vector is missing or not expected")
        return Record(id=parsed.id, text=parsed.text, metadata=parsed.metadata, vector=vector, sparse=sparse)

    def _dense(self, values: list[float], number: int) -> DenseVector:
        if len(values) != self._header.dimension:
            raise self._fault(number, f"the vector has {len(values)} values instead of {self._header.dimension}")
        return self._floats(values, number)

    def _sparse(self, parsed: _Sparse, number: int) -> SparseVector:
        if len(parsed.indices) != len(parsed.values):
            raise self._fault(number, "the sparse vector has not as many values as indices")
        if any(not -_INT32 <= index < _INT32 for index in parsed.indices):
            raise self._fault(number, "an index of the sparse vector is not a 32-bit number")
        return SparseVector(parsed.indices, self._floats(parsed.values, number).tolist())

    def _floats(self, values: list[float], number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        import numpy as np

        with np.errstate(over="ignore"):
            array = np.array(values, dtype=np.float32)
        if not math.isfinite(float(np.abs(array).sum(dtype=np.float64))):
            raise self._fault(number, "a value of a vector is out of range")
        return array

    def _check_trailer(self, line: bytes, number: int, records: int, digest: str) -> None:
        if not line:
            raise TransferFileError(
                f"{self.name} is cut short: it ends at line {number - 1} without our closing line.",
                hint="Copy or export it again; nothing was changed.",
            )
        try:
            trailer = msgspec.json.decode(line, type=_Trailer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._fault(number, f"the closing line does not fit: {error}") from error
        if self._file.read(1):
            raise self._fault(number + 1, "nothing may follow the closing line")
        if trailer.records != records:
            raise self._fault(number, f"it promises {trailer.records} records, and {records} came before it")
        if trailer.blake2b != digest:
            raise TransferFileError(
                f"{self.name} is damaged: its content does not match the hash in its closing line.",
                hint="Copy or export it again; nothing was changed.",
            )

    def _fault(self, number: int, reason: str) -> TransferFileError:
        return TransferFileError(
            f"{self.name} cannot be restored. Line {number}: {shorten(reason, 200)}.",
            hint="Export it again, or correct the line; nothing was changed.",
        )

    def _unreadable(self, error: OSError) -> TransferFileError:
        return TransferFileError(f"{self.name} cannot be read: {error.strerror or error}.")
