from __future__ import annotations

import asyncio
import re
from functools import lru_cache

import pytest

from tests.hostile import HOSTILE
from tui.core.errors import AnswerInterrupted
from tui.embed.builtin import BuiltinEmbedder
from tui.embed.evidence import Evidence
from tui.embed.lexicon import food_lexicon
from tui.llm.base import AnswerFinished, Availability, Message, Passage, Prompt, TextDelta
from tui.llm.extractive import MAX_SENTENCES, PER_SOURCE, ExtractiveAnswerer, sentences_of

PHO = "Pho is a noodle soup from Vietnam. It is eaten for breakfast. Herbs and lime are served beside it."
RAMEN = "Ramen is a Japanese soup with wheat noodles. The broth boils for hours. Many bowls have a soft egg."
CAKE = "Cake is baked from flour and sugar. It is soft."


@lru_cache(maxsize=1)
def evidence() -> Evidence:
    return Evidence(BuiltinEmbedder(), food_lexicon())


def prompt_of(question: str, *texts: str, headings: tuple[str, ...] = ()) -> Prompt:
    names = headings or tuple(text.split(" ")[0] for text in texts)
    passages = tuple(
        Passage(number, name.lower(), name, text)
        for number, (name, text) in enumerate(zip(names, texts, strict=True), start=1)
    )
    return Prompt(question, passages, (Message("user", question),))


async def answer(question: str, *texts: str, headings: tuple[str, ...] = ()) -> list[str]:
    """The lines of the answer; every one comes in a piece of its own."""
    stream = ExtractiveAnswerer(evidence).stream(prompt_of(question, *texts, headings=headings))
    parts = [part async for part in stream]
    assert parts[-1] == AnswerFinished(reason="stop")
    pieces = [part.text for part in parts if isinstance(part, TextDelta)]
    assert len(pieces) == len(parts) - 1
    lines = "".join(pieces).split("\n")
    assert len(lines) == len(pieces)
    return lines


