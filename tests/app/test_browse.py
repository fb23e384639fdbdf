from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import numpy as np
import pytest
from textual.events import Key, Paste

from tests.app.conftest import AppPilot, Kitchen, screen_text, until
from tests.hostile import HOSTILE, forbidden_in
from tui.app import RagfoodApp
from tui.core.errors import IndexUnavailable
from tui.core.records import Record, SparseVector
from tui.core.settings import Settings
from tui.screens.browse import BrowseScreen
from tui.screens.help import Help
from tui.services.bundle import Services
from tui.widgets.record_list import RecordList, column_widths, fitted

MANY = 1_500


def record(id: str, text: str = "Some text.", **metadata: object) -> Record:
    vector = np.zeros(256, np.float32)
    vector[0] = 2.0
    return Record(id, text, metadata, vector=vector, sparse=SparseVector([1, 7], [1.0, 1.0]))


def many(count: int = MANY) -> list[Record]:
    return [record(f"dish-{n:04d}", f"The text of dish {n}.", name=f"Dish {n}", region="Here") for n in range(count)]


@contextlib.asynccontextmanager
async def browsing(
    kitchen: Kitchen, *, size: tuple[int, int] = (120, 40), records: Iterable[Record] = ()
) -> AsyncIterator[tuple[RagfoodApp, AppPilot, BrowseScreen]]:
    """An app that browses its index, which holds the four foods and `records`."""
    async with kitchen.running(size=size) as (app, pilot):
        for batch in [list(records)]:
            await (await app.opening.get()).index.upsert(batch)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen))
        browse = app.screen
        assert isinstance(browse, BrowseScreen)
        await until(pilot, lambda: browse.listing.read or browse.query("#records Note"))
        yield app, pilot, browse


async def services_of(app: RagfoodApp) -> Services:
    return await app.opening.get()


def chosen(browse: BrowseScreen) -> str:
    line = browse.records.chosen
    return line.id if line is not None else ""


def detail_text(browse: BrowseScreen) -> str:
    return "\n".join(str(widget.render()) for widget in browse.detail.children)


def note_text(browse: BrowseScreen) -> str:
    return "\n".join(str(widget.render()) for widget in browse.query("#records Note").results())


