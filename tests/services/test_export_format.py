from __future__ import annotations

import io
import json
from hashlib import blake2b

import numpy as np
import pytest

from tui.core.errors import TransferFileError
from tui.core.records import Record, SparseVector
from tui.services import export_format
from tui.services.export_format import ExportReader, ExportWriter, header_of

HEADER = header_of(dimension=4, similarity="COSINE", model="m", sparse_model="BM25")


def record(number: int) -> Record:
    vector = np.random.default_rng(number).standard_normal(4).astype(np.float32)
    metadata = {"n": number, "big": 2**70, "float": 1e-7, "nested": {"a": [None, True, "\u2028\x1b<b>"]}}
    return Record(f"id {number} ✓", f"text {number}\n", metadata, vector, SparseVector([3, 2**31 - 1], [0.1, 2.5]))


def exported(records: list[Record]) -> bytes:
    file = io.BytesIO()
    writer = ExportWriter(file, HEADER)
    writer.write(records)
    writer.finish()
    return file.getvalue()


def reader(content: bytes) -> ExportReader:
    return ExportReader(io.BytesIO(content), "export.jsonl")


def sealed(lines: list[bytes], *, records: int | None = None) -> bytes:
    """The lines with a closing line that fits them, so that only their own faults can be found."""
    body = b"".join(line + b"\n" for line in lines)
    count = len(lines) - 1 if records is None else records
    return body + json.dumps({"records": count, "blake2b": blake2b(body, digest_size=32).hexdigest()}).encode() + b"\n"


def verify(reader: ExportReader) -> int:
    for _ in reader.verify():
        pass
    return reader.count


def test_what_is_written_is_read_back_and_written_the_same() -> None:
    content = exported([record(n) for n in range(20)])
    source = reader(content)
    assert verify(source) == 20
    records = list(source.records())
    assert [r.id for r in records] == [f"id {n} ✓" for n in range(20)]
    assert dict(records[7].metadata) == dict(record(7).metadata)
    assert exported(records) == content


def test_every_float32_survives() -> None:
    bits = np.random.default_rng(5).integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    edges = np.array([0.0, -0.0, 1e-45, 3.4028235e38, 1.1754944e-38, 0.1, -1 / 3], np.float32)
    finite = np.concatenate([edges, bits[np.isfinite(bits)]])
    finite = finite[: len(finite) // 4 * 4].reshape(-1, 4)
    written = [Record(str(n), "", {}, vector, SparseVector([1, 2, 3, 4], vector)) for n, vector in enumerate(finite)]
    for before, after in zip(written, reader(exported(written)).records(), strict=True):
        assert after.vector is not None
        assert after.sparse is not None
        assert after.vector.tobytes() == before.vector.tobytes()  # type: ignore[union-attr]
        assert np.asarray(after.sparse.values, np.float32).tobytes() == before.vector.tobytes()  # type: ignore[union-attr]


def test_vectors_are_written_as_the_shortest_decimals() -> None:
    line = export_format.encode_record(Record("a", "", {}, np.array([0.1, 1 / 3], np.float32)))
    assert json.loads(line)["vector"] == [0.1, 0.33333334]


GOOD = export_format.encode_record(record(1))
FIRST = exported([]).splitlines()[0]


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(GOOD), **fields}).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "line 3"),
        (b"not json", "line 3"),
        (b"[]", "line 3"),
        (b"\xff\xfe", "line 3"),
        (b"[" * 100_000, "line 3"),
        (changed(id=5), "line 3"),
        (changed(text=None), "line 3"),
        (changed(metadata=[]), "line 3"),
        (changed(extra=1), "line 3"),
        (changed(vector=[1, 2, 3]), "3 values instead of 4"),
        (changed(vector=None), "missing"),
        (changed(vector=["1", 2, 3, 4]), "line 3"),
        (changed(vector=[1e39, 2, 3, 4]), "out of range"),
        (GOOD.replace(b'"vector":[', b'"vector":[NaN,'), "line 3"),
        (changed(sparse={"indices": [1], "values": []}), "not as many values"),
        (changed(sparse={"indices": [2**31], "values": [1]}), "32-bit"),
        (GOOD, "a second time"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: bytes, reason: str) -> None:
    with pytest.raises(TransferFileError) as caught:
        verify(reader(sealed([FIRST, GOOD, line])))
    message = caught.value.message.lower()
    assert "line 3" in message
    assert reason in message


def test_a_line_of_a_size_that_no_record_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_format, "LINE_LIMIT", 10_000)
    with pytest.raises(TransferFileError, match="Line 3: it is longer"):
        verify(reader(sealed([FIRST, GOOD, changed(text="x" * 20_000)])))


@pytest.mark.parametrize("content", [b"", b"{}\n", b'[{"id":"pho"}]', b"\x00" * 100, b'{"kind":"other"}\n'])
def test_a_file_that_is_none_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(TransferFileError, match="not an export of ragfood"):
        verify(reader(content))


def test_a_file_of_a_newer_schema_is_refused_with_a_sentence() -> None:
    newer = json.dumps({**json.loads(FIRST), "schema": 2, "surprise": True}).encode()
    with pytest.raises(TransferFileError, match="newer ragfood") as caught:
        verify(reader(sealed([newer])))
    assert "Update ragfood" in caught.value.hint


def test_a_file_cut_anywhere_is_refused() -> None:
    content = exported([record(n) for n in range(3)])
    for end in range(len(content) - 1):
        with pytest.raises(TransferFileError):
            verify(reader(content[:end]))


def test_one_changed_byte_is_noticed() -> None:
    content = exported([record(n) for n in range(3)])
    for place in range(0, len(content), 7):
        broken = bytearray(content)
        broken[place] ^= 0x01
        with pytest.raises(TransferFileError):
            verify(reader(bytes(broken)))


def test_nothing_may_follow_the_closing_line() -> None:
    with pytest.raises(TransferFileError, match="nothing may follow"):
        verify(reader(exported([record(1)]) + b"\n"))


def test_the_promised_number_of_records_must_be_there() -> None:
    with pytest.raises(TransferFileError, match="promises 5 records"):
        verify(reader(sealed([FIRST, GOOD], records=5)))
