"""Foods files as people have them: taken or refused with the row and the reason; nothing indexed is harmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import FOODS, ragfood, write_foods
from tests.cli.conftest import Call
from tests.hostile import HOSTILE, forbidden_in


@pytest.fixture
def indexed(call: Call, foods: Path) -> list[Any]:
    """Records that are in the index before the bad file comes."""
    assert call("index", "upsert", str(foods)).code == 0
    return records(call)


def records(call: Call) -> list[Any]:
    listed: list[Any] = call("index", "list", "--json").document["records"]
    return listed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"not json", "is not JSON: line 1, column 1"),
        (b'[{"id": "x", "text": "y"},]', "is not JSON"),
        (b'{"id": "x", "text": "y"}', "not a list"),
        (b'"text"', "not a list"),
        (b"[]", "empty list"),
        (b'[{"id": "x", "text": NaN}]', "is not JSON"),
        ('[{"id": "x", "text": "Café"}]'.encode("latin-1"), "is not UTF-8"),
        ('[{"id": "x", "text": "Café"}]'.encode("utf-16"), "is UTF-16"),
        (b"[" * 100_000, "nests"),
        (b'[{"id": "x", "n": ' + b"9" * 10_000 + b"}]", "number"),
    ],
    ids=["missing", "empty", "blank", "not JSON", "comma", "object", "text", "empty list", "NaN", "Latin-1", "UTF-16",
         "deep", "long number"],
)  # fmt: skip
def test_a_file_that_cannot_be_read(
    call: Call, indexed: list[Any], tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "bad.json").write_bytes(content)
    for command in ("plan", "upsert"):
        assert said in call("index", command, "bad.json", "--json").sentence()
    assert records(call) == indexed


def test_a_folder_is_no_foods_file(call: Call, tmp_path: Path) -> None:
    assert "is a folder" in call("index", "upsert", str(tmp_path)).sentence()


def test_a_missing_foods_file_stops_a_first_fill(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGFOOD_FOODS", "missing.json")
    assert "missing.json" in call("ask", "soup", "--json").sentence()
    monkeypatch.delenv("RAGFOOD_FOODS")
    assert call("ask", "soup", "--json").document["sources"]


def test_a_byte_order_mark_is_taken(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(FOODS).encode())
    assert call("index", "upsert", "bom.json", "--json").document["written"] == ["pho", "ramen", "baklava"]


BAD_ROWS: list[tuple[Any, str]] = [
    ("text", "not an object"),
    (None, "not an object"),
    ({"text": "No id."}, "id is missing"),
    ({"id": "", "text": "Empty id."}, "id is empty"),
    ({"id": True, "text": "Odd id."}, "id is true or false"),
    ({"id": 1.5, "text": "Odd id."}, "id is a number"),
    ({"id": ["x"], "text": "Odd id."}, "id is a list"),
    ({"id": "pho", "text": "Another pho."}, "duplicate"),
    ({"id": "\x1b[31mred", "text": "Hostile id."}, "control"),
    ({"id": "x" * 600, "text": "Long id."}, "600 characters"),
    ({"id": "no-text"}, "text is missing"),
    ({"id": "empty-text", "text": " \x07\n"}, "text is empty"),
    ({"id": "odd-text", "text": {"de": "Text"}}, "text is an object"),
    ({"id": "odd-region", "text": "x", "region": ["Japan"]}, "region is a list"),
    ({"id": "megabyte", "text": "soup " * 220_000}, "1,048,576 are allowed"),
    ({"id": "reserved", "text": "x", "content_hash": "mine"}, "reserved"),
    ({"id": "deep", "text": "x", "extra": json.loads("[" * 40 + "]" * 40)}, "levels deep"),
    ({"id": "huge", "text": "x", "extra": 10**30}, "too large"),
]


def test_bad_rows_are_named_and_the_good_ones_go_in(call: Call, tmp_path: Path) -> None:
    good = [*FOODS, {"id": 42, "text": "Numbered."}, {"id": "nested", "text": "x", "facts": {"a": [1, None, {"b": 2}]}}]
    rows = write_foods(tmp_path / "rows.json", [*good, *(row for row, _ in BAD_ROWS)])
    done = call("index", "upsert", str(rows), "--json")
    assert done.code == 0
    assert done.document["written"] == ["pho", "ramen", "baklava", "42", "nested"]
    rejected = done.document["rejected"]
    assert [rejection["row"] for rejection in rejected] == list(range(6, 6 + len(BAD_ROWS)))
    for rejection, (_, reason) in zip(rejected, BAD_ROWS, strict=True):
        assert rejection.keys() == {"row", "id", "reason"}
        assert reason in rejection["reason"]
    assert records(call)[-1]["metadata"]["facts"] == {"a": [1, None, {"b": 2}]}


def test_a_file_without_one_good_row_fails_and_harms_nothing(call: Call, indexed: list[Any], tmp_path: Path) -> None:
    rows = write_foods(tmp_path / "rows.json", [row for row, _ in BAD_ROWS if row != {"id": "pho"}][:5])
    done = call("index", "upsert", str(rows))
    assert done.code == 1
    assert done.err.count("row ") >= 5
    assert records(call) == indexed


def test_only_the_first_refused_rows_are_listed_for_people(call: Call, tmp_path: Path) -> None:
    rows = write_foods(tmp_path / "rows.json", [{"id": str(number)} for number in range(500)])
    done = call("index", "plan", str(rows))
    assert done.err.count("text is missing") == 20
    assert "480 more" in done.err


def test_hostile_text_in_every_field(call: Call, tmp_path: Path) -> None:
    rows = [
        {
            "id": f"row-{number}",
            "text": f"Soup {text}",
            "name": text,
            "region": text,
            "type": text,
            text: {text: [text]},
        }
        for number, text in enumerate(HOSTILE.values())
    ]
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(rows))
    done = [call("index", "upsert", str(path)), call("index", "upsert", str(path), "--json")]
    assert done[1].document["unchanged"]
    done += [call("index", "list", "--json"), call("search", "soup", "--top-k", "100")]
    done += [call("ask", "soup", "--no-llm", "--top-k", "50"), call("ask", "soup", "--no-llm", "--json")]
    for result in done:
        assert result.code == 0
        assert not forbidden_in(result.out + result.err)


def test_many_rows(home: Path, tmp_path: Path) -> None:
    rows = [{"id": f"food-{number}", "text": f"Dish {number} of rice and beans."} for number in range(3_000)]
    done = ragfood("index", "upsert", str(write_foods(tmp_path / "many.json", rows)), "--json", home=home)
    assert len(done.document["written"]) == 3_000
    assert ragfood("index", "stats", "--json", home=home).document["records"] == 3_000
