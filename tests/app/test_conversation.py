"""What can be done with a conversation: asking the model alone, copying, saving, beginning anew."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from tests.app.conftest import SOUPS, Kitchen, ask, screen_text, text_of, until
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply
from tests.hostile import HOSTILE, forbidden_in
from tui.core.turns import Turn, TurnState
from tui.screens.confirm import AskPath
from tui.screens.conversation import as_markdown

OFF_TOPIC = "How do I change the oil of my motorcycle?"


class TestAskingAnyway:
    async def test_the_model_answers_a_refused_question_without_sources_and_wears_a_badge(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        kitchen_with_model.min_relevance = 1.0
        ollama.say(Reply(["Drain it."]))
        async with kitchen_with_model.running() as (app, pilot):
            await ask(app, pilot, OFF_TOPIC)
            assert "^G asks the model anyway" in text_of(app, "TurnView Note")
            await pilot.press("ctrl+g")
            await until(pilot, lambda: len(app.chat.turns) == 2 and not app.chat.asking.busy)
            view = app.chat.transcript.turns[1]
            assert (view.question, view.answer) == (OFF_TOPIC, "Drain it.")
            assert "[Fallback Mode] · llama3.2" in screen_text(app)
            assert app.chat.sources.cards == []

    async def test_is_not_offered_where_there_is_nothing_to_ask_anyway(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        async with kitchen_with_model.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            await pilot.press("ctrl+g")
            await until(pilot, lambda: "no answer to" in screen_text(app))
            assert len(app.chat.transcript.turns) == 1


class TestKeeping:
    async def test_the_last_answer_is_copied(self, kitchen: Kitchen) -> None:
        async with kitchen.running() as (app, pilot):
            await pilot.press("f8")
            assert app.clipboard == ""
            await ask(app, pilot, SOUPS)
            await pilot.press("f8")
            assert app.clipboard == app.chat.transcript.turns[0].answer

    async def test_the_conversation_is_saved_and_no_file_is_overwritten(self, kitchen: Kitchen, tmp_path: Path) -> None:
        file = tmp_path / "talk.md"
        async with kitchen.running() as (app, pilot):
            await ask(app, pilot, SOUPS)
            for _ in range(2):
                await pilot.press("ctrl+o")
                await until(pilot, lambda: isinstance(app.screen, AskPath))
                app.screen.query_one(Input).value = str(file)
                await pilot.press("enter")
                await until(pilot, lambda: file.exists() and app.screen is app.chat)
            await until(pilot, lambda: "is there already" in text_of(app, "Note"))
        text = file.read_text(encoding="utf-8")
        assert f"## {SOUPS}" in text
        assert "1. **" in text
        assert file.stat().st_mode & 0o777 == 0o600

    def test_a_saved_conversation_steers_no_terminal(self) -> None:
        turns = [Turn("1", "", text, TurnState.FAILED, answer=text, error=text) for text in HOSTILE.values()]
        assert not forbidden_in(as_markdown(turns))


async def test_a_new_chat_forgets_what_was_said(kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
    ollama.say(Reply(["The first answer."]), Reply(["The second."]))
    async with kitchen_with_model.running() as (app, pilot):
        await ask(app, pilot, SOUPS)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: not app.chat.transcript.turns)
        assert app.chat.sources.cards == []
        await ask(app, pilot, "Which pastry is sweet?")
        assert b"The first answer." not in ollama.bodies("/api/chat")[-1]
