"""What goes into a prompt and comes out of an answer, when some of it is hostile."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply
from tests.hostile import HOSTILE, forbidden_in
from tests.services.asking_kitchen import SOUPS, Kitchen, ask
from tui.core.records import Record
from tui.core.text import clean
from tui.core.turns import Turn, TurnState
from tui.services.asking import AskOptions
from tui.services.recorder import _encode


def everything_in(turn: Turn) -> str:
    """Every text of a turn but the ids, as it is."""
    strings: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, dict):
            collect([*value.keys(), *value.values()])
        elif isinstance(value, (list, tuple)):
            for item in value:
                collect(item)

    collect(_encode(turn))
    return "".join(strings)


class TestHostileText:
    @pytest.mark.parametrize("attack", HOSTILE)
    async def test_in_a_question_reaches_the_turn_clean(self, kitchen: Kitchen, attack: str) -> None:
        turn = (await ask(kitchen.services(use_model=False), f"noodle soup {HOSTILE[attack]}")).turn
        assert turn.question == clean(f"noodle soup {HOSTILE[attack]}").strip()
        assert not forbidden_in(everything_in(turn))

    async def test_in_records_reaches_turn_and_prompt_clean(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        attacks = {name: text for name, text in HOSTILE.items() if name != "lone surrogate"}
        services = kitchen_with_model.services()
        await services.index.upsert(
            [
                Record(f"r{number}", f"Noodle soup {text}", {"name": text, "original_text": f"Noodle soup {text}"})
                for number, text in enumerate(attacks.values())
            ]
        )
        options = AskOptions(top_k=len(attacks), min_relevance=0.0)
        turn = (await ask(services, options=options)).turn
        assert len(turn.hits) == len(attacks)
        assert not forbidden_in(everything_in(turn))

    @pytest.mark.parametrize("attack", HOSTILE)
    async def test_from_the_model_reaches_the_turn_clean(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator, attack: str
    ) -> None:
        text = HOSTILE[attack].encode("utf-8", "replace").decode()
        half = len(text) // 2
        ollama.say(Reply(["Pho ", text[:half], text[half:], " [1]"]))
        asked = await ask(kitchen_with_model.services())
        assert asked.turn.state is TurnState.ANSWERED
        assert asked.text == asked.turn.answer
        assert not forbidden_in(asked.turn.answer)

    async def test_in_an_error_reaches_the_turn_clean(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(error="bad \x1b]0;owned\x07\x9b2J\u202e thing"))
        turn = (await ask(kitchen_with_model.services())).turn
        assert "bad thing" in turn.degraded[0].reason
        assert not forbidden_in(everything_in(turn))

    async def test_a_number_in_brackets_inside_a_source_is_no_citation(self, kitchen: Kitchen) -> None:
        food = {"id": "udon", "name": "Udon [2]", "text": "Udon[3] is a noodle soup of thick noodles [12, 13]."}
        kitchen.write_foods([food])
        turn = (await ask(kitchen.services(use_model=False))).turn
        assert turn.answer == "Udon(3) is a noodle soup of thick noodles (12, 13). [1]"
        assert [each.number for each in turn.citations] == [1]
        assert turn.hits[0].record.passage == food["text"], "the source itself stays as it is"


class TestHistory:
    @staticmethod
    def turn(question: str, answer: str, state: TurnState = TurnState.ANSWERED) -> Turn:
        return Turn(id="x", asked_at="2026-11-22T12:00:00+00:00", question=question, answer=answer, state=state)

    async def test_goes_into_the_prompt_without_its_citation_numbers(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        history = [self.turn("What is pho?", "A soup [1], from Vietnam [2, 3].")]
        await ask(kitchen_with_model.services(), history=history)
        [body] = map(json.loads, ollama.bodies("/api/chat"))
        assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
        assert body["messages"][1]["content"] == "What is pho?"
        assert body["messages"][2]["content"] == "A soup, from Vietnam."

    async def test_is_searched_for_nothing(self, kitchen: Kitchen) -> None:
        history = [self.turn("Which desserts have honey?", "Baklava [1].")]
        turn = (await ask(kitchen.services(use_model=False), history=history)).turn
        assert [hit.id for hit in turn.hits] == ["pho", "ramen"]

    async def test_is_the_last_two_answers_only(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        history = [
            self.turn("one?", "One."),
            self.turn("two?", "Two."),
            self.turn("refused?", "Nothing fits.", TurnState.REFUSED),
            self.turn("three?", "Three."),
            self.turn("stopped?", "Half a", TurnState.STOPPED),
            self.turn("failed?", "", TurnState.FAILED),
        ]
        turn = (await ask(kitchen_with_model.services(), history=history)).turn
        assert [content for _, content in turn.prompt[1:-1]] == ["two?", "Two.", "three?", "Three."]


async def test_a_turn_and_its_record_on_disk_are_equal(kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
    ollama.say(Reply(["Pho\u2028 [1]", " 🍜"]))
    turn = (await ask(kitchen_with_model.services())).turn
    [recorded] = kitchen_with_model.recorded()
    assert set(recorded) == {field.name for field in dataclasses.fields(turn)}
    assert recorded == json.loads(json.dumps(_encode(turn)))
    assert recorded["hits"][0]["metadata"]["region"] == "Vietnam"
    assert recorded["question"] == SOUPS
    assert recorded["answer"] == "Pho\n [1] 🍜"
