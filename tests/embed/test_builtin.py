from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.embed.embed_parts import builtin as embedder_of
from tests.hostile import HOSTILE
from tui.core.errors import ConfigurationError
from tui.embed import builtin
from tui.embed.builtin import DIMENSION, BuiltinEmbedder, WordTable
from tui.embed.words import split_words


def slowly(words: list[str]) -> NDArray[np.float32]:
    """The sum of the token vectors of every word, one by one, from the model's own files."""
    folder = builtin._package_folder()
    vectors = builtin._map_tensor(folder / builtin._WEIGHTS)
    tokenizer = builtin._load_tokenizer(folder / builtin._TOKENIZER)
    total = np.zeros(DIMENSION, np.float32)
    for word in words:
        for token in tokenizer.encode(word, add_special_tokens=False).ids:
            total += vectors[token].astype(np.float32)
    return total


def fresh_table() -> WordTable:
    return embedder_of()._table.__class__(embedder_of()._table._vectors, embedder_of()._table._tokenizer)


class TestVectors:
    def test_are_the_mean_of_token_vectors_at_unit_length(self) -> None:
        text = "Pho is a noodle soup with Thai basil, 100 g of beef and smørrebrød"
        expected = slowly(split_words(text))
        [vector] = embedder_of().embed_documents([text])
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)

    def test_have_unit_length_and_the_right_type(self) -> None:
        vectors = embedder_of().embed_documents(["Pho", "ramen soup", "拉面", "x" * 100])
        assert (vectors.shape, vectors.dtype) == ((4, DIMENSION), np.dtype(np.float32))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)

    def test_are_zero_for_texts_without_words(self) -> None:
        assert not embedder_of().embed_documents(["", " \n", "🍜 !?"]).any()
        assert not embedder_of().embed_query("").any()

    def test_of_nothing_are_none(self) -> None:
        assert embedder_of().embed_documents([]).shape == (0, DIMENSION)
        assert embedder_of().embed_words([]).shape == (0, DIMENSION)

    def test_do_not_depend_on_their_neighbours(self) -> None:
        together = embedder_of().embed_documents(["pho", "cake with cream", "pho"])
        np.testing.assert_array_equal(together[0], embedder_of().embed_documents(["pho"])[0])
        np.testing.assert_array_equal(together[0], together[2])

    def test_of_a_query_ignore_what_wraps_it(self) -> None:
        np.testing.assert_array_equal(
            embedder_of().embed_query("Can you recommend a dish from Peru?"), embedder_of().embed_query("Peru")
        )
        assert embedder_of().embed_query("what is it?").any(), "unless nothing else is there"

    def test_know_what_is_alike(self) -> None:
        soup, broth, bicycle = embedder_of().embed_words(["soup", "broth", "bicycle"])
        assert soup @ broth > 0.2
        assert soup @ bicycle < 0.1

    @pytest.mark.parametrize("attack", HOSTILE)
    def test_of_hostile_texts_are_finite(self, attack: str) -> None:
        text = HOSTILE[attack].encode("utf-8", "replace").decode()
        assert np.isfinite(embedder_of().embed_documents([text])).all()

    @pytest.mark.timeout(10)
    def test_of_huge_words_and_texts_are_bounded(self) -> None:
        huge = ["x" * 1_000_000, "soup " * 200_000, "é" * 300_000]
        vectors = embedder_of().embed_documents(huge)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
        np.testing.assert_allclose(vectors[1], embedder_of().embed_documents(["soup"])[0], atol=1e-3)


class TestTheTable:
    def test_is_bounded_and_right_when_texts_have_more_words_than_it(self) -> None:
        table = fresh_table()
        words = [f"w{number}" for number in range(20_000)]
        sums = table.sums(words)
        assert sums.shape == (20_000, DIMENSION)
        assert len(table._rows) <= WordTable.CAPACITY
        assert len(table._sums) <= WordTable.CAPACITY
        for place in (0, 8191, 8192, 19_999):
            np.testing.assert_array_equal(sums[place], slowly([words[place]]))

    def test_is_right_when_old_and_new_words_together_are_too_many(self) -> None:
        table = fresh_table()
        table.sums([f"a{number}" for number in range(5000)])
        words = [f"a{number}" for number in range(5000)] + [f"b{number}" for number in range(5000)]
        sums = table.sums(words)
        for place in (0, 4999, 5000, 9999):
            np.testing.assert_array_equal(sums[place], slowly([words[place]]))
        assert len(table._rows) <= WordTable.CAPACITY

    def test_is_right_for_exactly_what_it_holds(self) -> None:
        table = fresh_table()
        words = [f"c{number}" for number in range(WordTable.CAPACITY)]
        np.testing.assert_array_equal(table.sums(words)[-1], slowly(words[-1:]))
        np.testing.assert_array_equal(table.sums(["pho"])[0], slowly(["pho"]))

    def test_repeats_words_as_asked(self) -> None:
        sums = fresh_table().sums(["pho", "soup", "pho"])
        np.testing.assert_array_equal(sums[0], sums[2])
        assert (sums[0] != sums[1]).any()

    def test_can_be_used_from_several_threads(self) -> None:
        table = fresh_table()
        lots = [[f"t{(number * step) % 30_000}" for number in range(1500)] for step in range(1, 25)]
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(table.sums, lots))
        expected = fresh_table()
        for words, sums in zip(lots, found, strict=True):
            np.testing.assert_array_equal(sums, expected.sums(words))


class TestItsFiles:
    def test_a_missing_package_is_told_with_its_fix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(builtin, "find_spec", lambda _: None)
        with pytest.raises(ConfigurationError, match="wordllama") as caught:
            BuiltinEmbedder()
        assert "pip install" in caught.value.hint

    def test_missing_files_are_told_with_their_place(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        spec = ModuleSpec("wordllama", None, is_package=True)
        assert spec.submodule_search_locations is not None
        spec.submodule_search_locations.append(str(tmp_path))
        monkeypatch.setattr(builtin, "find_spec", lambda _: spec)
        with pytest.raises(ConfigurationError, match="cannot be read") as caught:
            BuiltinEmbedder()
        assert str(tmp_path) in caught.value.message

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"short",
            b"\xff" * 100,
            b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
            b"\x04\x00\x00\x00\x00\x00\x00\x00null",
            b"\x08\x00\x00\x00\x00\x00\x00\x00not json and more",
        ],
    )
    def test_damaged_weights_are_told(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "weights.safetensors"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="cannot be read"):
            builtin._map_tensor(path)

    @pytest.mark.parametrize("content", ["", "no json", "{}"])
    def test_a_damaged_tokenizer_is_told(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "tokenizer.json"
        path.write_text(content)
        with pytest.raises(ConfigurationError, match="cannot be read"):
            builtin._load_tokenizer(path)

    def test_are_read_without_importing_the_package(self) -> None:
        code = "import sys; from tui.embed.builtin import BuiltinEmbedder as B; B(); print('wordllama' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"
