"""Upserts, updates, deletes and resets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.engine.rows import ids, numbered, row, terms
from tui.core.errors import InvalidQuery, InvalidRecord, NamespaceNotFound
from tui.core.records import SparseVector
from tui.engine.database import ONE_SELECTOR, Database
from tui.engine.records import Include, IndexConfig, Row, UpdateMode

EVERYTHING = Include(vectors=True)


def test_an_upsert_replaces_the_whole_row(dense: Database) -> None:
    dense.upsert("", [row("a", [1, 0], data="old", metadata={"x": 1})])
    dense.upsert("", [row("a", [0, 1])])
    [found] = dense.fetch("", ["a"], include=EVERYTHING)
    assert found is not None
    assert (found.vector.tolist(), found.data, found.metadata) == ([0, 1], None, None)


def test_of_equal_ids_in_a_batch_the_last_wins(dense: Database) -> None:
    dense.upsert("", [row("a", [1, 0], data="1"), row("b", [1, 1]), row("a", [0, 1], data="2")])
    rows, _ = dense.range("")
    assert [(found.id, found.data) for found in rows] == [("a", "2"), ("b", None)]


def test_a_known_id_keeps_its_place(dense: Database) -> None:
    dense.upsert("", numbered(3))
    dense.upsert("", [row("new", [5, 5]), row("id-0", [9, 9])])
    assert ids(dense.range("")[0]) == ["id-0", "id-1", "id-2", "new"]


def test_a_batch_is_all_or_nothing(dense: Database) -> None:
    with pytest.raises(InvalidRecord):
        dense.upsert("", [row("good", [1, 0]), row("bad", [1, 0, 0])])
    assert dense.info().counts == {"": 0}


def test_a_failure_before_the_commit_leaves_nothing(opened: Callable[..., Database]) -> None:
    def fail(name: str) -> None:
        if name == "upsert.before_commit" and armed:
            raise RuntimeError(name)

    armed: list[bool] = []
    database = opened(IndexConfig(2), checkpoint=fail)
    database.upsert("", numbered(2))
    assert ids(database.query("", vector=[1, 1])) == ["id-1", "id-0"]
    armed.append(True)
    with pytest.raises(RuntimeError):
        database.upsert("", [row("id-9", [1, 1])], notes={"seen": "yes"})
    armed.clear()
    assert ids(database.query("", vector=[1, 1])) == ["id-1", "id-0"]
    assert database.get_note("seen") is None
    database.upsert("", [row("id-9", [1, 1])])
    assert ids(database.query("", vector=[1, 1])) == ["id-1", "id-9", "id-0"]


def test_notes_are_part_of_the_write(dense: Database) -> None:
    dense.upsert("", numbered(1), notes={"filled": "1"})
    assert dense.get_note("filled") == "1"
    dense.reset("", notes={"filled": "0"})
    assert dense.get_note("filled") == "0"
    dense.set_note("other", "ä")
    assert dense.get_note("other") == "ä"
    assert dense.get_note("missing") is None


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (IndexConfig(256), row("a", [1, 2]), "Invalid vector dimension: 2, expected: 256"),
        (IndexConfig(2), row("a"), "This index requires dense vectors"),
        (IndexConfig(2, sparse=True), row("a", sparse={1: 1}), "This index requires dense vectors"),
        (IndexConfig(2, sparse=True), row("a", [1, 2]), "This index requires sparse vectors"),
        (IndexConfig(0, sparse=True), row("a"), "This index requires sparse vectors"),
        (IndexConfig(2), row("a", [1, 2], {1: 1}), "keeps none"),
        (IndexConfig(2), row("a", [float("nan"), 2]), "not finite"),
        (IndexConfig(2), Row("a", [1e39, 2]), "not finite"),  # type: ignore[arg-type]
        (IndexConfig(2), Row("a", ["1", "2"]), "list of numbers"),  # type: ignore[arg-type]
        (IndexConfig(2), row("", [1, 2]), "id"),
        (IndexConfig(2), row("\ud800", [1, 2]), "Unicode"),
        (IndexConfig(2), row("a", [1, 2], metadata={"x": "ä" * 24_576}), "Exceeded max metadata size"),
        (IndexConfig(2), row("a", [1, 2], metadata={"x": float("inf")}), "not JSON"),
        (IndexConfig(2), row("a", [1, 2], metadata={"x": object()}), "not JSON"),
        (IndexConfig(2), row("a", [1, 2], metadata=["x"]), "JSON object"),  # type: ignore[arg-type]
        (IndexConfig(2), row("a", [1, 2], data="x" * (1024 * 1024 + 1)), "Exceeded max data size"),
        (IndexConfig(2), row("a", [1, 2], data="\udfff"), "Unicode"),
        (IndexConfig(0, sparse=True), row("a", sparse=dict.fromkeys(range(1001), 1.0)), "at most 1,000"),
        (IndexConfig(0, sparse=True), row("a", sparse={2**31: 1}), "32 bits"),
        (IndexConfig(0, sparse=True), row("a", sparse={1: float("inf")}), "not finite"),
        (IndexConfig(0, sparse=True), row("a", sparse={1.5: 1}), "32-bit"),  # type: ignore[dict-item]
        (IndexConfig(0, sparse=True), Row("a", sparse=SparseVector([1, 2], [1.0])), "as many values"),
    ],
)
def test_what_does_not_fit_is_refused(
    opened: Callable[..., Database], config: IndexConfig, given: Row, message: str
) -> None:
    database = opened(config)
    with pytest.raises(InvalidRecord, match=message):
        database.upsert("", [given])
    assert database.info().total == 0


def test_metadata_at_the_limit_is_taken(dense: Database) -> None:
    metadata = {"x": "y" * (48 * 1024 - len('{"x":""}'))}
    dense.upsert("", [row("a", [1, 2], data="x" * 1024 * 1024, metadata=metadata)])
    [found] = dense.fetch("", ["a"])
    assert found is not None
    assert found.metadata == metadata


def test_metadata_nested_too_deep_is_refused(dense: Database) -> None:
    nested: list[object] = []
    for _ in range(120):
        nested = [nested]
    with pytest.raises(InvalidRecord, match="nested"):
        dense.upsert("", [row("a", [1, 2], metadata={"x": nested})])


def test_rows_come_back_exactly(hybrid: Database) -> None:
    metadata = {
        "z": 2**200,
        "a": [0.1, 1e-300, -0.0, 9007199254740993, None, True, {"ü\u2028": "\x00\x1b"}],
        "": {"b": 1, "a": 2},
    }
    given = row("i\x00d/ü", [0.1, 3e-39], {7: 0.1, -2147483648: 3.4e38, 3: -0.0}, "\x00\r\n\u0085😀", metadata)
    hybrid.upsert("näm/e", [given])
    [found] = hybrid.fetch("näm/e", ["i\x00d/ü"], include=EVERYTHING)
    assert found is not None
    assert found.vector.tobytes() == given.vector.tobytes()
    assert found.sparse == SparseVector([7, -2147483648, 3], [0.1, 3.4e38, -0.0])
    assert found.data == given.data
    assert repr(found.metadata) == repr(metadata)


def test_data_may_be_empty_and_absent(dense: Database) -> None:
    dense.upsert("", [row("a", [1, 2], data="", metadata={}), row("b", [1, 2])])
    rows, _ = dense.range("")
    assert [(found.data, found.metadata) for found in rows] == [("", {}), (None, None)]


def test_an_update_changes_only_what_is_given(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 2], {1: 2}, "text", {"x": 1})])
    assert hybrid.update("", "a", data="new") == 1
    assert hybrid.update("", "a", vector=[3, 4], sparse=terms({5: 6})) == 1
    assert hybrid.update("", "a", metadata={"y": 2}) == 1
    [found] = hybrid.fetch("", ["a"], include=EVERYTHING)
    assert found is not None
    assert (found.data, found.metadata, found.sparse) == ("new", {"y": 2}, SparseVector([5], [6.0]))
    assert np.array_equal(found.vector, [3, 4])


def test_an_update_can_empty_a_sparse_vector(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 0], {1: 1})])
    assert hybrid.update("", "a", vector=[1, 0], sparse=SparseVector([], [])) == 1
    [found] = hybrid.fetch("", ["a"], include=EVERYTHING)
    assert found is not None
    assert found.sparse == SparseVector([], [])


def test_an_update_of_a_missing_row_changes_nothing(dense: Database) -> None:
    assert dense.update("", "a", data="new") == 0
    assert dense.update("elsewhere", "a", data="new") == 0
    assert dense.namespaces() == [""]


def test_a_hybrid_update_takes_both_vectors_or_neither(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 2], {1: 2})])
    with pytest.raises(InvalidRecord, match="sparse vectors"):
        hybrid.update("", "a", vector=[3, 4])
    with pytest.raises(InvalidRecord, match="dense vectors"):
        hybrid.update("", "a", sparse=terms({1: 1}))


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (None, {"a": 1}, {"a": 1}),
    ],
)
def test_a_patch_merges_as_rfc_7396_says(dense: Database, target: object, patch: object, result: object) -> None:
    dense.upsert("", [row("a", [1, 2], metadata=target)])  # type: ignore[arg-type]
    dense.update("", "a", metadata=patch, mode=UpdateMode.PATCH)  # type: ignore[arg-type]
    [found] = dense.fetch("", ["a"])
    assert found is not None
    assert found.metadata == result


def test_delete_counts_what_existed(dense: Database) -> None:
    dense.upsert("", numbered(5, metadata={"x": 1}))
    assert dense.delete("", ids=["id-1", "id-1", "nothing"]) == 1
    assert dense.delete("", ids=["id-1"]) == 0
    assert dense.delete("", prefix="id-2") == 1
    assert dense.delete("", filter="x = 1") == 3
    assert dense.delete("", filter="HAS NOT FIELD x") == 0
    assert dense.delete("elsewhere", ids=["id-1"]) == 0


@pytest.mark.parametrize(
    "selectors", [{}, {"ids": ["a"], "prefix": "b"}, {"ids": []}, {"prefix": "a", "filter": "x = 1"}]
)
def test_delete_wants_exactly_one_selector(dense: Database, selectors: dict[str, object]) -> None:
    with pytest.raises(InvalidQuery) as caught:
        dense.delete("", **selectors)  # type: ignore[arg-type]
    assert caught.value.message == ONE_SELECTOR


def test_a_reset_empties_one_namespace_and_keeps_it(dense: Database) -> None:
    dense.upsert("", numbered(3))
    dense.upsert("ns", numbered(3))
    dense.reset("ns")
    dense.reset("missing")
    assert dense.info().counts == {"": 3, "ns": 0}
    assert dense.query("ns", vector=[1, 1]) == []
    dense.upsert("ns", [row("after", [1, 1])])
    assert ids(dense.query("ns", vector=[1, 1])) == ["after"]


def test_reset_all_empties_every_namespace(dense: Database) -> None:
    for name in ("", "b", "a"):
        dense.upsert(name, numbered(3))
        assert dense.query(name, vector=[1, 1])
    dense.reset_all()
    assert dense.info().counts == {"": 0, "b": 0, "a": 0}
    assert dense.query("a", vector=[1, 1]) == []


def test_a_reset_gives_the_space_back(opened: Callable[..., Database]) -> None:
    database = opened(IndexConfig(256))
    vectors = np.zeros((20_000, 256), np.float32)
    database.upsert("", [Row(str(number), vector) for number, vector in enumerate(vectors)])
    full = database.info().size
    database.reset("")
    assert database.info().size < full / 20


def test_namespaces_come_and_go(dense: Database) -> None:
    dense.upsert("ns", numbered(1))
    dense.upsert("another", numbered(1))
    assert dense.namespaces() == ["", "ns", "another"]
    dense.delete_namespace("ns")
    assert dense.namespaces() == ["", "another"]
    with pytest.raises(NamespaceNotFound):
        dense.delete_namespace("ns")
    with pytest.raises(InvalidQuery):
        dense.delete_namespace("")


def test_a_namespace_made_again_is_empty(dense: Database) -> None:
    dense.upsert("ns", numbered(3))
    assert len(dense.query("ns", vector=[1, 1])) == 3
    dense.delete_namespace("ns")
    assert dense.query("ns", vector=[1, 1]) == []
    dense.upsert("ns", [row("new", [1, 1])])
    assert ids(dense.query("ns", vector=[1, 1])) == ["new"]


def test_a_namespace_is_renamed_with_its_rows(dense: Database) -> None:
    dense.upsert("old", numbered(2))
    dense.upsert("taken", numbered(3))
    assert dense.rename_namespace("old", "new")
    assert not dense.rename_namespace("new", "taken")
    assert dense.info().counts == {"": 0, "new": 2, "taken": 3}
    assert dense.rename_namespace("new", "taken", delete_existing=True)
    assert dense.info().counts == {"": 0, "taken": 2}
    assert len(dense.query("taken", vector=[1, 1])) == 2
    with pytest.raises(NamespaceNotFound):
        dense.rename_namespace("old", "x")
    with pytest.raises(InvalidQuery):
        dense.rename_namespace("taken", "")
