from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import HOSTILE
from tui.embed.words import FUNCTION_WORDS, STOP_WORDS, fold, split_words, stem


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Pho", "pho"),
        ("Crème brûlée", "creme brulee"),
        ("PHỞ BÒ", "pho bo"),
        ("Smørrebrød", "smorrebrod"),
        ("Łódź", "lodz"),
        ("Straße, STRASSE", "strasse, strasse"),
        ("İstanbul ırmak", "istanbul irmak"),
        ("Œufs à la cæsar", "oeufs a la caesar"),
        ("Poʻi", "poi"),
        ("e\u0301clair", "eclair"),
        ("Lady’s ʼn ‘roll’ `x`", "lady's 'n 'roll' 'x'"),
        ("ＲＡＭＥＮ ﾗｰﾒﾝ", "ramen ラーメン"),
        ("Cola™ 20℃", "colatm 20°c"),
        ("がぎぐ", "がぎぐ"),
        ("비빔밥", "비빔밥"),
        ("Ψωμί, Щи, борщ й", "ψωμι, щи, борщ и"),
        ("שָׁלוֹם مَرْحَبًا", "שלום مرحبا"),
        ("½ x²", "1⁄2 x2"),
    ],
)
def test_folding_leaves_out_what_people_leave_out(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folded_words_stay_as_they_are(text: str) -> None:
    assert [fold(word) for word in split_words(text)] == split_words(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t.,!?", []),
        ("Pho, ramen & udon", ["pho", "ramen", "udon"]),
        ("black-eyed peas/beans", ["black", "eyed", "peas", "beans"]),
        ("lady's fingers, chef’s knife", ["lady", "fingers", "chef", "knife"]),
        ("it's the '90s", ["it", "the", "90s"]),
        ("don't l’oignon rock'n'roll", ["don", "t", "l", "oignon", "rock", "n", "roll"]),
        ("100g of 7up at 1.5 %", ["100g", "of", "7up", "at", "1", "5"]),
        ("snake_case", ["snake", "case"]),
        ("拉面 and 寿司, ラーメン", ["拉面", "and", "寿司", "ラーメン"]),
        ("🍜 soup 🍣🍣", ["soup"]),
        ("👩\u200d🍳 cooks", ["cooks"]),
    ],
)
def test_words_come_in_order(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_text_becomes_plain_words(attack: str) -> None:
    for word in split_words(HOSTILE[attack]):
        assert word
        assert word == fold(word)


@pytest.mark.parametrize(
    ("words", "stems"),
    [
        ("noodle noodles", {"noodl"}),
        ("fry fried fries", {"fri"}),
        ("grilled grilling grills", {"grill"}),
        ("spicy", {"spici"}),
        ("berries berry", {"berri"}),
        ("拉面", {"拉面"}),
        ("7up", {"7up"}),
    ],
)
def test_stems_are_those_of_porter2(words: str, stems: set[str]) -> None:
    assert {stem(word) for word in words.split()} == stems


def test_stemming_from_many_threads_gives_the_same() -> None:
    words = [f"noodling{number}s" for number in range(500)] + ["cooking", "cooked"] * 100
    stem.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(stem, words))
    stem.cache_clear()
    assert found == [stem(word) for word in words]


def test_stop_words_are_folded_single_words() -> None:
    assert FUNCTION_WORDS < STOP_WORDS
    for word in STOP_WORDS:
        assert split_words(word) == [word]
