from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path

import pytest

from tests.cli.command import FOODS, ragfood, terminal, write_foods
from tests.cli.conftest import Call
from tests.hostile import forbidden_in
from tui.core.paths import Paths
from tui.core.records import Record, Unfinished
from tui.core.settings import Settings
from tui.wiring import build_services

PLAN_KEYS = {"new", "changed", "unchanged", "orphaned", "rejected", "cost"}


def ids_of(call: Call) -> list[str]:
    return [record["id"] for record in call("index", "list", "--json", "--limit", "1000").document["records"]]


def test_plan_says_what_would_happen_and_changes_nothing(call: Call, home: Path, foods: Path) -> None:
    plan = call("index", "plan", str(foods), "--json").document
    assert plan.keys() == PLAN_KEYS
    assert plan["new"] == ["pho", "ramen", "baklava"]
    assert plan["cost"].keys() == {"writes", "requests", "dollars"}
    assert not (home / "data" / "index.db").exists()
    assert call("index", "stats", "--json").document["records"] == 0


def test_upsert_tells_new_from_changed_from_unchanged_from_orphaned(call: Call, foods: Path) -> None:
    first = call("index", "upsert", str(foods), "--json").document
    assert first.keys() == PLAN_KEYS | {"written", "failed"}
    assert first["written"] == ["pho", "ramen", "baklava"]
    assert first["failed"] == []
    write_foods(foods, [FOODS[0] | {"region": "Hanoi"}, FOODS[1], {"id": "new", "text": "Something new."}, {"id": 9}])
    second = call("index", "upsert", str(foods), "--json").document
    assert second["new"] == ["new"]
    assert second["changed"] == ["pho"]
    assert second["unchanged"] == ["ramen"]
    assert second["orphaned"] == ["baklava"]
    assert second["rejected"] == [{"row": 4, "id": "9", "reason": "the text is missing"}]
    assert second["written"] == ["pho", "new"]
    assert set(ids_of(call)) == {"pho", "ramen", "baklava", "new"}


def test_upsert_without_a_file_takes_the_foods_of_the_settings(call: Call, foods: Path, monkeypatch) -> None:
    monkeypatch.setenv("RAGFOOD_FOODS", str(foods))
    done = call("index", "upsert")
    assert done.code == 0
    assert "new        3\n" in done.out
    assert "written    3 in " in done.out
    assert ids_of(call) == ["pho", "ramen", "baklava"]


def test_first_takes_the_first_good_rows(call: Call, tmp_path: Path) -> None:
    rows = write_foods(tmp_path / "rows.json", [{"id": "bad"}, *FOODS])
    assert call("index", "plan", str(rows), "--first", "2", "--json").document["new"] == ["pho", "ramen"]
    assert call("index", "upsert", str(rows), "--first", "2", "--json").document["written"] == ["pho", "ramen"]


def test_upsert_is_no_first_fill(call: Call, foods: Path) -> None:
    call("index", "upsert", str(foods))
    assert call("search", "soup", "--json").document["hits"]
    assert len(ids_of(call)) == 3


def test_stats(filled: Path, call: Call) -> None:
    stats = call("index", "stats", "--json").document
    assert (stats["kind"], stats["namespace"], stats["records"], stats["pending"]) == ("embedded", "", 150, 0)
    assert (stats["dimension"], stats["similarity"], stats["sparse_model"]) == (256, "COSINE", "BM25")
    assert stats["size"] > 0
    shown = call("index", "stats").out
    assert "records    150 (0 pending)" in shown
    assert "dense      256-d cosine, " in shown


def test_list_goes_through_pages_by_its_cursor(filled: Path, call: Call) -> None:
    everything = ids_of(call)
    assert len(everything) == 150
    seen: list[str] = []
    cursor: list[str] = []
    while True:
        page = call("index", "list", "--limit", "40", "--json", *cursor).document
        assert page.keys() == {"records", "next_cursor"}
        seen += [record["id"] for record in page["records"]]
        if not page["next_cursor"]:
            break
        cursor = ["--cursor", page["next_cursor"]]
    assert seen == everything


def test_list_by_prefix_and_filter(filled: Path, call: Call) -> None:
    page = call("index", "list", "--prefix", "p", "--filter", "region = 'Vietnam'", "--json").document
    assert [record["id"] for record in page["records"]] == ["pho"]
    assert page["records"][0].keys() == {"id", "text", "metadata"}
    shown = call("index", "list", "--limit", "2")
    assert shown.out == "pho    Pho\nramen  Ramen\n"
    assert "--cursor" in shown.err


