from __future__ import annotations

import contextlib
import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile import HOSTILE, forbidden_in
from tui.core.errors import FoodsFileError
from tui.core.foods import (
    FoodsFile,
    _items,
    bundled_foods_path,
    content_hash,
    enriched_text,
    metadata_for,
    read_foods,
    to_record,
)
from tui.core.records import Food

PHO = {"id": "pho", "text": "Pho is a noodle soup.", "name": "Pho", "region": "Vietnam", "type": "Soup"}

Read = Callable[[Any], FoodsFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a foods file of the given bytes, text, or value to be written as JSON."""

    def read(content: Any) -> FoodsFile:
        path = tmp_path / "foods.json"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_foods(path)

    return read


def reason_for(read: Read, row: Any) -> str:
    """Returns why `row` is refused, after making sure that the good row beside it goes on."""
    file = read([row, {"id": "good", "text": "Good food."}])
    assert [(number, food.id) for number, food in file.foods] == [(2, "good")]
    (rejection,) = file.rejected
    assert rejection.row == 1
    assert not forbidden_in(rejection.id + rejection.reason)
    return rejection.reason


def file_error(read: Read, content: Any) -> FoodsFileError:
    with pytest.raises(FoodsFileError) as caught:
        read(content)
    assert caught.value.exit_code == 2
    assert "foods.json" in caught.value.message
    assert caught.value.hint
    return caught.value


class TestFile:
    def test_rows_become_foods_with_their_numbers(self, read: Read) -> None:
        file = read([PHO, {"id": "ramen", "text": "Ramen."}])
        assert file.foods == (
            (1, Food("pho", "Pho is a noodle soup.", "Pho", "Vietnam", "Soup")),
            (2, Food("ramen", "Ramen.")),
        )
        assert file.rejected == ()

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FoodsFileError, match=r"There is no file .*nothing\.json"):
            read_foods(tmp_path / "nothing.json")

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FoodsFileError, match="is a folder"):
            read_foods(tmp_path)

    def test_a_file_without_permission_is_refused(self, read: Read, tmp_path: Path) -> None:
        read([PHO])
        (tmp_path / "foods.json").chmod(0)
        if os.access(tmp_path / "foods.json", os.R_OK):
            pytest.skip("the superuser may read everything")
        with pytest.raises(FoodsFileError, match="cannot be read: Permission denied"):
            read_foods(tmp_path / "foods.json")

    @given(st.text('[]{},:"1a \n\u00a0', max_size=12))
    @example(" [ 1 ,\n[2, 3] ] ")
    @example("[1] 2")
    @example("[1,]")
    def test_what_is_read_row_by_row_is_what_the_whole_document_says(self, content: str) -> None:
        def outcome(read: Callable[[str], Any]) -> Any:
            try:
                return read(content)
            except json.JSONDecodeError as error:
                return error.args

        whole = outcome(json.loads)
        if isinstance(whole, list | tuple):
            assert outcome(lambda text: list(_items(text))) == whole

    @pytest.mark.parametrize(
        ("content", "place"),
        [
            ('[{"id": "a",\n  "text": oops}]', "line 2, column 11"),
            ('[{"id": "a", "text": "b"}', "line 1, column 26"),
            ('[{"id": "a", "text": "b"},]', "line 1, column 2"),
            ("[] []", "line 1, column 4"),
            ('["a\nb"]', "line 1, column 4"),
            ("{'id': 1}", "line 1, column 2"),
        ],
    )
    def test_what_is_not_json_is_named_with_line_and_column(self, read: Read, content: str, place: str) -> None:
        message = file_error(read, content).message
        assert "is not JSON" in message
        assert place in message

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
    def test_numbers_that_json_does_not_have_are_refused(self, read: Read, number: str) -> None:
        message = file_error(read, '[{"id": "NaN", "text": "\\"Infinity",\n "x": ' + number + "}]").message
        assert f"line 2, column 7: {number} is not a number in JSON" in message

    @pytest.mark.parametrize(
        ("content", "found"), [({"id": "a"}, "an object"), ("5", "a number"), ("null", "null"), ('"text"', "text")]
    )
    def test_what_is_not_a_list_is_named(self, read: Read, content: Any, found: str) -> None:
        assert f"holds {found}, not a list" in file_error(read, content).message

    @pytest.mark.parametrize("content", ["", " \n", "[]", "\ufeff"])
    def test_an_empty_file_or_list_is_refused(self, read: Read, content: str) -> None:
        assert "empty" in file_error(read, content).message

    def test_a_byte_order_mark_is_tolerated(self, read: Read) -> None:
        assert len(read(b"\xef\xbb\xbf" + json.dumps([PHO]).encode()).foods) == 1

    def test_latin_1_is_refused_with_the_place_and_a_way_out(self, read: Read) -> None:
        error = file_error(read, '[\n{"id": "a", "text": "Crème"}]'.encode("latin-1"))
        assert "byte 26 (line 2)" in error.message
        assert "Latin-1" in error.message
        assert "iconv -f ISO-8859-1 -t UTF-8" in error.hint

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
    def test_other_encodings_are_refused(self, read: Read, encoding: str) -> None:
        file_error(read, json.dumps([PHO]).encode(encoding))

    def test_nesting_without_end_is_refused(self, read: Read) -> None:
        assert "too deeply" in file_error(read, "[" * 100_000 + "]" * 100_000).message

    def test_a_number_without_end_is_refused(self, read: Read) -> None:
        assert "too long" in file_error(read, "[" + "1" * 10_000 + "]").message

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        path = tmp_path_factory.getbasetemp() / "any.json"
        path.write_bytes(content)
        with contextlib.suppress(FoodsFileError):
            assert read_foods(path).path == path


class TestRows:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("pho", "the row is text, not an object"),
            (None, "the row is null, not an object"),
            ([PHO], "the row is a list, not an object"),
            ({"text": "x"}, "the id is missing"),
            ({"id": None, "text": "x"}, "the id is missing"),
            ({"id": "  ", "text": "x"}, "the id is empty"),
            ({"id": 1.5, "text": "x"}, "the id is a number; it must be text or a whole number"),
            ({"id": True, "text": "x"}, "the id is true or false; it must be text or a whole number"),
            ({"id": ["a"], "text": "x"}, "the id is a list; it must be text or a whole number"),
            ({"id": "a\x1b[31m", "text": "x"}, "the id contains control or invisible characters"),
            ({"id": "a\nb", "text": "x"}, "the id contains control or invisible characters"),
            ({"id": "a\ud800", "text": "x"}, "the id contains control or invisible characters"),
            ({"id": "a" * 513, "text": "x"}, "the id has 513 characters; 512 are allowed"),
            ({"id": "a"}, "the text is missing"),
            ({"id": "a", "text": None}, "the text is missing"),
            ({"id": "a", "text": " \n\u200b"}, "the text is empty"),
            ({"id": "a", "text": 5}, "the text is a number; it must be text"),
            ({"id": "a", "text": {"en": "x"}}, "the text is an object; it must be text"),
            ({"id": "a", "text": "x", "region": ["Japan"]}, "the region is a list; it must be text"),
            ({"id": "a", "text": "x", "type": 5}, "the type is a number; it must be text"),
            ({"id": "a", "text": "x", "name": False}, "the name is true or false; it must be text"),
            ({"id": "a", "text": "x", "content_hash": "0"}, "the field content_hash has a reserved name"),
            ({"id": "a", "text": "x", "original_text": "0"}, "the field original_text has a reserved name"),
            ({"id": "a", "text": "x", "enriched\x00_text": "0"}, "the field enriched_text has a reserved name"),
            ({"id": "a", "text": "x", " region": "0"}, "the field region has a reserved name"),
            ({"id": "a", "text": "x", "n": 2**63}, "the field n holds a number that is too large"),
            ({"id": "a", "text": "x", "n": {"m": [-(10**30)]}}, "the field n holds a number that is too large"),
        ],
    )
    def test_bad_rows_are_refused_with_the_reason(self, read: Read, row: Any, reason: str) -> None:
        assert reason_for(read, row) == reason

    def test_infinite_and_deep_values_are_refused(self, read: Read) -> None:
        file = read(
            '[{"id": "a", "text": "x", "n": 1e999}, {"id": "b", "text": "x", "n": ' + "[" * 33 + "]" * 33 + "},"
            '{"id": "c", "text": "x", "n": ' + "[" * 32 + "]" * 32 + "}]"
        )
        assert [rejection.reason for rejection in file.rejected] == [
            "the field n holds a number that is too large",
            "the field n nests more than 32 levels deep",
        ]
        assert [food.id for _, food in file.foods] == ["c"]

    def test_whole_numbers_are_ids(self, read: Read) -> None:
        file = read([{"id": 7, "text": "x"}, {"id": "7", "text": "y"}, {"id": -(10**30), "text": "z"}])
        assert [food.id for _, food in file.foods] == ["7", str(-(10**30))]
        assert file.rejected[0].reason == "the id is a duplicate: row 1 has it already"

    def test_of_equal_ids_the_first_good_row_stays(self, read: Read) -> None:
        file = read([{"id": "a"}, {"id": "a", "text": "two"}, PHO, {"id": "a", "text": "four"}])
        assert [(number, food.text) for number, food in file.foods] == [(2, "two"), (3, PHO["text"])]
        assert [(bad.row, bad.id, bad.reason) for bad in file.rejected] == [
            (1, "a", "the text is missing"),
            (4, "a", "the id is a duplicate: row 2 has it already"),
        ]

    def test_a_megabyte_of_text_is_refused(self, read: Read) -> None:
        reason = reason_for(read, {"id": "a", "text": "x" * 1_100_000})
        assert reason == "the text takes 1,100,000 bytes; 1,048,576 are allowed"

    def test_metadata_that_upstash_would_not_take_is_refused(self, read: Read) -> None:
        assert "the metadata takes" in reason_for(read, {"id": "a", "text": "x" * 25_000})
        assert "49,152 are allowed" in reason_for(read, {"id": "a", "text": "x", "more": ["é" * 25_000]})
        assert len(read([{"id": "a", "text": "x" * 24_000}]).foods) == 1

    def test_a_huge_id_is_quoted_short(self, read: Read) -> None:
        (rejection,) = read([{"id": "a" * 1_000_000, "text": "x"}]).rejected
        assert len(rejection.id) <= 80

    @pytest.mark.parametrize("word", ["Unknown", "unknown", " Unknown "])
    def test_the_legacy_unknown_is_read_as_absent(self, read: Read, word: str) -> None:
        ((_, food),) = read([{"id": "a", "text": "x", "region": word, "type": word, "name": "Unknown"}]).foods
        assert (food.region, food.type, food.name) == ("", "", "Unknown")

    def test_null_labels_are_absent(self, read: Read) -> None:
        ((_, food),) = read([{"id": "a", "text": "x", "region": None, "type": None, "name": None}]).foods
        assert food == Food("a", "x")

    def test_nested_values_are_kept_as_they_are(self, read: Read) -> None:
        extra = {"tags": ["a", {"b": [1, 2.5, None, True]}], "note": "Crème  brûlée", "n": 2**63 - 1}
        ((_, food),) = read([{**PHO, **extra}]).foods
        assert food.extra == extra

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_fields_are_cleaned_or_refused(self, read: Read, name: str) -> None:
        attack = HOSTILE[name]
        row = {"id": "a", "text": f"x{attack}", "name": attack, "region": attack, "type": attack}
        ((_, food),) = read([{**row, "more": [attack, {f"k{attack}": attack}], f"key{attack}": 1}]).foods
        shown = json.dumps([to_record(food).metadata, food.name, food.text], ensure_ascii=False)
        assert not forbidden_in(shown)
        file = read([{"id": attack, "text": "x"}])
        assert len(file.foods) + len(file.rejected) == 1
        assert not forbidden_in("".join([food.id for _, food in file.foods] + [bad.id for bad in file.rejected]))

    def test_markup_is_text(self, read: Read) -> None:
        ((_, food),) = read([{"id": "[/foo]", "text": "[@click=app.quit]x[/]"}]).foods
        assert (food.id, food.text) == ("[/foo]", "[@click=app.quit]x[/]")

    def test_100_000_rows_are_read_fast(self, read: Read, tmp_path: Path) -> None:
        path = tmp_path / "many.json"
        text = "Pho is a Vietnamese noodle soup of flat rice noodles in clear broth. " * 4
        path.write_text(json.dumps([{**PHO, "id": f"food-{number}", "text": text} for number in range(100_000)]))
        gc.collect()
        started = time.process_time()
        file = read_foods(path)
        seconds = time.process_time() - started
        assert len(file.foods) == 100_000
        # About 0.6 s of processor time; the bound leaves room for a busy machine.
        assert seconds < 3


class TestRecords:
    @pytest.mark.parametrize(
        ("region", "type_", "expected"),
        [
            ("Vietnam", "Soup", "Pho. This food is popular in Vietnam. It is a type of Soup."),
            ("Vietnam", "", "Pho. This food is popular in Vietnam."),
            ("", "Soup", "Pho. It is a type of Soup."),
            ("", "", "Pho."),
        ],
    )
    def test_the_enrichment_is_the_legacy_one(self, region: str, type_: str, expected: str) -> None:
        assert enriched_text(Food("pho", "Pho.", region=region, type=type_)) == expected

    def test_metadata_has_the_legacy_keys_and_ours(self) -> None:
        food = Food("pho", "Pho.", "Pho", "Vietnam", "Soup", {"spicy": False})
        assert metadata_for(food) == {
            "original_text": "Pho.",
            "name": "Pho",
            "region": "Vietnam",
            "type": "Soup",
            "enriched_text": "Pho. This food is popular in Vietnam. It is a type of Soup.",
            "spicy": False,
            "content_hash": content_hash(food),
        }

    def test_absent_fields_are_omitted(self) -> None:
        assert metadata_for(Food("pho", "Pho.")).keys() == {"original_text", "enriched_text", "content_hash"}

    def test_a_record_holds_what_is_embedded(self) -> None:
        food = Food("pho", "Pho.", region="Vietnam")
        record = to_record(food)
        assert (record.id, record.text, record.passage) == ("pho", enriched_text(food), "Pho.")
        assert record.metadata == metadata_for(food)
        assert record.vector is None

    def test_the_hash_never_changes_by_itself(self) -> None:
        food = Food("pho", "Phở.", "Pho", "Vietnam", "Soup", {"b": [1, 2.5], "a": None})
        assert content_hash(food) == "6e98acd3f7283758316090d4112d656e"

    def test_the_hash_does_not_depend_on_the_order_of_fields_or_the_id(self) -> None:
        first = Food("a", "x", extra={"a": 1, "b": {"c": 1, "d": 2}})
        second = Food("b", "x", extra={"b": {"d": 2, "c": 1}, "a": 1})
        assert content_hash(first) == content_hash(second)

    @pytest.mark.parametrize(
        "other",
        [
            Food("a", "y", "n", "r", "t", {"e": 1}),
            Food("a", "x", "m", "r", "t", {"e": 1}),
            Food("a", "x", "n", "s", "t", {"e": 1}),
            Food("a", "x", "n", "r", "u", {"e": 1}),
            Food("a", "x", "n", "r", "t", {"e": 2}),
            Food("a", "x", "n", "r", "t", {"f": 1}),
            Food("a", "x", "n", "r", "t"),
        ],
    )
    def test_the_hash_changes_with_every_field(self, other: Food) -> None:
        assert content_hash(other) != content_hash(Food("a", "x", "n", "r", "t", {"e": 1}))

    def test_further_fields_cannot_displace_ours(self) -> None:
        food = Food("a", "x", extra={"original_text": "evil", "enriched_text": "evil", "content_hash": "evil"})
        metadata = metadata_for(food)
        assert (metadata["original_text"], metadata["enriched_text"]) == ("x", "x")
        assert metadata["content_hash"] == content_hash(food) != "evil"


def test_the_bundled_foods_are_all_good() -> None:
    file = read_foods(bundled_foods_path())
    assert file.rejected == ()
    assert len(file.foods) >= 120
    assert all(food.name and food.region and food.type for _, food in file.foods)
