from __future__ import annotations

import json
from contextlib import aclosing

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_models import EMBEDDER, THINKER
from tests.emulators.ollama_script import Reply
from tests.services.asking_kitchen import FOODS, OFF_TOPIC, SOUPS, Kitchen, ask
from tui.core.errors import FilterSyntaxError, InvalidQuery
from tui.core.events import Degraded, Delta, Retrieved, Retrieving, Thinking, Waiting, Writing
from tui.core.records import QueryMode
from tui.core.setting_values import RateLimit
from tui.core.turns import Degradation, TurnState
from tui.services.asking import NOTHING_FITS, NOTHING_INDEXED, AskOptions


class TestWithoutAModel:
    async def test_events_come_in_order(self, kitchen: Kitchen) -> None:
        asked = await ask(kitchen.services(use_model=False))
        assert asked.kinds == ["Waiting", "Retrieving", "Retrieved", "Writing", "Delta", "Answered"]
        assert asked.only(Waiting) == Waiting("the first fill")

    async def test_nothing_is_waited_for_once_the_index_is_filled(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        await services.filling.wait()
        assert (await ask(services)).kinds[0] == "Retrieving"

    async def test_events_and_turn_tell_the_same(self, kitchen: Kitchen) -> None:
        asked = await ask(kitchen.services(use_model=False))
        found = asked.only(Retrieved)
        assert asked.only(Retrieving).query == SOUPS
        assert asked.only(Writing).model == "extractive"
        assert [hit.id for hit in found.hits] == ["pho", "ramen"]
        assert (found.hits, found.dropped) == (asked.turn.hits, asked.turn.dropped)
        assert found.total == len(FOODS)
        assert asked.text == asked.turn.answer

    async def test_the_answer_quotes_the_sources_with_their_numbers(self, kitchen: Kitchen) -> None:
        turn = (await ask(kitchen.services(use_model=False))).turn
        assert turn.state is TurnState.ANSWERED
        assert turn.answerer == "extractive"
        assert turn.answer.splitlines() == [
            "Pho is a noodle soup with beef broth, rice noodles and herbs. [1]",
            "Ramen is a soup of wheat noodles in a broth of pork bones or soy sauce. [2]",
        ]
        assert [(citation.number, citation.known) for citation in turn.citations] == [(1, True), (2, True)]

    async def test_no_prompt_was_sent_and_nothing_is_degraded(self, kitchen: Kitchen) -> None:
        turn = (await ask(kitchen.services(use_model=False))).turn
        assert (turn.prompt, turn.degraded, turn.fallback, turn.error) == ((), (), False, "")

    async def test_time_is_told_by_phase(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        async with aclosing(services.asking.ask(SOUPS)) as events:
            async for _ in events:
                kitchen.clock.seconds += 1
        turn = kitchen.recorded()[0]
        assert set(turn["timings"]) == {"retrieve", "first_text", "total"}
        assert turn["timings"]["retrieve"] == 0.0
        assert turn["timings"]["first_text"] == 4.0
        assert turn["timings"]["total"] == 6.0


class TestWithAModel:
    async def test_events_come_in_order(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        ollama.say(Reply(["Pho", " is", " one", " [1]."]))
        asked = await ask(kitchen_with_model.services())
        assert asked.kinds[1:] == ["Retrieving", "Retrieved", "Writing", "Loading", "Delta", "Answered"]
        assert [event.text for event in asked.events if isinstance(event, Delta)] == ["Pho", " is", " one", " [1]."]
        assert asked.only(Writing).model == "llama3.2"
        assert asked.turn.answer == "Pho is one [1]."
        assert (asked.turn.state, asked.turn.answerer) == (TurnState.ANSWERED, "llama3.2")

    async def test_the_turn_holds_the_prompt_exactly_as_sent(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        turn = (await ask(kitchen_with_model.services())).turn
        [body] = map(json.loads, ollama.bodies("/api/chat"))
        assert [(message["role"], message["content"]) for message in body["messages"]] == list(turn.prompt)

    async def test_sources_are_numbered_in_the_prompt_as_in_the_turn(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        turn = (await ask(kitchen_with_model.services())).turn
        content = turn.prompt[-1][1]
        for number, hit in enumerate(turn.hits, start=1):
            assert f"[{number}] {hit.record.heading}\n{hit.record.passage}" in content
        assert content.endswith(f"Question: {SOUPS}")
        assert "is popular in" not in content, "a model is shown the original text, not the enriched one"

    async def test_counts_and_speed_are_taken_over(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        numbers = {"prompt_eval_count": 260, "eval_count": 4, "eval_duration": 500_000_000}
        ollama.say(Reply(["Pho", " [1]."], metrics=numbers))
        turn = (await ask(kitchen_with_model.services())).turn
        assert (turn.prompt_tokens, turn.answer_tokens, turn.tokens_per_second) == (260, 4, 8.0)

    async def test_counts_left_out_are_unknown(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        ollama.say(Reply(["Pho"], metrics={"prompt_eval_count": None, "eval_count": None}))
        turn = (await ask(kitchen_with_model.services())).turn
        assert (turn.prompt_tokens, turn.answer_tokens, turn.tokens_per_second) == (None, None, None)

    @pytest.mark.parametrize(("counted", "truncated"), [(100, True), (3000, False)])
    async def test_a_prompt_that_lost_something_is_told(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator, counted: int, truncated: bool
    ) -> None:
        long = [{**food, "text": food["text"] + " It is soup." * 300} for food in FOODS]
        kitchen_with_model.write_foods(long)
        ollama.say(Reply(["Pho"], metrics={"prompt_eval_count": counted}))
        options = AskOptions(min_relevance=0.0)
        assert (await ask(kitchen_with_model.services(), options=options)).turn.truncated is truncated

    async def test_reasoning_is_apart_from_the_answer(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.install(THINKER)
        ollama.say(Reply(["Pho", " [1]."], thinking=["Soup", " with noodles."]))
        asked = await ask(kitchen_with_model.services(model="qwen3:4b"))
        assert asked.kinds[3:] == ["Writing", "Loading", "Thinking", "Delta", "Answered"]
        assert [event.text for event in asked.events if isinstance(event, Thinking)] == ["Soup", " with noodles."]
        assert (asked.turn.thinking, asked.turn.answer) == ("Soup with noodles.", "Pho [1].")

    async def test_a_number_without_a_source_is_flagged(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho [1, 2], ramen [9]", " and [0]."]))
        turn = (await ask(kitchen_with_model.services())).turn
        assert [(each.number, each.known) for each in turn.citations] == [(1, True), (2, True), (9, False), (0, False)]
        assert [turn.answer[each.start : each.end] for each in turn.citations] == ["1", "2", "9", "0"]


class TestDegraded:
    async def test_without_ollama_the_sources_are_quoted(self, kitchen: Kitchen) -> None:
        asked = await ask(kitchen.services())
        assert asked.kinds[1:] == ["Retrieving", "Retrieved", "Writing", "Degraded", "Writing", "Delta", "Answered"]
        degraded = asked.only(Degraded)
        assert degraded.reason == f"Ollama is not running at {kitchen.ollama_host}."
        assert degraded.hint
        assert asked.turn.degraded == (Degradation(degraded.reason, degraded.hint),)
        assert (asked.turn.state, asked.turn.answerer) == (TurnState.ANSWERED, "extractive")
        assert asked.turn.answer.startswith("Pho is a noodle soup")

    async def test_so_they_are_when_the_model_is_missing(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.world.models.clear()
        ollama.install(EMBEDDER)
        asked = await ask(kitchen_with_model.services())
        assert "llama3.2" in asked.only(Degraded).reason
        assert "ollama pull llama3.2" in asked.only(Degraded).hint
        assert asked.turn.answerer == "extractive"

    async def test_so_they_are_when_it_fails_before_the_first_word(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho"], thinking=["Hm"], after=1, error="CUDA out of memory"))
        asked = await ask(kitchen_with_model.services())
        assert "CUDA out of memory" in asked.only(Degraded).reason
        assert asked.turn.answerer == "extractive"
        assert asked.turn.thinking == "", "the reasoning was another's"
        assert asked.turn.prompt == ()


class TestAFailureMidStream:
    @pytest.mark.parametrize("failure", [{"error": "CUDA error"}, {"drop": True}, {"eof": True}])
    async def test_keeps_the_partial_answer(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator, failure: dict[str, object]
    ) -> None:
        ollama.say(Reply(["Pho", " [1]", " and"], after=2, **failure))  # type: ignore[arg-type]
        asked = await ask(kitchen_with_model.services())
        assert (asked.turn.state, asked.turn.answer) == (TurnState.FAILED, "Pho [1]")
        assert asked.turn.error
        assert asked.turn.degraded == ()
        assert [each.known for each in asked.turn.citations] == [True]
        [recorded] = kitchen_with_model.recorded()
        assert (recorded["state"], recorded["answer"]) == ("failed", "Pho [1]")


class TestTheGate:
    async def test_refuses_what_nothing_answers(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        asked = await ask(kitchen_with_model.services(), OFF_TOPIC)
        assert asked.kinds[1:] == ["Retrieving", "Retrieved", "Delta", "Answered"]
        assert (asked.turn.state, asked.turn.answer) == (TurnState.REFUSED, NOTHING_FITS)
        assert (asked.turn.hits, asked.turn.answerer, asked.turn.citations) == ((), "none", ())
        assert asked.turn.dropped
        assert asked.turn.dropped == asked.only(Retrieved).dropped
        assert ollama.requests == [], "no model was asked"

    async def test_can_be_opened_for_one_question(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        turn = (await ask(services, OFF_TOPIC, options=AskOptions(min_relevance=0.0))).turn
        assert turn.state is TurnState.ANSWERED
        assert turn.hits
        assert turn.dropped == ()

    async def test_is_set_by_the_settings(self, kitchen: Kitchen) -> None:
        turn = (await ask(kitchen.services(use_model=False, min_relevance=1.0))).turn
        assert turn.state is TurnState.REFUSED
        assert [hit.id for hit in turn.dropped][:2] == ["pho", "ramen"]

    async def test_says_when_the_index_is_empty(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        await services.index.reset()
        turn = (await ask(services)).turn
        assert (turn.state, turn.answer) == (TurnState.REFUSED, NOTHING_INDEXED)

    @pytest.mark.parametrize("question", ["", "  ", "???", "🍜", "what is it?"])
    async def test_refuses_questions_without_a_topic(self, kitchen: Kitchen, question: str) -> None:
        turn = (await ask(kitchen.services(use_model=False), question)).turn
        assert turn.state is TurnState.REFUSED


class TestUngrounded:
    async def test_asks_the_model_alone(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        ollama.say(Reply(["Brazil", " [1]."]))
        asked = await ask(kitchen_with_model.services(), OFF_TOPIC, options=AskOptions(ungrounded=True))
        assert asked.kinds == ["Writing", "Loading", "Delta", "Answered"]
        assert (asked.turn.state, asked.turn.fallback, asked.turn.hits) == (TurnState.ANSWERED, True, ())
        assert asked.turn.prompt[-1] == ("user", OFF_TOPIC)
        assert [each.known for each in asked.turn.citations] == [False], "there is no source to cite"

    @pytest.mark.parametrize("use_model", [True, False])
    async def test_fails_when_there_is_no_model(self, kitchen: Kitchen, use_model: bool) -> None:
        services = kitchen.services(use_model=use_model)
        turn = (await ask(services, OFF_TOPIC, options=AskOptions(ungrounded=True))).turn
        assert (turn.state, turn.fallback, turn.answer) == (TurnState.FAILED, True, "")
        assert ("Ollama is not running" if use_model else "only a model can answer") in turn.error
        assert turn.answerer != "extractive"


class TestOptions:
    async def test_a_filter_is_respected(self, kitchen: Kitchen) -> None:
        options = AskOptions(filter="region = 'Japan'")
        turn = (await ask(kitchen.services(use_model=False), options=options)).turn
        assert [hit.id for hit in turn.hits] == ["ramen"]

    async def test_top_k_is_respected(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False, top_k=1)
        assert len((await ask(services)).turn.hits) == 1
        options = AskOptions(top_k=2, min_relevance=0.0)
        assert len((await ask(services, options=options)).turn.hits) == 2

    async def test_a_mode_is_respected(self, kitchen: Kitchen) -> None:
        options = AskOptions(mode=QueryMode.SPARSE, min_relevance=0.0, top_k=4)
        turn = (await ask(kitchen.services(use_model=False), "honey", options=options)).turn
        assert [hit.id for hit in turn.hits] == ["baklava"]

    async def test_no_sources_at_all_cannot_be_asked_for(self, kitchen: Kitchen) -> None:
        with pytest.raises(InvalidQuery):
            await ask(kitchen.services(use_model=False), options=AskOptions(top_k=0))

    async def test_a_filter_that_does_not_parse_fails_the_turn(self, kitchen: Kitchen) -> None:
        with pytest.raises(FilterSyntaxError) as caught:
            await ask(kitchen.services(use_model=False), options=AskOptions(filter="region = ["))
        [recorded] = kitchen.recorded()
        assert recorded["state"] == "failed"
        assert caught.value.message in recorded["error"]
        assert recorded["question"] == SOUPS

    async def test_a_question_waits_for_the_rate_limit(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False, rate_limit=RateLimit(1, 60))
        await ask(services)
        async with aclosing(services.asking.ask(SOUPS)) as events:
            assert await anext(events) == Waiting("the rate limit", 60.0)
            assert [turn["state"] for turn in kitchen.recorded()] == ["answered", "asked"]
            kitchen.clock.seconds += 60
            assert isinstance(await anext(events), Retrieving)
            assert isinstance(await anext(events), Retrieved)
