from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.app.conftest import screen_text, until
from tests.hostile import HOSTILE, forbidden_in
from tui.app import RagfoodApp
from tui.core.events import Cost, Plan, Progress, Rejection, Transferred
from tui.core.records import Hit, IndexInfo, IndexKind, Record
from tui.core.turns import Citation, Degradation, Turn, TurnState
from tui.screens.confirm import Confirm
from tui.screens.index_texts import plan_text, statistics_text, transferred_text
from tui.screens.narration import tell_info
from tui.widgets.facts import facts, seconds
from tui.widgets.index_panel import info_lines, progress_text
from tui.widgets.relevance_bar import bar
from tui.widgets.streamed_markdown import StreamedMarkdown

Closed = Callable[[], RagfoodApp]


def hit(id: str = "pho-1", *, relevance: float | None = 0.91, **metadata: object) -> Hit:
    return Hit(Record(id, "embedded text", {"name": "Pho", **metadata}), 0.03278, relevance, 0.7, 0.5)


def info(**changes: object) -> IndexInfo:
    values = {
        "kind": IndexKind.EMBEDDED, "location": "/home/me/index.db", "namespace": "", "records": 120, "pending": 0,
        "dimension": 256, "similarity": "COSINE", "model": "builtin", "sparse_model": "BM25", "size": 0,
        "namespaces": {},
    }  # fmt: skip
    return IndexInfo(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (0.0, "▁▁▁▁▁▁▁▁▁▁"),
        (0.004, "▇▁▁▁▁▁▁▁▁▁"),
        (0.91, "▇▇▇▇▇▇▇▇▇▁"),
        (1.0, "▇" * 10),
        (7.0, "▇" * 10),
        (-1.0, "▁" * 10),
    ],
)
def test_bars_have_ten_cells(share: float, drawn: str) -> None:
    assert bar(share) == drawn


@pytest.mark.parametrize(
    ("duration", "text"), [(0.0041, "4 ms"), (1.94, "1.9 s"), (0.96, "1.0 s"), (125.2, "2 min 05 s"), (-1.0, "0 ms")]
)
def test_durations_are_for_people(duration: float, text: str) -> None:
    assert seconds(duration) == text


class TestFacts:
    def turn(self, **changes: object) -> Turn:
        values = {"id": "1", "asked_at": "", "question": "q", "state": TurnState.ANSWERED, "answerer": "llama3.2"}
        return Turn(**{**values, **changes})  # type: ignore[arg-type]

    def test_of_a_model(self) -> None:
        turn = self.turn(hits=(hit(), hit(), hit()), tokens_per_second=41.2, timings={"total": 1.93})
        assert facts(turn) == "llama3.2 · 3 sources · 41 tok/s · 1.9 s"

    def test_without_sources_wear_a_badge(self) -> None:
        assert facts(self.turn(fallback=True)).startswith("[Fallback Mode] · llama3.2 · 0 sources")

    def test_of_a_stopped_answer(self) -> None:
        assert facts(self.turn(state=TurnState.STOPPED, hits=(hit(),))) == "stopped · llama3.2 · 1 source"

    def test_name_citations_of_no_source(self) -> None:
        turn = self.turn(citations=(Citation(7, 0, 3, False), Citation(1, 4, 7, True)))
        assert "no source [7]" in facts(turn)

    def test_do_not_repeat_the_reason_that_stands_above(self) -> None:
        turn = self.turn(answerer="extractive", degraded=(Degradation("Ollama is not running."),))
        assert facts(turn) == "extractive · 0 sources"


