from __future__ import annotations

from pathlib import Path

import pytest

from tui.embed import lexicon as module
from tui.embed.lexicon import AROUND, INSIDE, KIND, MISSPELT, SAME, Lexicon, food_lexicon, term_of
from tui.embed.words import stem

FOLDER = Path(module.__file__).parent


def lines_of(name: str) -> list[tuple[int, str]]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def strength(asked: str, found: str) -> float | None:
    return food_lexicon().related(term_of(asked)).get(term_of(found))


class TestTheFiles:
    def test_every_line_of_places_has_a_name_and_three_lists(self) -> None:
        for number, line in lines_of("places.txt"):
            fields = [field.strip() for field in line.split("|")]
            assert len(fields) == 4, number
            assert term_of(fields[0]), number
            assert all(term_of(item) for field in fields[1:] for item in field.split(",") if field), number

    def test_every_larger_area_has_a_line_of_its_own(self) -> None:
        rows = [[field.strip() for field in line.split("|")] for _, line in lines_of("places.txt")]
        names = [row[0] for row in rows]
        assert len(set(names)) == len(names)
        areas = {area.strip() for row in rows for area in row[3].split(",") if area.strip()}
        assert areas <= set(names)

    def test_every_line_of_culinary_is_of_one_of_two_kinds(self) -> None:
        for number, line in lines_of("culinary.txt"):
            sign, _, rest = line.partition(" ")
            assert sign in ("=", ">"), number
            if sign == ">":
                broad, colon, rest = rest.partition(":")
                assert (colon, bool(term_of(broad))) == (":", True), number
            items = rest.split(",")
            assert len(items) >= (2 if sign == "=" else 1), number
            assert all(map(term_of, items)), number

    @pytest.mark.parametrize("name", ["places.txt", "culinary.txt", "beyond.txt"])
    def test_are_plain_and_say_what_they_are(self, name: str) -> None:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert text.startswith("#")
        assert text.isprintable() or set(text) - set("\n") == {char for char in text if char.isprintable()}

    def test_nothing_is_both_beyond_food_and_a_word_for_something(self) -> None:
        known = food_lexicon()
        for _, line in lines_of("beyond.txt"):
            for item in line.split(","):
                if term := term_of(item):
                    assert known.is_beyond(term) != bool(known.related(term))


class TestStrengths:
    @pytest.mark.parametrize(
        ("asked", "found", "there", "back"),
        [
            ("eggplant", "aubergine", SAME, SAME),
            ("okra", "lady's fingers", SAME, SAME),
            ("japan", "japanese", SAME, SAME),
            ("meat", "beef", KIND, None),
            ("seafood", "shrimp", KIND, None),
            ("seafood", "prawns", KIND, None),
            ("pasta", "spaghetti", KIND, None),
            ("japan", "tokyo", INSIDE, INSIDE),
            ("asia", "japan", INSIDE, AROUND),
            ("asian", "vietnamese", INSIDE, AROUND),
            ("asia", "tokyo", INSIDE, AROUND),
            ("european", "italy", INSIDE, AROUND),
            ("beef", "spaghetti", None, None),
            ("japan", "vietnam", None, None),
        ],
    )
    def test_of_one_term_for_another_and_back(
        self, asked: str, found: str, there: float | None, back: float | None
    ) -> None:
        assert (strength(asked, found), strength(found, asked)) == (there, back)

    def test_lie_between_zero_and_one_and_no_term_stands_for_itself(self) -> None:
        known = food_lexicon()
        for term in known._named:
            for other, value in known.related(term).items():
                assert 0 < value < 1
                assert other != term

    def test_of_an_unknown_term_are_none(self) -> None:
        assert food_lexicon().related(term_of("quasar")) == {}
        assert not food_lexicon().names(term_of("quasar"))

    def test_phrases_are_compared_by_stems(self) -> None:
        assert term_of("Grilled meats") == term_of("grilled  meat")


class TestMisspelling:
    @pytest.mark.parametrize(
        ("misspelt", "meant"),
        [
            ("spagheti", "spaghetti"),
            ("noodels", "noodles"),
            ("tokio", "tokyo"),
            ("brocoli", "broccoli"),
            ("vegatable", "vegetable"),
        ],
    )
    def test_one_slip_is_understood(self, misspelt: str, meant: str) -> None:
        assert food_lexicon().spelling_of(stem(misspelt)) == term_of(meant)

    @pytest.mark.parametrize("word", ["soop", "phoo", "xqzwvk", "12345", "拉面拉面拉", "atofu", "", "x" * 100_000])
    def test_short_foreign_and_endless_words_are_left_alone(self, word: str) -> None:
        assert food_lexicon().spelling_of(word) is None

    def test_the_first_letter_is_never_mistaken(self) -> None:
        known = Lexicon({("bread",): {}})
        assert known.spelling_of("bredd") == ("bread",)
        assert known.spelling_of("dread") is None

    def test_no_single_word_of_the_files_is_too_long_to_be_meant(self) -> None:
        longest = max(len(word) for term in food_lexicon()._named for word in term)
        assert longest <= module._LONGEST_MISSPELT


class TestBeyond:
    @pytest.mark.parametrize("term", ["how many", "price", "restaurant", "restaurants", "gordon ramsay"])
    def test_what_no_description_of_food_tells(self, term: str) -> None:
        assert food_lexicon().is_beyond(term_of(term))

    @pytest.mark.parametrize("term", ["pho", "stock", "japan", "many"])
    def test_and_what_one_does(self, term: str) -> None:
        assert not food_lexicon().is_beyond(term_of(term))


def test_an_empty_lexicon_knows_nothing() -> None:
    empty = Lexicon({})
    assert empty.longest == 1
    assert ("pho",) not in empty
    assert empty.spelling_of("noodles") is None


def test_it_is_read_once() -> None:
    assert food_lexicon() is food_lexicon()
    assert MISSPELT < SAME
