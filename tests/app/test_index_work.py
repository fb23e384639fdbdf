from __future__ import annotations

from pathlib import Path

from textual.widgets import Button, Input

from tests.app.conftest import (
    FOODS,
    SOUPS,
    AppPilot,
    Kitchen,
    ask,
    panel_text,
    ready,
    screen_text,
    status_text,
    text_of,
    until,
)
from tests.hostile import HOSTILE, forbidden_in
from tui.app import RagfoodApp
from tui.core.records import Record
from tui.screens.confirm import AskPath, Confirm, TypedConfirm
from tui.screens.failure import Report


async def until_shown(app: RagfoodApp, pilot: AppPilot, dialog: type) -> None:
    await until(pilot, lambda: isinstance(app.screen, dialog))


async def until_idle(app: RagfoodApp, pilot: AppPilot) -> None:
    await until(pilot, lambda: not app.chat.indexing.busy)


class TestFirstFill:
    async def test_a_new_index_is_filled_and_says_so(self, new_kitchen: Kitchen) -> None:
        async with new_kitchen.running() as (app, _):
            assert "first fill: 4 records written" in panel_text(app)
            assert "embedded · 4 foods" in status_text(app)

    async def test_a_filled_index_is_left_alone(self, kitchen: Kitchen) -> None:
        kitchen.write_foods(FOODS[:1])
        async with kitchen.running() as (app, _):
            assert "4 records" in panel_text(app)
            assert "written" not in panel_text(app)

    async def test_a_foods_file_that_cannot_be_read_is_named_with_what_to_do(self, new_kitchen: Kitchen) -> None:
        new_kitchen.foods.write_text("{nonsense", encoding="utf-8")
        app = new_kitchen.app()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.opening.filled.is_set() and app.chat.query("Note.-error"))
            await until(pilot, lambda: "foods.json" in screen_text(app))
            assert app.is_running
        assert not app.failures


