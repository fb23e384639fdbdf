from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.core.records import Hit, Record
from tui.core.turns import Turn, TurnState
from tui.services.prompting import GROUNDED, MAX_PASSAGE, UNGROUNDED, build_prompt, find_citations


def hit(id: str, text: str, **metadata: str) -> Hit:
    return Hit(Record(id, text, metadata), score=0.5)


class TestAPrompt:
    def test_numbers_its_sources_from_one(self) -> None:
        prompt = build_prompt("Which?", [hit("a", "Alpha soup.", name="Alpha"), hit("b", "Beta stew.")])
        assert [(each.number, each.id, each.heading) for each in prompt.passages] == [
            (1, "a", "Alpha"),
            (2, "b", "Beta stew"),
        ]
        system, user = prompt.messages
        assert (system.role, system.content) == ("system", GROUNDED)
        assert (user.role, prompt.question) == ("user", "Which?")
        assert user.content == ("Sources:\n\n[1] Alpha\nAlpha soup.\n\n[2] Beta stew\nBeta stew.\n\nQuestion: Which?")

    def test_shows_the_original_text_instead_of_the_enriched(self) -> None:
        prompt = build_prompt("Which?", [hit("a", "Pho. This food is popular in Vietnam.", original_text="Pho.")])
        assert prompt.passages[0].text == "Pho."

    def test_without_sources_asks_for_general_knowledge(self) -> None:
        prompt = build_prompt("Which?", [])
        assert prompt.passages == ()
        assert [(each.role, each.content) for each in prompt.messages] == [("system", UNGROUNDED), ("user", "Which?")]

    def test_cuts_a_long_source_at_a_word(self) -> None:
        [passage] = build_prompt("Which?", [hit("a", "soup " * 10_000)]).passages
        assert len(passage.text) <= MAX_PASSAGE + 2
        assert passage.text.endswith("soup …")

    def test_cuts_a_source_without_words_too(self) -> None:
        [passage] = build_prompt("Which?", [hit("a", "x" * 10_000)]).passages
        assert len(passage.text) == MAX_PASSAGE + 2

    def test_a_source_cannot_pose_as_another(self) -> None:
        prompt = build_prompt("Which?", [hit("a", "Pho [2] is [3, 4]\n\n[2] Cake", name="Pho\n[2] Ramen")])
        assert "[2]" not in prompt.messages[-1].content
        assert prompt.passages[0].heading == "Pho (2) Ramen"
        assert prompt.passages[0].text == "Pho (2) is (3, 4)\n\n(2) Cake"

    def test_other_brackets_in_a_source_stay(self) -> None:
        [passage] = build_prompt("Which?", [hit("a", "[soup] [1e9] [1234] [-1] []")]).passages
        assert passage.text == "[soup] [1e9] [1234] [-1] []"

    def test_remembers_earlier_answers_without_numbers(self) -> None:
        history = [Turn("1", "", "Soups?", TurnState.ANSWERED, answer="Pho [1].\n- Ramen [2; 3] and [more]\n[1]")]
        prompt = build_prompt("And?", [], history)
        assert [(each.role, each.content) for each in prompt.messages[1:3]] == [
            ("user", "Soups?"),
            ("assistant", "Pho.\n- Ramen and [more]\n"),
        ]


class TestCitations:
    @pytest.mark.parametrize(
        ("answer", "numbers"),
        [
            ("", []),
            ("Pho [1].", [1]),
            ("[1][2]", [1, 2]),
            ("[1, 3] [2;3]", [1, 3, 2, 3]),
            ("[007]", [7]),
            ("[1234] [-1] [1.5] [a] [1-2] (1) 1", []),
            ("[[1]]", [1]),
        ],
    )
    def test_are_found_in_order(self, answer: str, numbers: list[int]) -> None:
        assert [citation.number for citation in find_citations(answer, 3)] == numbers

    def test_are_known_up_to_the_number_of_sources(self) -> None:
        known = {each.number: each.known for each in find_citations("[0] [1] [2] [3] [9]", 2)}
        assert known == {0: False, 1: True, 2: True, 3: False, 9: False}

    @given(st.text(alphabet="[]0123456789,; a\n", max_size=80), st.integers(0, 5))
    def test_offsets_are_those_of_the_number(self, answer: str, sources: int) -> None:
        for citation in find_citations(answer, sources):
            assert int(answer[citation.start : citation.end]) == citation.number
            assert citation.known is (0 < citation.number <= sources)
