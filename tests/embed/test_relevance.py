"""Evidence and relevance: what they measure, and that nothing makes them slow, infinite or wrong-footed."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.embed.embed_parts import builtin, evidence, frequencies_of, nothing_known, relevance
from tests.hostile import HOSTILE
from tui.core.limits import MAX_SPARSE_VALUES
from tui.embed.bm25 import term_index
from tui.embed.calibration import CURVE, GATE, SIMILARITY_SHARE, WEIGHT_OF_ABSENT, WEIGHT_OF_BEYOND, WEIGHT_OF_PLAIN
from tui.embed.evidence import Evidence
from tui.embed.lexicon import INSIDE, SAME, Lexicon, food_lexicon
from tui.embed.relevance import Relevance
from tui.embed.vocabulary import _MAX_CHARACTERS, Vocabulary
from tui.embed.words import stem

PHO = "Pho is a Vietnamese noodle soup with beef broth."
CAKE = "Cake is a sweet dessert of flour, sugar and eggs."
WORDS = ["soup", "noodles", "beef", "dessert", "asian", "price", "how many", "loudish", "eggplant", "the", "🍜"]


def cover(question: str, *texts: str) -> list[list[float]]:
    found = evidence().cover(evidence().read(question, nothing_known), texts)
    return [[float(value) for value in row] for row in found]


def judged(question: str, text: str, similarity: float) -> float:
    [judgement] = relevance().judge(question, [text], np.array([similarity]), nothing_known)
    return judgement.relevance


class TestCover:
    def test_is_one_for_the_very_words(self) -> None:
        assert cover("noodle soups", PHO) == [[1.0, 1.0]]

    def test_is_less_for_what_stands_for_them(self) -> None:
        assert cover("asia", PHO) == [[INSIDE]]
        assert cover("eggplant", "Grilled aubergines.") == [[SAME]]

    def test_of_a_phrase_needs_all_its_words(self) -> None:
        known = cover("eggplant", "Baba ghanoush of baby marrow.", "A baby eats.", "marrow of a bone")
        assert max(map(max, known)) < SAME
        [[whole], [half]] = cover("zucchini", "Baby marrow with rice.", "Marrow with rice.")
        assert whole == SAME
        assert half < SAME

    def test_of_what_no_description_tells_is_nothing(self) -> None:
        assert cover("price", "The price of pho.") == [[0.0]]

    def test_of_another_thing_is_little(self) -> None:
        [[found]] = cover("bicycle", PHO)
        assert found < 0.3

    def test_has_a_row_a_text_and_a_column_a_concept(self) -> None:
        question = evidence().read("noodle soup from Peru", nothing_known)
        assert evidence().cover(question, [PHO, "", CAKE, "the of"]).shape == (4, 3)
        assert not evidence().cover(question, ["", "the of", "🍜"]).any()
        assert evidence().cover(question, []).shape == (0, 3)
        assert evidence().cover(evidence().read("", nothing_known), [PHO, CAKE]).shape == (2, 0)

    def test_of_many_texts_is_that_of_each(self) -> None:
        texts = [f"{PHO if number % 3 else CAKE} Number{number}." for number in range(200)]
        together = cover("noodle soup or dessert", *texts)
        assert together == [cover("noodle soup or dessert", text)[0] for text in texts]

    @given(st.lists(st.sampled_from(WORDS), max_size=6), st.lists(st.sampled_from([*WORDS, PHO, CAKE]), max_size=6))
    def test_lies_between_zero_and_one(self, question: list[str], text: list[str]) -> None:
        for row in cover(" ".join(question), " ".join(text)):
            assert all(0.0 <= value <= 1.0 for value in row)

    def test_more_text_never_covers_less(self) -> None:
        [before] = cover("asian noodle soup with eggplant", PHO)
        [after] = cover("asian noodle soup with eggplant", PHO + " " + CAKE + " Aubergine.")
        assert all(more >= less for less, more in zip(before, after, strict=True))


class TestWeights:
    TEXTS = (PHO, "Ramen is a noodle soup.", "Borscht is a soup.", CAKE)

    def weights(self, question: str) -> list[float]:
        return [float(value) for value in evidence().read(question, frequencies_of(self.TEXTS)).weights]

    def test_are_the_root_of_the_idf(self) -> None:
        assert self.weights("noodle") == pytest.approx([math.sqrt(math.log((4 - 2 + 0.5) / (2 + 0.5) + 1))])

    def test_are_higher_for_rarer_words(self) -> None:
        soup, noodle = self.weights("soup noodle")
        assert noodle > soup

    def test_are_doubled_for_a_named_thing_that_no_record_has(self) -> None:
        idf_of_none = math.sqrt(math.log((4 + 0.5) / 0.5 + 1))
        assert self.weights("eggplant") == pytest.approx([idf_of_none * WEIGHT_OF_ABSENT])
        assert self.weights("loudish") == pytest.approx([idf_of_none * WEIGHT_OF_PLAIN])
        assert self.weights("price") == pytest.approx([idf_of_none * WEIGHT_OF_BEYOND])

    def test_are_finite_where_nothing_is_known_of_the_records(self) -> None:
        assert np.isfinite(evidence().read("noodle soup", nothing_known).weights).all()
        inconsistent = evidence().read("noodle soup", lambda indices: (dict.fromkeys(indices, 50), 3))
        assert np.isfinite(inconsistent.weights).all()


class TestRelevance:
    def test_follows_its_formula(self) -> None:
        # Both words are there: coverage 1.
        evidence = SIMILARITY_SHARE * 0.5 + (1 - SIMILARITY_SHARE)
        assert judged("noodle soup", PHO, 0.5) == pytest.approx(1 - (1 - evidence) ** CURVE, abs=1e-5)

    def test_of_an_answer_passes_the_gate_and_of_another_thing_does_not(self) -> None:
        assert judged("noodle soup", PHO, 0.5) > GATE > judged("noodle soup", CAKE, 0.1)

    def test_is_full_at_most(self) -> None:
        assert judged("noodle soup", PHO, 1.0) == 1.0
        assert judged("bicycle", "", -1.0) == 0.0

    def test_is_less_where_the_question_asks_for_what_no_text_tells(self) -> None:
        assert judged("What does noodle soup cost?", PHO, 0.5) < judged("noodle soup", PHO, 0.5)

    @given(st.floats(-1, 1), st.floats(-1, 1), st.sampled_from(["", "noodle soup", "price of soup", "loudish"]))
    def test_grows_with_similarity(self, one: float, other: float, question: str) -> None:
        low, high = sorted((one, other))
        assert 0.0 <= judged(question, PHO, low) <= judged(question, PHO, high) <= 1.0

    def test_grows_with_coverage(self) -> None:
        texts = [CAKE, "A soup.", PHO]
        found = relevance().judge("noodle soup with beef", texts, np.full(3, 0.3), nothing_known)
        assert [each.coverage for each in found] == sorted(each.coverage for each in found)
        assert [each.relevance for each in found] == sorted(each.relevance for each in found)

    def test_of_a_question_without_a_topic_is_finite(self) -> None:
        for question in ("", "what is it?", "🍜"):
            [judgement] = relevance().judge(question, [PHO], np.array([0.5]), nothing_known)
            assert judgement.coverage == 0.0
            assert math.isfinite(judgement.relevance)

    def test_of_no_texts_is_none(self) -> None:
        assert relevance().judge("soup", [], np.zeros(0), nothing_known) == []

    @pytest.mark.parametrize("attack", HOSTILE)
    def test_of_hostile_texts_and_questions_is_finite(self, attack: str) -> None:
        text = HOSTILE[attack].encode("utf-8", "replace").decode()
        for question, record in ((text, PHO), ("noodle soup", text), (text, text)):
            assert 0.0 <= judged(question, record, 0.2) <= 1.0

    @pytest.mark.timeout(10)
    def test_of_a_megabyte_is_bounded(self) -> None:
        lots = " ".join(f"word{number}" for number in range(120_000))
        for question, record in (("noodle soup", lots), (lots, PHO), (lots, lots), ("x" * 10**6, "y" * 10**6)):
            assert 0.0 <= judged(question, record, 0.2) <= 1.0

    def test_can_be_judged_from_several_threads(self) -> None:
        fresh = Relevance(Evidence(builtin(), food_lexicon()))
        texts = [f"{PHO} Number{number}." for number in range(50)]
        similarities = np.full(50, 0.3)

        def judge(number: int) -> list[float]:
            question = f"noodle soup with beef number{number}"
            return [each.relevance for each in fresh.judge(question, texts, similarities, nothing_known)]

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(judge, range(16)))
        assert found == [judge(number) for number in range(16)]


class TestWidening:
    def test_looks_for_the_words_first_and_for_their_kin_with_less_weight(self) -> None:
        vector = relevance().widen("eggplant")
        weights = dict(zip(vector.indices, vector.values, strict=True))
        assert weights[term_index(stem("eggplant"))] == 1.0
        assert 0 < weights[term_index(stem("aubergine"))] < 0.5
        assert list(vector.indices) == sorted(weights)

    def test_of_nothing_is_nothing(self) -> None:
        assert list(relevance().widen("what is it?").indices) == []

    def test_is_bounded(self) -> None:
        areas = "asia africa europe oceania north america south america vegetables fruit meat fish dessert soup"
        vector = relevance().widen(areas + " " + " ".join(f"food{number}" for number in range(500)))
        assert len(vector.indices) <= MAX_SPARSE_VALUES
        assert max(vector.values) == 1.0


class TestTheVocabulary:
    def test_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Vocabulary, "WORDS", 100)
        monkeypatch.setattr(Vocabulary, "TEXTS", 50)
        vocabulary = Vocabulary(builtin())
        for number in range(300):
            [bag] = vocabulary.bags([f"soup{number} noodle{number} pho"])
            assert len(bag) == 3
            assert len(vocabulary._numbers) <= 103
            assert len(vocabulary._bags) <= 51

    def test_looks_at_the_beginning_of_a_megabyte(self) -> None:
        [bag] = Vocabulary(builtin()).bags([" ".join(f"w{number:05}" for number in range(150_000))])
        assert len(bag) <= _MAX_CHARACTERS / 7 + 1

    def test_vectors_and_stems_are_those_of_the_words(self) -> None:
        vocabulary = Vocabulary(builtin())
        [first] = vocabulary.bags(["noodles with soup"])
        [second] = vocabulary.bags(["soups of noodles, noodle, pho"])
        assert len(set(map(int, first)) & set(map(int, second))) == 1
        assert len(vocabulary.numbers_of(stem("noodles"))) == 2
        [pho] = vocabulary.numbers_of("pho")
        np.testing.assert_array_equal(vocabulary.vectors(np.array([pho], np.int32)), builtin().embed_words(["pho"]))
        assert list(vocabulary.numbers_of("nowhere")) == []


def test_an_empty_lexicon_leaves_words_and_meaning() -> None:
    bare = Evidence(builtin(), Lexicon({}))
    found = bare.cover(bare.read("noodle soups", nothing_known), [PHO])
    assert found.tolist() == [[1.0, 1.0]]