class TestUpsert:
    async def test_f5_shows_the_plan_and_writes_only_when_told_to(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            changed = [
                {**FOODS[0], "text": "Pho is now described in other words."},
                *FOODS[1:3],
                {"id": "x", "text": "X"},
            ]
            kitchen.write_foods([*changed, {"id": "bad"}, "worse"])
            await pilot.press("f5")
            await until_shown(app, pilot, Confirm)
            await until(pilot, lambda: "2 rejected" in screen_text(app))
            text = screen_text(app)
            for expected in ("1 new: x", "1 changed: pho", "2 unchanged", "1 orphaned: ceviche", "row 5 bad", "row 6"):
                assert expected in text
            await pilot.press("escape")
            await until_idle(app, pilot)
            assert "4 records" in panel_text(app)
            await pilot.press("f5")
            await until_shown(app, pilot, Confirm)
            await pilot.press("y")
            await until_idle(app, pilot)
            await until(pilot, lambda: "5 records" in panel_text(app))
            assert "upsert: 2 records written" in panel_text(app)

    async def test_the_focus_of_the_dialog_is_on_the_safe_answer(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            kitchen.write_foods([{"id": "x", "text": "X is new."}])
            await pilot.press("f4", "u")
            await until_shown(app, pilot, Confirm)
            await pilot.press("enter")
            await until_idle(app, pilot)
            assert "4 records" in panel_text(app)

    async def test_nothing_to_write_is_only_said(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await pilot.press("f5")
            await until_shown(app, pilot, Report)
            assert "4 unchanged" in screen_text(app)
            await pilot.press("enter")
            await until_idle(app, pilot)
            assert app.screen is app.chat

    async def test_while_something_runs_nothing_else_can_begin(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            assert app.chat.check_action("upsert", ()) is True
            app.chat.action_upsert()
            assert app.chat.indexing.busy
            for action in ("upsert", "reset_index", "export"):
                assert app.chat.check_action(action, ()) is None
            assert app.chat.check_action("stop_index_work", ()) is True
            await until_shown(app, pilot, Report)
            await pilot.press("escape")
            await until_idle(app, pilot)

    async def test_hostile_rows_are_named_as_text(self, kitchen: Kitchen) -> None:
        async with kitchen.running(size=(80, 24)) as (app, pilot):
            kitchen.write_foods([{"id": text, "text": ""} for text in HOSTILE.values()] + [{"id": "x", "text": "X"}])
            await pilot.press("f5")
            await until_shown(app, pilot, Confirm)
            await until(pilot, lambda: "rejected" in screen_text(app))
            assert not forbidden_in(screen_text(app))
            await pilot.press("escape")


class TestReset:
    async def test_asks_for_the_word_and_shows_where_the_snapshot_is(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await pilot.press("f4", "r")
            await until_shown(app, pilot, TypedConfirm)
            await pilot.press(*"rese", "enter")
            assert isinstance(app.screen, TypedConfirm)
            await until(pilot, lambda: "Type reset to go on, or Esc" in screen_text(app))
            assert app.screen.query_one("#yes", Button).disabled
            await pilot.press("t", "enter")
            await until_idle(app, pilot)
            await until(pilot, lambda: "0 records" in panel_text(app))
            snapshots = list(kitchen.paths.snapshots.glob("*.jsonl"))
            assert len(snapshots) == 1
            assert str(snapshots[0]) in panel_text(app)
            assert f"ragfood index restore {snapshots[0]}" in text_of(app, "Note")

    async def test_escape_and_an_empty_word_leave_everything(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            for key in ("escape", "enter"):
                await pilot.press("f4", "r")
                await until_shown(app, pilot, TypedConfirm)
                await pilot.press(key)
                await until_idle(app, pilot)
            assert "4 records" in panel_text(app)

    async def test_an_emptied_index_stays_empty_and_says_so_to_a_question(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await pilot.press("f4", "r")
            await until_shown(app, pilot, TypedConfirm)
            await pilot.press(*"reset", "enter")
            await until_idle(app, pilot)
            await ask(app, pilot, SOUPS)
            assert "index is empty" in app.chat.transcript.turns[0].answer
            assert "close enough" not in screen_text(app)
            [snapshot] = kitchen.paths.snapshots.glob("*.jsonl")
            steps = text_of(app, "TurnView Note")
            for step in ("F5", "ragfood index upsert", f"ragfood index restore {snapshot}"):
                assert step in steps
        app = kitchen.app()
        async with app.run_test() as pilot:
            await until(pilot, lambda: ready(app))
            assert "0 records" in panel_text(app)


class TestFreshness:
    async def test_what_another_process_writes_is_shown(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            other = await kitchen.open()
            await other.index.upsert([Record("new", "A new dish.")])
            await other.aclose()
            app.chat.look_at_index()
            await until(pilot, lambda: "5 records" in panel_text(app))
            assert "5 foods" in status_text(app)

    async def test_an_answer_says_what_the_index_holds_by_now(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            other = await kitchen.open()
            await other.index.delete(ids=["ceviche"])
            await other.aclose()
            await ask(app, pilot, SOUPS)
            await until(pilot, lambda: "3 records" in panel_text(app))


class TestExport:
    async def test_writes_the_file_that_was_named(self, kitchen: Kitchen, tmp_path: Path) -> None:
        async with kitchen.running() as (app, pilot):
            await pilot.press("f4", "e")
            await until_shown(app, pilot, AskPath)
            app.screen.query_one(Input).value = str(tmp_path / "out.jsonl")
            await pilot.press("enter")
            await until_idle(app, pilot)
            await until(pilot, lambda: "export: 4 records written" in panel_text(app))
            assert (tmp_path / "out.jsonl").is_file()

    async def test_a_foreign_file_is_not_overwritten(self, kitchen: Kitchen) -> None:
        before = kitchen.foods.read_bytes()
        async with kitchen.running() as (app, pilot):
            await pilot.press("f4", "e")
            await until_shown(app, pilot, AskPath)
            app.screen.query_one(Input).value = str(kitchen.foods)
            await pilot.press("enter")
            await until_idle(app, pilot)
            await until(pilot, lambda: "Choose another name" in screen_text(app))
        assert kitchen.foods.read_bytes() == before


async def test_statistics_are_shown_to_be_copied(kitchen: Kitchen) -> None:
    async with kitchen.running() as (app, pilot):
        await pilot.press("f4", "s")
        await until_shown(app, pilot, Report)
        assert "256" in screen_text(app)
        await pilot.press("right", "enter")
        await until(pilot, lambda: "similarity" in app.clipboard)
        await pilot.press("escape")


async def test_work_on_the_index_can_be_stopped(kitchen: Kitchen) -> None:
    async with kitchen.running() as (app, pilot):
        await pilot.press("f4")
        app.chat.action_upsert()
        app.chat.action_stop_index_work()
        await until_idle(app, pilot)
        await until(pilot, lambda: "upsert stopped" in panel_text(app))
