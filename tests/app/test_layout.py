from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.app.conftest import SOUPS, Kitchen, ask, screen_text, until
from tui.app import RagfoodApp

Closed = Callable[[], RagfoodApp]


async def test_wide_terminals_show_everything_at_once(kitchen: Kitchen) -> None:
    async with kitchen.running(size=(120, 40)) as (app, pilot):
        await ask(app, pilot, SOUPS)
        text = screen_text(app)
        for expected in ("ragfood", "embedded · 4 foods", "Sources · ", "Pho", "4 records", "u upsert", "> Ask about"):
            assert expected in text


async def test_below_a_hundred_columns_there_is_one_pane_at_a_time(kitchen: Kitchen) -> None:
    async with kitchen.running(size=(80, 24)) as (app, pilot):
        await ask(app, pilot, SOUPS)
        assert app.chat.prompt.region
        assert not app.chat.sources.region
        await pilot.press("tab")
        await until(pilot, lambda: app.chat.sources.region)
        assert app.focused is app.chat.sources
        assert not app.chat.index_panel.region
        await pilot.press("tab")
        await until(pilot, lambda: app.chat.index_panel.region)
        assert "4 records" in screen_text(app)
        await pilot.press("shift+tab", "shift+tab")
        await until(pilot, lambda: app.chat.prompt.region)
        assert app.focused is app.chat.prompt


async def test_tabs_can_be_clicked(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.click("#tab-index")
        await until(pilot, lambda: app.chat.index_panel.region)
        assert app.focused is app.chat.index_panel


async def test_tabs_say_how_many_sources_there_are(kitchen: Kitchen) -> None:
    async with kitchen.running(size=(80, 24)) as (app, pilot):
        await ask(app, pilot, SOUPS)
        count = len(app.chat.sources.cards)
        await until(pilot, lambda: f"Sources {count}" in screen_text(app))


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (79, 23), (100, 12), (300, 100)])
async def test_no_size_breaks_it(kitchen: Kitchen, size: tuple[int, int]) -> None:
    async with kitchen.running(size=size) as (app, pilot):
        await ask(app, pilot, SOUPS)
        for key in ("tab", "enter", "tab", "f1", "escape", "f5", "escape", "f4", "r", "escape", "f2"):
            await pilot.press(key)
        await until(pilot, lambda: not app.chat.indexing.busy)
        assert app.screen is app.chat


async def test_a_tiny_terminal_still_shows_answer_and_prompt(kitchen: Kitchen) -> None:
    async with kitchen.running(size=(20, 5)) as (app, pilot):
        await ask(app, pilot, SOUPS)
        await pilot.press(*"more")
        lines = screen_text(app).splitlines()
        assert lines[-1].startswith("> more")
        assert app.chat.transcript.region.height == 3


async def test_a_tiny_dialog_keeps_its_buttons(kitchen: Kitchen) -> None:
    async with kitchen.running(size=(20, 5)) as (app, pilot):
        await pilot.press("f4", "r")
        await until(pilot, lambda: app.screen is not app.chat)
        await until(pilot, lambda: "Cancel" in screen_text(app))
        assert "A snapshot is saved first." in " ".join(screen_text(app).split())


async def test_notices_leave_the_prompt_free(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.chat.complete)
        app.notify("something passes", markup=False)
        await until(pilot, lambda: "something passes" in screen_text(app))
        lines = screen_text(app).splitlines()
        assert any("something passes" in line for line in lines[:6])
        assert lines[0].lstrip().startswith("ragfood")


async def test_resizing_keeps_the_pane_that_has_the_focus(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("f4")
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: not app.chat.prompt.region)
        assert app.focused is app.chat.index_panel
        assert app.chat.index_panel.region


async def test_without_colour_it_looks_the_same(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = closed()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.pause()
        assert "> Ask about" in screen_text(app)
