from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual import events

from tests.app.conftest import SOUPS, Kitchen, screen_text, send, until
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply
from tui.app import RagfoodApp
from tui.core.settings import Settings
from tui.screens.confirm import Confirm, TypedConfirm
from tui.screens.help import Help

Closed = Callable[[], RagfoodApp]


async def test_escape_never_quits(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("f4", "escape")
        assert app.focused is app.chat.prompt
        await pilot.press("escape", "escape")
        assert app.is_running


@pytest.mark.parametrize("keys", [(), ("f4",), ("f1",)])
async def test_ctrl_q_quits_from_everywhere(closed: Closed, keys: tuple[str, ...]) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press(*keys, "ctrl+q")
        assert app._exit
    assert app.return_code == 0


class TestCtrlC:
    async def test_copies_a_selection_of_the_prompt(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.chat.complete)
            await pilot.press(*"soup", "f7", "ctrl+c")
            assert app.clipboard == "soup"
            assert app.chat.prompt.text == "soup"

    async def test_clears_the_prompt_then_asks_then_quits(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(notifications=True) as pilot:
            await until(pilot, lambda: app.chat.complete)
            await pilot.press(*"soup", "ctrl+c")
            assert app.chat.prompt.text == ""
            await pilot.press("up")
            assert app.chat.prompt.text == "soup"
            await pilot.press("ctrl+c", "ctrl+c")
            assert app.is_running
            await until(pilot, lambda: "again to quit" in screen_text(app))
            await pilot.press("ctrl+c")
        assert app.return_code == 0

    async def test_stops_the_answer_before_anything_else(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho"], after=1, hold=asyncio.Event()))
        async with kitchen_with_model.running() as (app, pilot):
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: app.chat.transcript.turns[0].answer)
            await pilot.press(*"next", "ctrl+c")
            await until(pilot, lambda: not app.chat.asking.busy)
            assert app.chat.prompt.text == "next"

    async def test_closes_a_dialog_with_its_safe_answer(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.chat.complete)
            await pilot.press("f1", "ctrl+c")
            assert app.screen is app.chat


async def test_f1_and_the_question_mark_help(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, Help))
        text = screen_text(app)
        for key in ("F1", "F2", "F4", "F5", "^Q", "^P", "Esc", "Enter", "PgUp"):
            assert key in text
        await pilot.press("escape", "f4", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))


async def test_a_question_mark_in_the_prompt_is_a_question_mark(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("question_mark")
        assert app.chat.prompt.text == "?"
        assert app.screen is app.chat


@pytest.mark.parametrize("word", ["exit", "quit", "QUIT"])
async def test_the_old_words_offer_to_quit(closed: Closed, word: str) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press(*word, "enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("escape")
        assert app.is_running
        assert app.chat.transcript.turns == []
        await pilot.press(*word, "enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")
    assert app.return_code == 0


async def test_keys_can_be_remapped_and_the_help_says_so(closed: Closed) -> None:
    async def never() -> object:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    app = RagfoodApp(Settings(keys={"pane.index": "f10", "prompt.send": "ctrl+s"}), never)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("f10")
        assert app.focused is app.chat.index_panel
        await pilot.press("f2", "a", "enter", "b", "ctrl+s")
        await until(pilot, lambda: app.chat.transcript.turns)
        assert app.chat.transcript.turns[0].question == "a\nb"
        await pilot.press("f1")
        await until(pilot, lambda: "F10" in screen_text(app))


async def test_every_action_is_in_the_palette(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.pause()
        listed = [command.title for command in app.get_system_commands(app.screen)]
        assert listed[:4] == ["Help", "Chat", "Sources", "Index"]
        titles = set(listed)
        assert not titles & {"Keys", "Maximize"}
        assert titles >= {"Help", "Chat", "Sources", "Index", "Upsert", "Reset the index", "Statistics"}
        assert titles >= {"Ask the model anyway", "Copy the answer", "Save the conversation", "New chat"}
        assert titles >= {"Export the index", "Stop the answer", "Stop index work", "Quit", "Theme"}


async def test_the_palette_lists_them_in_our_order(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(80, 70)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Leave ragfood" in screen_text(app))
        text = screen_text(app)
        places = [text.index(words) for words in ("Show the keys", "Back to the prompt", "Leave ragfood")]
        assert places == sorted(places)


async def test_a_letter_right_after_f4_is_for_the_index(kitchen: Kitchen) -> None:
    async with kitchen.running() as (app, pilot):
        for key, character in (("f4", None), ("r", "r")):
            app.post_message(events.Key(key, character))
        await until(pilot, lambda: isinstance(app.screen, TypedConfirm))
        assert app.chat.prompt.text == ""
        await pilot.press("escape")


def test_every_binding_of_ours_has_an_id() -> None:
    from textual.binding import Binding

    from tui.screens.chat import ChatScreen
    from tui.widgets.index_panel import IndexPanel
    from tui.widgets.prompt import Prompt
    from tui.widgets.sources import Sources

    for owner in (RagfoodApp, ChatScreen, Prompt, Sources, IndexPanel):
        for binding in Binding.make_bindings(owner.__dict__["BINDINGS"]):
            assert binding.id, (owner, binding)


async def test_keys_pressed_before_the_panes_are_there_are_not_lost(closed: Closed) -> None:
    app = closed()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.complete)
        app.chat.complete = False
        app.chat.action_show_pane("index")
        app.chat.complete = True
        await until(pilot, lambda: app.focused is app.chat.index_panel)