class TestTheList:
    async def test_every_record_has_a_line_with_name_id_region_and_type(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await until(pilot, lambda: "Pho is a noodle soup" in screen_text(app))
            lines = screen_text(app).splitlines()
            assert "Records · 4" in lines[0]
            assert lines[1].replace("│", "").split()[:4] == ["name", "id", "region", "type"]
            assert lines[2].replace("│", "").split()[:5] == [">", "Pho", "pho", "Vietnam", "Soup"]
            assert "Ceviche" in lines[5]
            assert app.focused is browse.records

    async def test_keys_move_through_it(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (_, pilot, browse):
            for key, expected in (
                ("down", "ramen"),
                ("j", "baklava"),
                ("k", "ramen"),
                ("up", "pho"),
                ("up", "pho"),
                ("end", "ceviche"),
                ("down", "ceviche"),
                ("home", "pho"),
                ("pagedown", "ceviche"),
                ("pageup", "pho"),
            ):
                await pilot.press(key)
                assert chosen(browse) == expected, key

    async def test_pages_are_loaded_ahead_of_the_view_and_no_further(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, records=many()) as (_, pilot, browse):
            await until(pilot, lambda: not browse.browsing.busy)
            assert browse.listing.total == MANY + 4
            assert len(browse.listing.lines) < 600
            assert f"of {MANY + 4:,} loaded" in browse.title_text
            assert browse.records.rows == MANY + 4
            for _ in range(12):
                await pilot.press("pagedown")
            await until(pilot, lambda: not browse.browsing.busy)
            assert 600 <= len(browse.listing.lines) < MANY
            assert chosen(browse).startswith("dish-0")

    async def test_the_end_is_loaded_when_it_is_asked_for(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, records=many()) as (app, pilot, browse):
            await pilot.press("end")
            await until(pilot, lambda: browse.listing.complete)
            await until(pilot, lambda: f"The text of dish {MANY - 1}." in screen_text(app))
            assert chosen(browse) == f"dish-{MANY - 1}"
            assert browse.title_text == f"Records · {MANY + 4:,}"

    async def test_a_click_chooses_and_another_opens(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.click(RecordList, offset=(5, 3))
            assert chosen(browse) == "baklava"
            await pilot.click(RecordList, offset=(5, 3))
            await until(pilot, lambda: app.focused is browse.detail)
            await pilot.click(RecordList, offset=(5, 0))
            await pilot.click(RecordList, offset=(5, 20))
            assert chosen(browse) == "baklava"

    @pytest.mark.parametrize("width", range(0, 130, 3))
    def test_columns_never_take_more_than_there_is(self, width: int) -> None:
        widths = column_widths(width)
        assert sum(widths) + 2 * sum(1 for size in widths[1:] if size) + 2 <= max(2, width)
        assert len(widths) == 4

    @pytest.mark.parametrize("text", ["", "pho", "a long heading of a dish", "フォーとラーメン", *HOSTILE.values()])
    def test_a_cell_is_exactly_as_wide_as_its_column(self, text: str) -> None:
        from rich.cells import cell_len

        from tui.core.text import clean_line

        for width in (1, 2, 7, 30):
            assert cell_len(fitted(clean_line(text), width)) == width


class TestTheFilter:
    async def test_it_shows_what_contains_the_words_as_they_are_typed(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("slash")
            assert app.focused is browse.filter_box
            await pilot.press(*"soup")
            await until(pilot, lambda: browse.title_text == "Records · 2 of 4 match")
            await pilot.press(*" pork")
            await until(pilot, lambda: browse.title_text == "Records · 1 of 4 match")
            assert chosen(browse) == "ramen"
            await until(pilot, lambda: "Ramen is a soup of wheat" in detail_text(browse))

    async def test_the_list_moves_while_words_are_typed(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("slash", *"soup")
            await until(pilot, lambda: browse.title_text == "Records · 2 of 4 match")
            await pilot.press("down")
            assert chosen(browse) == "ramen"
            await pilot.press("pageup")
            assert chosen(browse) == "pho"
            await pilot.press("pagedown", "enter")
            assert app.focused is browse.records
            assert chosen(browse) == "ramen"

    async def test_nothing_found_is_said_and_escape_clears_the_filter(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (_, pilot, browse):
            await pilot.press("slash", *"xyzzy")
            await until(pilot, lambda: "No record contains" in note_text(browse))
            assert chosen(browse) == ""
            await until(pilot, lambda: "No record is chosen" in detail_text(browse))
            await pilot.press("escape")
            await until(pilot, lambda: browse.title_text == "Records · 4")
            assert not note_text(browse)

    async def test_letters_are_letters_in_the_filter(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("slash", *"acrjk?", "slash")
            assert browse.filter_box.value == "acrjk?/"
            assert app.screen is browse

    async def test_words_typed_in_one_go_with_the_slash_are_not_lost(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            for key in ("slash", *"pork"):
                app.post_message(Key(key, "/" if key == "slash" else key))
            await until(pilot, lambda: browse.title_text == "Records · 1 of 4 match")
            assert browse.filter_box.value == "pork"

    async def test_only_the_newest_words_count(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, records=many()) as (_, pilot, browse):
            for words in ("dish", "dish 14", "pork", "dish 149", "lime"):
                browse.filter_box.value = words
            await until(pilot, lambda: browse.listing.complete and browse.listing.words == ("lime",))
            await until(pilot, lambda: not browse.browsing.busy)
            assert [line.id for line in browse.listing.lines] == ["ceviche"]
            assert chosen(browse) == "ceviche"

    async def test_escape_stops_a_search_and_keeps_what_was_found(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, records=many()) as (_, pilot, browse):
            browse.filter_box.focus()
            browse.filter_box.value = "dish"
            # Not `until`, which would wait for the end of the search.
            while not (browse.listing.words and browse.listing.lines):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0)
            await browse.action_peel()
            await until(pilot, lambda: not browse.browsing.busy)
            assert browse.filter_box.value == "dish"
            assert 0 < len(browse.listing.lines) < MANY
            assert browse.title_text.endswith("searched · stopped")
            await browse.action_peel()
            assert browse.filter_box.value == ""

    async def test_what_is_pasted_is_cleaned(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("slash")
            for text in HOSTILE.values():
                browse.filter_box.value = ""
                browse.filter_box._on_paste(Paste(text))
                assert not forbidden_in(browse.filter_box.value)
                assert len(browse.filter_box.value) <= 200
            await pilot.pause()
            assert not forbidden_in(screen_text(app))


class TestTheRecord:
    async def test_everything_about_it_is_shown(self, kitchen: Kitchen) -> None:
        extra = record("fufu", "Enriched fufu.", name="Fufu", original_text="A dough.", spice={"level": 2}, none=None)
        async with browsing(kitchen, records=[extra]) as (_, pilot, browse):
            await pilot.press("end")
            await until(pilot, lambda: "dimensions" in detail_text(browse))
            text = detail_text(browse)
            for expected in ("Fufu", "fufu", "A dough.", "original_text", "(the passage above)", '{"level": 2}'):
                assert expected in text
            assert "Enriched fufu." in text
            assert "dense: 256 dimensions, norm 2.0000" in text
            assert "sparse: 2 values" in text

    async def test_enter_goes_into_it_and_escape_back(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("enter")
            assert app.focused is browse.detail
            await pilot.press("escape")
            assert app.focused is browse.records
            assert app.screen is browse

    async def test_below_a_hundred_columns_it_takes_the_place_of_the_list(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, size=(80, 24)) as (app, pilot, browse):
            assert not browse.detail.region
            await pilot.press("down", "enter")
            await until(pilot, lambda: browse.detail.region and "Ramen is a soup" in screen_text(app))
            assert app.focused is browse.detail
            assert not browse.records.region
            await pilot.press("slash")
            await until(pilot, lambda: browse.records.region)
            assert app.focused is browse.filter_box

    async def test_a_long_one_is_cut_with_a_count_and_scrolls(self, kitchen: Kitchen) -> None:
        long = record("long", "words " * 20_000, note="n" * 5_000)
        async with browsing(kitchen, records=[long]) as (_, pilot, browse):
            await pilot.press("end", "enter")
            await until(pilot, lambda: "(69,999 more characters)" in detail_text(browse))
            assert "(1,000 more characters)" in detail_text(browse)
            await pilot.press("j", "pagedown")
            await until(pilot, lambda: browse.detail.scroll_y > 1)

    async def test_one_that_is_gone_says_so(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await until(pilot, lambda: "Pho is a noodle" in detail_text(browse))
            await (await services_of(app)).index.delete(ids=["ramen"])
            await pilot.press("down")
            await until(pilot, lambda: "not in the index any more" in detail_text(browse))
            await pilot.press("r")
            await until(pilot, lambda: browse.title_text == "Records · 3")
            await until(pilot, lambda: "Baklava is a sweet" in detail_text(browse))

    async def test_asking_fills_the_prompt_and_sends_nothing(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, _):
            app.chat.prompt.load_text("half a question")
            await pilot.press("a")
            await until(pilot, lambda: app.screen is app.chat)
            await until(pilot, lambda: app.focused is app.chat.prompt)
            assert app.chat.prompt.text == "Tell me about Pho"
            assert app.chat.transcript.turns == []
            await pilot.press(*"?", "up")
            assert app.chat.prompt.text == "half a question"

    async def test_its_id_can_be_copied_exactly(self, kitchen: Kitchen) -> None:
        odd = record("[bold]odd\x1b[2J\u202e id")
        async with browsing(kitchen, records=[odd]) as (app, pilot, _):
            await pilot.press("end", "c")
            assert app.clipboard == odd.id
            await until(pilot, lambda: "Copied [bold]odd" in screen_text(app))


class TestComingAndGoing:
    @pytest.mark.parametrize("key", ["f2", "escape"])
    async def test_back_to_the_chat_and_again(self, kitchen: Kitchen, key: str) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("down", key)
            await until(pilot, lambda: app.screen is app.chat)
            await until(pilot, lambda: app.focused is app.chat.prompt)
            await pilot.press("f3", "f3")
            assert app.screen is browse
            assert chosen(browse) == "ramen"

    async def test_f4_goes_to_the_index_panel(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, _):
            await pilot.press("f4")
            await until(pilot, lambda: app.screen is app.chat and app.focused is app.chat.index_panel)

    async def test_ctrl_c_clears_the_filter_and_leaves_the_prompt_alone(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            app.chat.prompt.load_text("kept")
            await pilot.press("slash", *"soup")
            await until(pilot, lambda: browse.title_text == "Records · 2 of 4 match")
            await pilot.press("ctrl+c")
            assert browse.filter_box.value == ""
            await until(pilot, lambda: browse.title_text == "Records · 4")
            await pilot.press("ctrl+c")
            assert app.chat.prompt.text == "kept"
            assert app.is_running

    async def test_it_follows_what_was_written_meanwhile(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await pilot.press("end", "f2")
            index = (await services_of(app)).index
            await index.delete(ids=["pho"])
            await index.upsert([record("fufu", name="Fufu")])
            await pilot.press("f3")
            await until(pilot, lambda: [line.id for line in browse.listing.lines][-1] == "fufu")
            assert chosen(browse) == "ceviche"
            await index.reset()
            await pilot.press("f2", "f3")
            await until(pilot, lambda: "The index holds no records" in note_text(browse))
            assert "ragfood index restore" in note_text(browse)
            assert chosen(browse) == ""
            await index.upsert([record("new", name="New")])
            await pilot.press("f2", "f3")
            await until(pilot, lambda: chosen(browse) == "new")
            assert not note_text(browse)

    async def test_it_follows_while_it_is_shown(self, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tui.screens.browse.FOLLOW_EVERY", 0.02)
        async with browsing(kitchen) as (app, pilot, browse):
            await (await services_of(app)).index.delete(ids=["pho", "ramen"])
            await until(pilot, lambda: browse.title_text == "Records · 2")

    async def test_an_index_that_shrinks_while_it_is_scrolled(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, records=many()) as (app, pilot, browse):
            await (await services_of(app)).index.delete(prefix="dish-1")
            await pilot.press("end")
            await until(pilot, lambda: browse.listing.complete and not browse.browsing.busy)
            assert chosen(browse) == "dish-0999"
            await (await services_of(app)).index.reset()
            await pilot.press("r")
            await until(pilot, lambda: "The index holds no records" in note_text(browse))

    async def test_an_index_that_fails_is_said_with_what_to_do(self, kitchen: Kitchen) -> None:
        failing = True

        async def open_services() -> Services:
            if failing:
                raise IndexUnavailable("The index [cannot] be \x1b[2Jreached.", "Check the cable.")
            return await kitchen.open()

        app = RagfoodApp(kitchen.settings, open_services)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("f3")
            await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.query("#records Note"))
            browse = app.screen
            assert isinstance(browse, BrowseScreen)
            shown = screen_text(app)
            assert "The index [cannot] be reached." in shown
            assert "Check the cable. Press r to try again." in shown
            failing = False
            await pilot.press("r")
            await until(pilot, lambda: browse.title_text == "Records · 4")
            assert not note_text(browse)
        assert not app.failures

    async def test_an_index_that_fails_later_keeps_what_was_read(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, browse):
            await (await services_of(app)).index.aclose()
            await pilot.press("r")
            await until(pilot, lambda: "Press r" in note_text(browse))
            assert len(browse.listing.lines) == 4
            await pilot.press("down")
            await until(pilot, lambda: "loading" not in detail_text(browse) and "Ramen" in detail_text(browse))


class TestAnyTerminal:
    @pytest.mark.parametrize("size", [(1, 1), (20, 5), (80, 24), (99, 12), (300, 80)])
    async def test_no_size_breaks_it(self, kitchen: Kitchen, size: tuple[int, int]) -> None:
        async with browsing(kitchen, size=size, records=many(300)) as (app, pilot, browse):
            for key in ("end", "home", "enter", "pagedown", "escape", "slash", "x", "escape", "f1", "escape"):
                await pilot.press(key)
            await pilot.resize_terminal(20, 5)
            await pilot.resize_terminal(120, 40)
            await until(pilot, lambda: not browse.browsing.busy)
            assert app.screen is browse

    async def test_a_tiny_one_still_shows_lines_and_the_filter(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen, size=(20, 5)) as (app, pilot, _):
            await until(pilot, lambda: "Ceviche" in screen_text(app))
            lines = screen_text(app).splitlines()
            assert lines[0].startswith("> Pho")
            assert lines[4].startswith("/ Filter")

    async def test_hostile_records_are_shown_as_text(self, kitchen: Kitchen) -> None:
        records = [
            record(f"{n}{text}", text, **{"name": text, "region": text, "type": text, f"k{text}": [text]})
            for n, text in enumerate(HOSTILE.values())
            if not any("\ud800" <= character <= "\udfff" for character in text)
        ]
        texts = {f"k{number}{one.text}": one.text for number, one in enumerate(records)}
        records.append(record("all", "\n".join(texts.values()), **texts))
        async with browsing(kitchen, size=(120, 200), records=records) as (app, pilot, browse):
            await pilot.press("end")
            await until(pilot, lambda: "dimensions" in detail_text(browse))
            shown = screen_text(app)
            assert not forbidden_in(shown)
            assert shown.count("[bold red]x") > 3
            assert shown.count("[@click=app.quit]x[/]") > 3

    async def test_without_colour_the_chosen_line_is_marked(
        self, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        async with browsing(kitchen, size=(80, 24)) as (app, pilot, _):
            await until(pilot, lambda: "> Pho" in screen_text(app))


class TestKeysAndCommands:
    async def test_help_lists_the_keys(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, pilot, _):
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, Help))
            shown = screen_text(app)
            for expected in ("While browsing", "Ask about it", "Copy id", "Filter", "Home", "End", "PgDn", "F3"):
                assert expected in shown

    async def test_every_action_is_in_the_palette(self, kitchen: Kitchen) -> None:
        async with browsing(kitchen) as (app, _, browse):
            titles = {command.title for command in app.get_system_commands(browse)}
            assert titles >= {"Browse", "Filter the records", "Whole record", "Ask about the record"}
            assert titles >= {"Copy the record's id", "Read the index again", "Chat"}
            assert "Whole record" not in {command.title for command in app.get_system_commands(app.chat)}

    def test_every_binding_has_an_id(self) -> None:
        from textual.binding import Binding

        from tui.screens.browse import FilterBox
        from tui.widgets.record_detail import RecordDetail

        for owner in (BrowseScreen, FilterBox, RecordList, RecordDetail):
            for binding in Binding.make_bindings(owner.__dict__["BINDINGS"]):
                assert binding.id, (owner, binding)

    async def test_keys_can_be_remapped(self, kitchen: Kitchen) -> None:
        keys = {"browse.ask": "x", "pane.browse": "f12", "browse.down": "n"}
        settings = Settings(foods=kitchen.foods, ollama_host=kitchen.ollama_host, keys=keys)
        app = RagfoodApp(settings, kitchen.open)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("f12")
            await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and chosen(app.screen))
            await pilot.press("n", "x")
            await until(pilot, lambda: app.screen is app.chat)
            assert app.chat.prompt.text == "Tell me about Ramen"


async def test_it_can_be_opened_while_services_never_open(closed: Callable[[], Any]) -> None:
    app = closed()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen))
        await pilot.press("down", "enter", "a", "c", "slash", "x", "escape", "escape", "escape", "escape")
        await until(pilot, lambda: app.screen is app.chat)
