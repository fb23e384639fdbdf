from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import HOSTILE
from tui.embed.concepts import MAX_CONCEPTS, Concept, concepts_of
from tui.embed.lexicon import MISSPELT, SAME, food_lexicon, term_of


def read(question: str) -> tuple[Concept, ...]:
    return concepts_of(question, food_lexicon())


def words_of(question: str) -> list[str]:
    return [" ".join(concept.words) for concept in read(question)]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Which soups come with noodles?", ["soups", "noodles"]),
        ("Can you recommend a traditional dish from Peru?", ["peru"]),
        ("sweet potato or potato?", ["sweet potato", "potato"]),
        ("food from South East Asia", ["south east asia"]),
        ("soup, soups and more soup", ["soup"]),
        ("How much does pho cost?", ["how much", "pho", "cost"]),
        ("a traditional dish", ["traditional", "dish"]),
        ("what is it?", []),
        ("", []),
        ("🍜?!", []),
    ],
)
def test_a_question_is_taken_apart_into_what_it_is_about(question: str, words: list[str]) -> None:
    assert words_of(question) == words


def test_a_concept_has_its_own_term_at_full_strength_and_others_below() -> None:
    [concept] = read("aubergines")
    assert concept.own == term_of("aubergine")
    assert concept.terms[concept.own] == 1.0
    assert concept.terms[term_of("eggplant")] == SAME
    assert concept.named
    assert not concept.beyond


def test_a_misspelt_word_stands_for_what_was_meant_with_less_strength() -> None:
    [misspelt] = read("spagheti")
    assert misspelt.terms[term_of("spagheti")] == 1.0
    assert misspelt.terms[term_of("spaghetti")] == MISSPELT
    assert misspelt.named


def test_a_word_of_no_file_is_colour() -> None:
    [concept] = read("loudish")
    assert (concept.named, concept.beyond, dict(concept.terms)) == (False, False, {term_of("loudish"): 1.0})


def test_what_no_description_tells_is_marked() -> None:
    assert [concept.beyond for concept in read("How much does pho cost?")] == [True, False, True]


def test_a_long_text_is_read_as_far_as_it_helps() -> None:
    assert len(read(" ".join(f"food{number}" for number in range(10_000)))) == MAX_CONCEPTS
    assert words_of("pho " * 100_000) == ["pho"]


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_questions_are_read(attack: str) -> None:
    for concept in read(HOSTILE[attack]):
        assert concept.words
        assert concept.terms[concept.own] == 1.0


@given(
    st.lists(
        st.sampled_from(["asian", "soup", "with", "noodels", "how", "much", "gluten", "free", "🍜", "x"]), max_size=12
    )
)
def test_every_strength_is_from_above_zero_to_one(words: list[str]) -> None:
    concepts = read(" ".join(words))
    assert len({concept.own for concept in concepts}) == len(concepts)
    for concept in concepts:
        assert all(0 < value <= 1 for value in concept.terms.values())