def test_a_cursor_that_is_none_of_ours_is_refused(filled: Path, call: Call) -> None:
    done = call("index", "list", "--cursor", "\x1b[31mnonsense")
    assert done.code in (1, 2)
    assert "\x1b" not in done.err
    assert "did not expect" not in done.err


def test_delete_by_id(filled: Path, call: Call) -> None:
    done = call("index", "delete", "pho", "no-such", "--json")
    assert done.code == 0
    assert done.document == {"deleted": 1, "missing": ["no-such"]}
    assert "pho" not in ids_of(call)
    gone = call("index", "delete", "pho")
    assert gone.code == 1
    assert "no record pho" in gone.err


def test_reset_saves_a_snapshot_and_says_the_way_back(filled: Path, call: Call) -> None:
    before = call("index", "list", "--json", "--limit", "1000").out
    done = call("index", "reset", "--yes")
    assert done.code == 0
    assert "removed 150 records" in done.out
    assert ids_of(call) == []
    way_back = next(line for line in done.out.split("\n") if line.startswith("way back: "))
    restored = call(*shlex.split(way_back)[3:])
    assert restored.code == 0
    assert call("index", "list", "--json", "--limit", "1000").out == before


def test_after_a_reset_nothing_is_filled_again(filled: Path, call: Call) -> None:
    call("index", "reset", "--yes")
    done = call("ask", "noodle soup", "--no-llm", "--json")
    assert "empty" in done.document["answer"]
    assert done.document["refused"]
    again = call("index", "reset", "--yes")
    assert again.code == 0
    assert "no snapshot was needed" in again.err


def test_reset_without_a_terminal_wants_yes(filled: Path) -> None:
    assert "--yes" in ragfood("index", "reset", home=filled, stdin="reset\n").sentence()
    assert ragfood("index", "stats", "--json", home=filled).document["records"] == 150


@pytest.mark.parametrize(("typed", "code", "left"), [("reset\r", 0, 0), ("\r", 1, 150), ("yes\r", 1, 150)])
def test_reset_asks_in_a_terminal(filled: Path, call: Call, typed: str, code: int, left: int) -> None:
    with terminal("index", "reset", home=filled) as screen:
        screen.read_until("Type reset to go on")
        assert "150 records from the default namespace" in screen.shown
        screen.type(typed)
        assert screen.end() == code
        assert ("removed 150 records" if left == 0 else "Nothing was removed.") in screen.shown
    assert call("index", "stats", "--json").document["records"] == left