class TestSources:
    async def test_show_number_bar_relevance_heading_id_and_the_rest_when_opened(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            found = hit(region="Vietnam", type="Soup", original_text="Pho is a soup.", spice={"level": 2})
            app.chat.sources.show([found, hit("ramen-1", relevance=0.5)], [], total=120, elapsed=0.004)
            await until(pilot, lambda: "ramen-1" in screen_text(app))
            text = screen_text(app)
            for expected in ("Sources · 2 of 120 · 4 ms", "1 ▇▇▇▇▇▇▇▇▇▁ 0.91", "Pho", "pho-1", "Vietnam · Soup"):
                assert expected in text
            assert "0.0328" not in text
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "score 0.0328" in screen_text(app))
            text = screen_text(app)
            for expected in ("similarity 0.7000", "keyword coverage 0.5000", 'spice: {"level": 2}', "id pho-1"):
                assert expected in text
            await pilot.press("enter")
            await until(pilot, lambda: "0.0328" not in screen_text(app))

    async def test_without_relevance_show_the_rank(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            app.chat.sources.show([hit(relevance=None), hit("b", relevance=None)], [], total=2, elapsed=0.1)
            await until(pilot, lambda: "▇▇▇▇▇▇▇▇▇▇ #1" in screen_text(app))
            assert "▇▇▇▇▇▁▁▁▁▁ #2" in screen_text(app)

    async def test_keep_ids_off_the_border(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            app.chat.sources.show([hit()], [], total=1, elapsed=0.1)
            await until(pilot, lambda: app.chat.sources.cards[0].region)
            [card] = app.chat.sources.cards
            assert card.query_one(".id").region.right == card.region.right - 1

    async def test_end_the_beginning_of_a_passage_with_a_word(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            app.chat.sources.show([hit(original_text="noodles " * 40)], [], total=1, elapsed=0.1)
            await until(pilot, lambda: "noodles …" in screen_text(app))

    async def test_digits_and_arrows_choose(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            app.chat.sources.show([hit(str(number)) for number in range(5)], [], total=5, elapsed=0.1)
            await pilot.press("tab", "3", "enter")
            assert [card.is_open for card in app.chat.sources.cards] == [False, False, True, False, False]
            await pilot.press("9", "down", "enter", "up", "up", "up", "up", "enter")
            assert [card.is_open for card in app.chat.sources.cards] == [True, False, True, True, False]

    async def test_a_click_opens(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            app.chat.sources.show([hit()], [], total=1, elapsed=0.1)
            await until(pilot, lambda: app.chat.sources.cards[0].region)
            await pilot.click(".body")
            assert app.chat.sources.cards[0].is_open

    async def test_a_thousand_are_not_all_drawn(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            app.chat.sources.show([hit(str(number)) for number in range(1000)], [], total=1000, elapsed=0.1)
            await pilot.pause()
            assert len(app.chat.sources.cards) == 100


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (20, 5)])
async def test_hostile_text_is_only_text_in_every_widget(closed: Closed, size: tuple[int, int]) -> None:
    app = closed()
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.chat.complete)
        chat = app.chat
        hits = [
            hit(text, name=text, region=text, type=text, original_text=text, extra={text: text}, **{f"k{text}": text})
            for text in HOSTILE.values()
        ]
        chat.sources.show(hits, [], total=len(hits), elapsed=0.1)
        await pilot.pause()
        for card in chat.sources.cards:
            card.toggle()
        for text in HOSTILE.values():
            view = await chat.transcript.begin(text)
            view.append(text)
            view.add_note(text, text)
            view.fail(text, text)
            chat.transcript.add_note(text, text)
            tell_info(chat, info(location=text, namespace=text, model=text, similarity=text))
            chat.index_panel.show_progress(Progress(text, 1, 2, 1.0), text)
            chat.index_panel.show_outcome(text)
        for pane in ("chat", "sources", "index"):
            chat.action_show_pane(pane)
            await pilot.pause()
            shown = screen_text(app)
            assert not forbidden_in(shown), pane
        everything = "\n".join(str(widget.render()) for widget in chat.query("Static"))
        assert "[@click=app.quit]x[/]" in everything
        assert "[bold red]x" in everything
        assert not forbidden_in(everything)
        app.push_screen(Confirm("Question", "\n".join(HOSTILE.values()), yes="Yes"))
        await pilot.pause()
        assert not forbidden_in(screen_text(app))
        assert app.is_running
    assert list(app.failures) == []


class TestLongConversations:
    async def test_are_drawn_with_few_widgets_and_lose_nothing(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            for number in range(60):
                view = await app.chat.transcript.begin(f"question {number}")
                view.append(f"answer {number} [bold]")
                view.add_note(f"note {number}", f"hint {number}")
                view.stop()
            await pilot.pause()
            assert len(app.chat.transcript.query("*")) < 200
            text = "\n".join(
                widget.plain if isinstance(widget, StreamedMarkdown) else str(widget.render())
                for widget in app.chat.transcript.query("Static, StreamedMarkdown")
            )
            for number in range(60):
                for word in ("question", "answer", "note", "hint"):
                    assert text.count(f"{word} {number}\n") == 1 or text.count(f"{word} {number} ") == 1
            positions = [text.index(f"You  question {number}\n") for number in range(60)]
            assert positions == sorted(positions)

    async def test_keep_very_long_answers_as_they_were_drawn(self, closed: Closed) -> None:
        app = closed()
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            first = await app.chat.transcript.begin("the long one")
            first.append("word " * 2_000)
            first.stop()
            for number in range(30):
                view = await app.chat.transcript.begin(f"question {number}")
                view.stop()
            assert app.chat.transcript.turns[0] is first


class TestTexts:
    def test_a_plan_names_the_first_reasons_and_counts_the_rest(self) -> None:
        rejected = tuple(Rejection(row, f"id{row}", "text is missing") for row in range(1, 21))
        text = plan_text(Plan("foods.json", ("a",), (), (), (), rejected, Cost(1, 1, 0.4)))
        assert "1 record will be written, from the file:\nfoods.json" in text
        assert "row 1 id1: text is missing" in text
        assert "and 12 more" in text
        assert "$0.40" in text

    def test_progress_has_rate_and_time_left(self) -> None:
        assert progress_text(Progress("upsert", 84, 120, 7.0), "upsert") == (
            "▇▇▇▇▇▇▇▁▁▁ upsert · 84 of 120 · 12/s · 3.0 s left"
        )
        assert progress_text(Progress("upsert", 0, 0, 0.0), "upsert") == "▁▁▁▁▁▁▁▁▁▁ upsert · 0"

    def test_progress_takes_two_lines_where_one_is_too_short(self) -> None:
        assert progress_text(Progress("upsert", 84, 120, 7.0), "upsert", width=40) == (
            "▇▇▇▇▇▇▇▁▁▁ upsert · 84 of 120\n12/s · 3.0 s left"
        )

    def test_a_reset_says_where_the_snapshot_is(self) -> None:
        assert "snapshot: /x/y.jsonl" in transferred_text("reset", Transferred(3, "/x/y.jsonl", 0.1))

    def test_an_index_says_what_it_is(self) -> None:
        assert info_lines(info())[0] == "120 records · 0 pending · 256-d cosine"
        assert info_lines(info(dimension=0, records=1, similarity=""))[0] == "1 record · 0 pending"
        assert "(default)" in statistics_text(info())