class TestAnAnswer:
    async def test_quotes_what_covers_the_question_with_its_number(self) -> None:
        assert await answer("Which soups come with noodles?", PHO, RAMEN) == [
            "Pho is a noodle soup from Vietnam. [1]",
            "Ramen is a Japanese soup with wheat noodles. [2]",
        ]

    async def test_names_the_subject_where_the_sentence_does_not(self) -> None:
        assert await answer("What is eaten for breakfast?", PHO) == ["Pho: It is eaten for breakfast. [1]"]

    async def test_leaves_out_sources_that_cover_much_less(self) -> None:
        lines = await answer("Which soups come with noodles?", PHO, CAKE)
        assert [line[-3:] for line in lines] == ["[1]"]

    async def test_understands_what_stands_for_a_word(self) -> None:
        lines = await answer("dishes with aubergine", "It is warm. Eggplant is baked.", headings=("Moussaka",))
        assert lines == ["Moussaka: Eggplant is baked. [1]"]

    async def test_quotes_word_for_word(self) -> None:
        for line in await answer("soup noodles broth egg herbs", PHO, RAMEN):
            quoted = re.sub(r"^\w+: | \[\d\]$", "", line)
            assert quoted in PHO + RAMEN

    async def test_quotes_at_most_two_sentences_a_source(self) -> None:
        lines = await answer("soup with beef and rice", "Soup is warm. Beef is in it. Rice is beside it. It is soup.")
        assert len(lines) == PER_SOURCE

    async def test_quotes_a_second_sentence_only_for_what_it_adds(self) -> None:
        assert await answer("soup", "Soup is warm. Soup is good. More soup.") == ["Soup is warm. [1]"]

    async def test_quotes_the_first_source_always(self) -> None:
        lines = await answer("Which soups come with noodles?", CAKE, PHO, RAMEN)
        assert [line[-3:] for line in lines] == ["[1]", "[2]", "[3]"]

    async def test_quotes_at_most_five_and_the_best_of_them(self) -> None:
        middling = "It has soup. It was soup."
        best = "A noodle soup it is. Noodle soup again."
        lines = await answer("noodle soup", *[middling] * 4, best, headings=("Aa", "Bb", "Cc", "Dd", "Ee"))
        assert len(lines) <= MAX_SENTENCES
        assert [line for line in lines if line.endswith("[5]")]

    async def test_keeps_the_order_of_sources_and_of_sentences(self) -> None:
        lines = await answer("soup", "A soup. Soup it is.", "Soups. Good soup.", headings=("A", "B"))
        numbers = [int(line[-2]) for line in lines]
        assert numbers == sorted(numbers)
        assert lines[0].startswith("A soup.")

    async def test_prefers_an_opening_where_two_sentences_cover_as_much(self) -> None:
        assert (await answer("tea", "Tea is a drink. Some like tea. More tea."))[0] == "Tea is a drink. [1]"

    async def test_without_a_match_quotes_the_openings(self) -> None:
        lines = await answer("quasar", PHO, CAKE)
        assert lines == ["Pho is a noodle soup from Vietnam. [1]", "Cake is baked from flour and sugar. [2]"]

    async def test_without_a_topic_quotes_the_openings(self) -> None:
        assert await answer("what is it?", PHO) == ["Pho is a noodle soup from Vietnam. [1]"]

    async def test_needs_a_text(self) -> None:
        for texts in ((), ("",), ("  \n ",)):
            with pytest.raises(AnswerInterrupted, match="no text to quote"):
                await answer("soup", *texts, headings=("Name",) * len(texts))

    @pytest.mark.parametrize("attack", HOSTILE)
    async def test_of_hostile_sources_has_one_line_a_quote(self, attack: str) -> None:
        text = HOSTILE[attack].encode("utf-8", "replace").decode()
        if text.strip():
            lines = await answer("noodle soup", f"Soup. {text}", headings=("Soup",))
            assert all(line.endswith("[1]") for line in lines)

    async def test_leaves_the_event_loop_free_while_it_chooses(self) -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await answer("noodle soup", PHO, RAMEN, CAKE)
        ticking.cancel()
        assert ticks > 1

    async def test_is_always_possible(self) -> None:
        answerer = ExtractiveAnswerer(evidence)
        assert await answerer.check() == Availability(ok=True)
        assert answerer.name == "extractive"
        await answerer.aclose()
        await answerer.aclose()


class TestSentences:
    @pytest.mark.parametrize(
        ("text", "sentences"),
        [
            ("", []),
            (" \n\n ", []),
            ("One", ["One"]),
            ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
            ("One.\nTwo\n\n- Three", ["One.", "Two", "- Three"]),
            ('He said "Yes." Then (no.) It’s “so.” End.', ['He said "Yes."', "Then (no.)", "It’s “so.”", "End."]),
            ("Soup. 5 herbs. “Quoted.” (In brackets.)", ["Soup.", "5 herbs.", "“Quoted.”", "(In brackets.)"]),
            ("Été. Île flottante. Ñoquis. Ω", ["Été.", "Île flottante.", "Ñoquis.", "Ω"]),
            ("It is 1.5 cm. wide.", ["It is 1.5 cm. wide."]),
            (
                "Made by St. John, e.g. Rice, in the U.S. Army. Next.",
                ["Made by St. John, e.g. Rice, in the U.S. Army.", "Next."],
            ),
            ("拉面。好吃", ["拉面。好吃"]),
            ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ],
    )
    def test_end_at_marks_and_lines(self, text: str, sentences: list[str]) -> None:
        assert sentences_of(text) == sentences

    def test_that_are_too_long_are_cut_at_a_word(self) -> None:
        [sentence] = sentences_of("noodle " * 1000)
        assert len(sentence) <= 402
        assert sentence.endswith("noodle …")

    def test_without_a_word_are_cut_too(self) -> None:
        [sentence] = sentences_of("x" * 10_000)
        assert sentence == "x" * 400 + " …"

    @pytest.mark.timeout(10)
    @pytest.mark.parametrize("piece", [".", " ", "\n", " \n", ". A", '."', ".) ", "…", "a. ", "A"])
    def test_are_found_in_linear_time(self, piece: str) -> None:
        sentences_of(piece * 100_000)
