from __future__ import annotations

from collections.abc import Callable

from textual import events

from tests.app.conftest import screen_text, until
from tests.hostile import HOSTILE, forbidden_in
from tui.app import RagfoodApp
from tui.widgets.prompt import LONGEST_QUESTION, QuestionHistory

Closed = Callable[[], RagfoodApp]


def questions_of(app: RagfoodApp) -> list[str]:
    return [view.question for view in app.chat.transcript.turns]


async def test_it_invites_a_question(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.pause()
        assert app.focused is app.chat.prompt
        assert "> Ask about" in screen_text(app)


async def test_enter_sends_and_empties_it(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press(*"soup", "enter")
        await until(pilot, lambda: questions_of(app) == ["soup"])
        assert app.chat.prompt.text == ""


async def test_nothing_is_sent_of_nothing(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("space", "ctrl+j", "enter")
        await pilot.pause()
        assert questions_of(app) == []


async def test_shift_enter_and_ctrl_j_break_the_line(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        await pilot.press("a", "shift+enter", "b", "ctrl+j", "c")
        assert app.chat.prompt.text == "a\nb\nc"
        assert questions_of(app) == []


async def test_keys_typed_after_enter_belong_to_the_next_question(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        for key in ("a", "enter", "b"):
            app.chat.prompt.post_message(events.Key(key, key if len(key) == 1 else "\r"))
        await until(pilot, lambda: app.chat.prompt.text == "b")
        assert questions_of(app) == ["a"]


async def test_a_paste_never_sends_and_is_cleaned(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        for text in HOSTILE.values():
            app.chat.prompt.post_message(events.Paste(f"{text}\nsecond line\r\n"))
        await until(pilot, lambda: app.chat.prompt.text.count("second line") == len(HOSTILE))
        assert questions_of(app) == []
        assert not forbidden_in(app.chat.prompt.text)
        assert not forbidden_in(screen_text(app))


async def test_a_paste_is_cut_to_the_longest_question(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        app.chat.prompt.post_message(events.Paste("soup " * LONGEST_QUESTION))
        await until(pilot, lambda: app.chat.prompt.text)
        await pilot.press("x")
        assert len(app.chat.prompt.text) == LONGEST_QUESTION


async def test_it_grows_to_six_lines(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        assert app.chat.prompt.size.height == 1
        await pilot.press(*["a", "ctrl+j"] * 9)
        await until(pilot, lambda: app.chat.prompt.size.height == 6)


async def test_up_and_down_recall_at_the_first_and_last_line_and_keep_the_draft(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        prompt = app.chat.prompt
        for question in ("one", "two"):
            prompt.questions.add(question)
        await pilot.press("d", "r", "a", "f", "t", "up")
        assert prompt.text == "two"
        await pilot.press("up")
        assert prompt.text == "one"
        await pilot.press("up", "down", "down")
        assert prompt.text == "draft"
        await pilot.press("down", "ctrl+j", "x", "up")
        assert prompt.text == "draft\nx"
        assert prompt.cursor_location[0] == 0
        await pilot.press("down")
        assert prompt.cursor_location[0] == 1


async def test_page_keys_scroll_the_transcript_and_leave_the_focus(closed: Closed) -> None:
    app = closed()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.complete)
        for number in range(40):
            app.chat.transcript.add_note(f"note {number}")
        await until(pilot, lambda: app.chat.transcript.max_scroll_y > 0)
        await until(pilot, lambda: app.chat.transcript.scroll_y == app.chat.transcript.max_scroll_y)
        await pilot.press("pageup")
        assert app.chat.transcript.scroll_y < app.chat.transcript.max_scroll_y
        assert app.focused is app.chat.prompt


def test_the_history_does_not_repeat_the_newest_question() -> None:
    history = QuestionHistory()
    history.add("one")
    history.add("one")
    assert history.older("") == "one"
    assert history.older("") is None


def test_the_history_has_nothing_newer_than_the_draft() -> None:
    history = QuestionHistory()
    assert history.newer() is None
    assert history.older("draft") is None
    history.add("one")
    assert history.older("draft") == "one"
    assert history.newer() == "draft"
    assert history.newer() is None
