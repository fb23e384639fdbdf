from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import HOSTILE
from tui.core.limits import MAX_SPARSE_VALUES
from tui.core.records import SparseVector
from tui.embed.bm25 import Bm25Embedder, term_index
from tui.embed.words import stem

EMBEDDER = Bm25Embedder()


def weights_of(vector: SparseVector) -> dict[int, float]:
    return dict(zip(vector.indices, vector.values, strict=True))


def coordinate(word: str) -> int:
    return term_index(stem(word))


class TestADocument:
    def test_weighs_terms_by_the_formula(self) -> None:
        # Four words that count: length 4 of an average of 32, K1 1.2, B 0.75: 1.2 * (0.25 + 0.75 * 4 / 32) = 0.4125.
        [vector] = EMBEDDER.embed_documents(["Soup with noodles, and more soup: pho."])
        assert weights_of(vector) == pytest.approx(
            {
                coordinate("soup"): 2 * 2.2 / (2 + 0.4125),
                coordinate("noodle"): 2.2 / 1.4125,
                coordinate("pho"): 2.2 / 1.4125,
            }
        )

    def test_of_average_length_weighs_one_for_a_single_word(self) -> None:
        [vector] = EMBEDDER.embed_documents([" ".join(f"food{number}" for number in range(32))])
        assert vector.values == pytest.approx([1.0] * 32)

    def test_counts_words_of_one_stem_together(self) -> None:
        one, other = EMBEDDER.embed_documents(["fried frying fry", "fri fri fry"])
        assert one == other

    def test_never_depends_on_its_neighbours(self) -> None:
        texts = ["pho soup", "", "ramen soup", "pho soup"]
        assert EMBEDDER.embed_documents(texts) == [EMBEDDER.embed_documents([text])[0] for text in texts]

    def test_without_topical_words_is_empty(self) -> None:
        assert EMBEDDER.embed_documents(["", "the and of", "🍜 !?"]) == [SparseVector([], [])] * 3

    def test_keeps_its_most_frequent_terms_when_there_are_too_many(self) -> None:
        rare = [f"rare{number}" for number in range(MAX_SPARSE_VALUES + 500)]
        [vector] = EMBEDDER.embed_documents([" ".join([*rare, "pho", "pho", "soup", "soup"])])
        assert len(vector.indices) == MAX_SPARSE_VALUES
        assert {coordinate("pho"), coordinate("soup")} <= set(vector.indices)

    @given(st.lists(st.sampled_from(["soup", "noodle", "pho", "the", "é", "🍜", "拉面"]) | st.text(max_size=8)))
    def test_has_ascending_coordinates_that_fit_an_int32(self, words: list[str]) -> None:
        [vector] = EMBEDDER.embed_documents([" ".join(words)])
        assert list(vector.indices) == sorted(set(vector.indices))
        assert all(0 <= index < 2**31 for index in vector.indices)
        assert all(0 < value < 2.2 for value in vector.values)

    @pytest.mark.parametrize("attack", HOSTILE)
    def test_may_be_hostile(self, attack: str) -> None:
        [vector] = EMBEDDER.embed_documents([HOSTILE[attack].encode("utf-8", "replace").decode()])
        assert len(vector.indices) == len(vector.values)


class TestAQuery:
    def test_weighs_each_topical_term_once(self) -> None:
        vector = EMBEDDER.embed_query("Which soups come with noodles, and noodles, please?")
        assert weights_of(vector) == {coordinate("soup"): 1.0, coordinate("noodle"): 1.0}

    def test_leaves_out_what_only_wraps_a_question(self) -> None:
        assert EMBEDDER.embed_query("Can you recommend a traditional dish from Peru?") == EMBEDDER.embed_query("Peru")

    def test_keeps_the_wrapping_when_nothing_else_is_there(self) -> None:
        assert set(EMBEDDER.embed_query("a traditional dish").indices) == {
            coordinate("traditional"),
            coordinate("dish"),
        }

    def test_without_topical_words_is_empty(self) -> None:
        assert EMBEDDER.embed_query("what is it?") == SparseVector([], [])

    def test_keeps_the_first_terms_when_there_are_too_many(self) -> None:
        words = [f"food{number}" for number in range(MAX_SPARSE_VALUES + 500)]
        vector = EMBEDDER.embed_query(" ".join(words))
        assert list(vector.indices) == sorted(map(coordinate, words[:MAX_SPARSE_VALUES]))

    def test_finds_by_inner_product_what_shares_words(self) -> None:
        query = weights_of(EMBEDDER.embed_query("noodle soup"))
        scores = [
            sum(query.get(index, 0.0) * value for index, value in weights_of(vector).items())
            for vector in EMBEDDER.embed_documents(["Noodles in a soup.", "A soup of lentils.", "A cake."])
        ]
        assert scores[0] > scores[1] > scores[2] == 0.0


def test_a_term_is_hashed_to_31_bits() -> None:
    assert term_index("pho") == zlib.crc32(b"pho") & 0x7FFFFFFF
