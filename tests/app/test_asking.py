from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from tests.app.conftest import SOUPS, Kitchen, ask, screen_text, send, status_text, text_of, until
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_models import THINKER
from tests.emulators.ollama_script import Reply
from tests.hostile import HOSTILE, forbidden_in
from tui.core.setting_values import RateLimit
from tui.widgets.streamed_markdown import StreamedMarkdown
from tui.widgets.thoughts import Thoughts


class TestWithoutAModel:
    async def test_an_answer_is_extractive_says_why_and_shows_its_sources(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            view = app.chat.transcript.turns[0]
            assert "noodle" in view.answer
            shown = screen_text(app)
            assert "Answers are extractive for now: Ollama is not running" in shown
            assert "ollama serve" in shown
            assert "extractive · " in text_of(app, ".facts")
            assert {card.hit.id for card in app.chat.sources.cards} >= {"pho", "ramen"}
            assert "extractive (Ollama is not running" in status_text(app)

    async def test_why_answers_are_extractive_is_said_once(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            await ask(app, pilot, SOUPS)
            assert text_of(app, "Note").count("Ollama is not running") == 1
            assert text_of(app, ".facts").count("extractive") == 2

    async def test_what_nothing_fits_is_said_and_the_nearest_are_shown_as_not_used(self, kitchen: Kitchen) -> None:
        kitchen.min_relevance = 1.0
        async with kitchen.running() as (app, pilot):
            await ask(app, pilot, "How do I change the oil of my motorcycle?")
            assert "close enough" in app.chat.transcript.turns[0].answer
            assert "nothing close enough" in text_of(app, ".facts")
            assert "Nothing was close enough to be used" in screen_text(app)

    async def test_a_question_asked_before_the_index_is_open_waits_for_it(self, new_kitchen: Kitchen) -> None:
        app = new_kitchen.app()
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press(*"soup", "enter")
            await until(pilot, lambda: app.chat.transcript.turns)
            await until(pilot, lambda: not app.chat.transcript.turns[0].phase)
            assert app.chat.transcript.turns[0].answer
        assert not app.failures

    async def test_a_wait_for_the_rate_limit_counts_down_and_can_be_stopped(self, kitchen: Kitchen) -> None:
        kitchen.rate_limit = RateLimit(1, 60)
        async with kitchen.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: "waiting for the rate limit · " in screen_text(app))
            assert re.search(r"rate limit · (60|5\d) s · Esc stops", screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: not app.chat.asking.busy)
            assert text_of(app, ".facts").splitlines()[-1].startswith("stopped")


class TestWithAModel:
    async def test_the_answer_streams_and_ends_with_its_facts(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        hold = asyncio.Event()
        ollama.say(Reply(["Pho", " is", " a", " soup", " [1]."], after=2, hold=hold))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: app.chat.transcript.turns[0].answer == "Pho is")
            assert app.chat.transcript.turns[0].phase == "writing"
            assert "writing · " in text_of(app, ".facts")
            hold.set()
            await until(pilot, lambda: not app.chat.asking.busy)
            assert app.chat.transcript.turns[0].answer == "Pho is a soup [1]."
            facts = text_of(app, ".facts")
            assert facts.startswith("llama3.2 · ")
            assert "sources" in facts
            assert "tok/s" in facts
            assert status_text(app).endswith("llama3.2")

    async def test_thinking_is_a_phase_and_not_part_of_the_answer(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        hold = asyncio.Event()
        ollama.install(replace(THINKER, name="llama3.2:latest"))
        ollama.say(Reply(["Pho."], thinking=["Let", " me", " see"], after=2, hold=hold))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: app.chat.transcript.turns[0].phase == "thinking")
            hold.set()
            await until(pilot, lambda: not app.chat.asking.busy)
            assert app.chat.transcript.turns[0].answer == "Pho."
            await until(pilot, lambda: "▸ thought for " in screen_text(app))
            assert "Let me see" not in screen_text(app)
            await pilot.press("ctrl+t")
            await until(pilot, lambda: "Let me see" in screen_text(app))
            await pilot.click(Thoughts)
            await until(pilot, lambda: "Let me see" not in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: "Let me see" in screen_text(app))

    async def test_escape_stops_the_answer_and_keeps_what_came(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " is", " never", " finished"], after=3, hold=asyncio.Event()))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: app.chat.transcript.turns[0].answer == "Pho is never")
            await pilot.press("escape")
            await until(pilot, lambda: not app.chat.asking.busy)
            await ollama.until_disconnected("/api/chat", "stream")
            assert app.chat.transcript.turns[0].answer == "Pho is never"
            assert text_of(app, ".facts").startswith("stopped · ")
            assert app.is_running
        assert [turn["state"] for turn in kitchen_with_model.recorded_turns()] == ["stopped"]
        assert kitchen_with_model.recorded_turns()[0]["answer"] == "Pho is never"

    async def test_the_next_question_waits_for_the_answer_above_it(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        hold = asyncio.Event()
        ollama.say(Reply(["One."], after=0, hold=hold), Reply(["Two."]))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await ollama.until_requested("/api/chat")
            await send(app, pilot, "Which pastry is sweet?")
            await until(pilot, lambda: "waiting for the answer above" in screen_text(app))
            app.chat.prompt.load_text("And a third?")
            await pilot.press("enter")
            await until(pilot, lambda: app.chat.prompt.text == "And a third?")
            hold.set()
            await until(pilot, lambda: not app.chat.asking.busy and app.chat.transcript.turns[1].turn)
            assert [view.answer for view in app.chat.transcript.turns] == ["One.", "Two."]

    async def test_stopping_goes_on_with_the_waiting_question(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["One."], after=0, hold=asyncio.Event()), Reply(["Two."]))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await ollama.until_requested("/api/chat")
            await send(app, pilot, "Which pastry is sweet?")
            await pilot.press("escape")
            await until(pilot, lambda: app.chat.transcript.turns[1].answer == "Two.")
            assert not app.chat.transcript.turns[0].answer

    async def test_quitting_while_an_answer_streams_records_it_and_closes_everything(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " is"], after=2, hold=asyncio.Event()))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: app.chat.transcript.turns[0].answer == "Pho is")
            await pilot.press("ctrl+q")
        assert app.return_code == 0
        assert app.opening.services is None
        assert [turn["state"] for turn in kitchen_with_model.recorded_turns()] == ["stopped"]

    async def test_a_stream_that_breaks_keeps_its_text_and_says_so(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " is", " a"], after=3, drop=True))
        async with kitchen_with_model.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            assert app.chat.transcript.turns[0].answer == "Pho is a"
            assert text_of(app, ".facts").startswith("not finished")

    async def test_hostile_answers_are_shown_as_text(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        ollama.say(Reply([f"{text}\n" for text in HOSTILE.values()]))
        async with kitchen_with_model.running(size=(80, 24)) as (app, pilot):
            await ask(app, pilot, SOUPS)
            answer = app.chat.transcript.turns[0].answer
            assert "[bold red]x" in answer
            assert "[@click=app.quit]x[/]" in answer
            assert not forbidden_in(answer)
            assert not forbidden_in(screen_text(app))
            assert app.is_running


class TestCitations:
    @pytest.mark.parametrize("size", [(120, 40), (80, 24)])
    async def test_a_click_leads_to_the_source_of_that_turn(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator, size: tuple[int, int]
    ) -> None:
        ollama.say(Reply(["So **it** is [2] [7]."]), Reply(["Nothing cited."]))
        async with kitchen_with_model.running(size) as (app, pilot):
            await ask(app, pilot, SOUPS)
            first = [card.hit.id for card in app.chat.sources.cards]
            await ask(app, pilot, "Which pastry is sweet?")
            assert [card.hit.id for card in app.chat.sources.cards] != first
            answer = app.chat.transcript.turns[0].query_one(StreamedMarkdown)
            await until(pilot, lambda: "So it is [2] [7?]." in screen_text(app))
            await pilot.click(answer, offset=(10, 0))
            await until(pilot, lambda: [card.hit.id for card in app.chat.sources.cards] == first)
            await until(pilot, lambda: app.chat.sources.cards[1].has_class("-current"))
            assert app.focused is app.chat.sources
            assert "no source [7]" in text_of(app, ".facts")

    async def test_sentences_of_an_extractive_answer_keep_their_lines(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            view = app.chat.transcript.turns[0]
            assert view.answer == view.turn.answer
            assert view.query_one(StreamedMarkdown).plain == view.answer


class TestFollowing:
    async def test_the_view_follows_only_while_it_is_at_the_bottom(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        hold = asyncio.Event()
        ollama.say(Reply([f"- line {number}\n" for number in range(120)], after=60, hold=hold))
        async with kitchen_with_model.running(size=(80, 24)) as (app, pilot):
            transcript = app.chat.transcript
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: "line 59" in transcript.turns[0].answer)
            await until(pilot, lambda: transcript.max_scroll_y > 0 and transcript.scroll_y == transcript.max_scroll_y)
            await pilot.press("pageup", "pageup")
            where = transcript.scroll_y
            hold.set()
            await until(pilot, lambda: not app.chat.asking.busy)
            assert transcript.scroll_y == where
            await until(pilot, lambda: "more below" in screen_text(app))
            await pilot.press(*["pagedown"] * 9)
            assert transcript.scroll_y == transcript.max_scroll_y
            await until(pilot, lambda: "more below" not in screen_text(app))

    async def test_short_conversations_start_at_the_top_whatever_the_terminal_did(self, kitchen: Kitchen) -> None:
        async with kitchen.running(size=(80, 24)) as (app, pilot):
            for size in ((20, 5), (80, 24), (200, 60)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
            assert app.chat.transcript.scroll_y == 0
            assert "more below" not in screen_text(app)

    async def test_typing_works_while_an_answer_streams(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho"], after=1, hold=asyncio.Event()))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: app.chat.transcript.turns[0].answer)
            await pilot.press(*"next")
            assert app.chat.prompt.text == "next"