def test_export_reset_restore_export_is_byte_identical(filled: Path, call: Call, tmp_path: Path) -> None:
    assert "saved 150 records" in call("index", "export", "one.jsonl").out
    call("index", "reset", "--yes")
    assert "restored 150 records" in call("index", "restore", "one.jsonl").out
    call("index", "export", "two.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_restore_says_when_other_records_stay(filled: Path, call: Call, foods: Path) -> None:
    call("--namespace", "small", "index", "upsert", str(foods))
    call("--namespace", "small", "index", "export", "small.jsonl")
    done = call("index", "restore", "small.jsonl")
    assert "147 other records stay" in done.err


def test_an_export_never_replaces_another_kind_of_file(filled: Path, call: Call, foods: Path) -> None:
    before = foods.read_bytes()
    assert "not an export" in call("index", "export", str(foods)).sentence(1)
    assert foods.read_bytes() == before


@pytest.mark.parametrize("target", ["/dev/full", "no/such/folder/x.jsonl", "."])
def test_an_export_that_cannot_be_written(filled: Path, call: Call, target: str) -> None:
    assert "cannot be written" in call("index", "export", target).sentence(1)


def test_a_damaged_export_changes_nothing(filled: Path, call: Call, tmp_path: Path) -> None:
    call("index", "export", "all.jsonl")
    whole = (tmp_path / "all.jsonl").read_bytes()
    call("index", "reset", "--yes")
    for damaged in (whole[: len(whole) // 2], whole.replace(b"Ramen", b"Rumen", 1), b"", b"[]", b"\xff\xfe"):
        (tmp_path / "damaged.jsonl").write_bytes(damaged)
        call("index", "restore", "damaged.jsonl").sentence(1)
    assert ids_of(call) == []
    call("index", "restore", "missing.jsonl").sentence(1)


def test_a_namespace_is_a_world_of_its_own(filled: Path, call: Call, foods: Path) -> None:
    other = ("--namespace", "my kitchen")
    assert call(*other, "index", "upsert", str(foods), "--json").document["written"] == ["pho", "ramen", "baklava"]
    assert call(*other, "index", "stats", "--json").document["records"] == 3
    assert "beside it  my kitchen: 3 records" in call("index", "stats").out
    done = call(*other, "index", "reset", "--yes")
    assert "ragfood --namespace 'my kitchen' index restore" in done.out
    assert call("index", "stats", "--json").document["records"] == 150


def test_hostile_records_are_shown_as_text(call: Call, tmp_path: Path) -> None:
    nasty = "\x1b[2J\x1b]52;c;eA==\x07[/foo] \u202ecba \x9b31m\u2028next"
    row = {"id": "[/x] y", "text": nasty, "name": nasty, "region": nasty, "type": nasty, "extra": {nasty: [nasty]}}
    rows = write_foods(tmp_path / "nasty.json", [row, {"id": nasty, "text": "x"}, {"id": "plain", "text": nasty}])
    done = [call("index", "upsert", str(rows)), call("index", "list"), call("index", "list", "--json")]
    done += [call("search", "foo next"), call("search", "foo", "--json"), call("ask", "foo next", "--no-llm")]
    assert "row 2 (" in done[0].err
    for result in done:
        assert result.code == 0
        assert not set("\x1b\x07\x9b\u202e\u2028") & set(result.out + result.err)
    assert done[2].document["records"][0]["id"] == "[/x] y"


def test_json_escapes_what_others_wrote_into_an_index(call: Call, home: Path) -> None:
    """Records that did not come through our own door keep their characters, and only escapes are printed."""
    nasty = "\x1b[2J \x9b31m \x85 \u2028 \u202e \U000e0041 \x7f é 👩\u200d👧"

    async def write() -> None:
        services = build_services(Settings(), Paths.below(home))
        await services.index.upsert([Record("nasty", nasty, {"name": nasty, "original_text": nasty})])
        await services.aclose()

    asyncio.run(write())
    listed = call("index", "list", "--json")
    assert listed.document["records"][0]["metadata"]["name"] == nasty
    assert "é 👩\u200d👧" in listed.out
    asked = [call("ask", "é", "--no-llm", "--json", "--min-relevance", "0"), call("ask", "é", "--no-llm")]
    asked += [call("search", "é"), call("index", "list")]
    for done in (listed, *asked):
        assert not forbidden_in(done.out + done.err)


def test_index_alone_explains_itself(call: Call) -> None:
    done = call("index")
    assert "upsert" in done.out + done.err
    assert done.code in (0, 2)


def test_output_files_are_for_their_owner_only(filled: Path, call: Call, tmp_path: Path) -> None:
    call("index", "export", "private.jsonl")
    assert (tmp_path / "private.jsonl").stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / "private.jsonl").read_text().split("\n")[0])


def test_a_list_of_more_than_a_page_has_everything_once(call: Call, tmp_path: Path) -> None:
    rows = [{"id": f"food-{number}", "text": f"Soup number {number}."} for number in range(2100)]
    file = tmp_path / "many.json"
    file.write_text(json.dumps(rows))
    call("--namespace", "many", "index", "upsert", str(file))
    some = call("--namespace", "many", "index", "list", "--limit", "1500", "--json").document
    assert [record["id"] for record in some["records"]] == [f"food-{number}" for number in range(1500)]
    rest = call("--namespace", "many", "index", "list", "--limit", "9999", "--cursor", some["next_cursor"], "--json")
    assert [record["id"] for record in rest.document["records"]] == [f"food-{number}" for number in range(1500, 2100)]
    assert rest.document["next_cursor"] == ""


def test_unfinished_work_is_told_wherever_its_records_are_used(call: Call, home: Path, foods: Path) -> None:
    async def write_a_part() -> None:
        services = build_services(Settings(), Paths.below(home))
        await services.index.upsert([Record("pho", "a soup")], work=Unfinished("upsert", str(foods), 1, 3))
        await services.aclose()

    asyncio.run(write_a_part())
    sentence = "An upsert of small.json was interrupted after 1 of 3 records."
    stats = call("index", "stats").out
    assert sentence in stats
    assert f"ragfood index upsert {foods}" in stats
    document = call("index", "stats", "--json").document["unfinished"]
    assert (document["kind"], document["done"], document["total"]) == ("upsert", 1, 3)
    assert document["sentence"] == sentence
    for asked in (("ask", "Which soups are there?", "--no-llm"), ("search", "soup")):
        result = call(*asked, "--json")
        assert sentence in result.err
        assert result.document
    assert sentence in call("doctor").out
    assert call("index", "upsert", str(foods)).code == 0
    assert call("index", "stats", "--json").document["unfinished"] is None
    assert "interrupted" not in call("search", "soup").err
