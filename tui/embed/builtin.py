"""The built-in dense model: 256-d static token vectors, pooled. No download, no server, microseconds a text.

The vectors and the tokenizer come from files inside the installed `wordllama` package (MIT; "l2_supercat", 32,000
tokens of 256 float16). They are read directly: importing the package would cost a third of a second and 60 MB.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

from tui.core.errors import ConfigurationError
from tui.embed.words import STOP_WORDS, split_words

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

DIMENSION: Final = 256
MODEL_NAME: Final = "wordllama-l2-supercat-256"

_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
_TENSOR = "embedding.weight"
_UNKNOWN_TOKEN = 0
_MAX_WORDS = 20_000
"""Longer texts are embedded by their beginning; their tail would hardly move the mean of so many words."""
_MAX_WORD_CHARACTERS = 256
"""Longer words are no words; the time to tokenize one grows faster than its length."""


class BuiltinEmbedder:
    """Mean of the token vectors of a text's words, scaled to unit length.

    The model was trained for mean pooling: the length of a token's vector is its weight, which is why plain averaging
    beats averaging unit vectors. Texts repeat words, so each word is tokenized once and its summed vector kept in a
    bounded table. Raises `ConfigurationError` on construction when the model's files are missing.
    """

    name = MODEL_NAME
    dimension = DIMENSION

    def __init__(self) -> None:
        folder = _package_folder()
        self._table = WordTable(_map_tensor(folder / _WEIGHTS), _load_tokenizer(folder / _TOKENIZER))

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns unit vectors of shape (len(texts), 256); a text without words is all zeros."""
        pooled = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            words = split_words(text)[:_MAX_WORDS]
            if words:
                pooled[row] = self._table.sums(words).sum(axis=0)
        return _unit(pooled)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Returns one unit vector of shape (256,) of the words that carry the question's topic, else of all words."""
        words = split_words(text)
        topical = [word for word in words if word not in STOP_WORDS]
        vector: NDArray[np.float32] = self.embed_documents([" ".join(topical or words)])[0]
        return vector

    def embed_words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Returns unit vectors of folded single words, shape (len(words), 256)."""
        return _unit(self._table.sums(words))


class WordTable:
    """Sums of token vectors per word, kept for the words seen last: at most `CAPACITY` rows of 1 KB.

    Safe to use from several threads: the index embeds on its own thread while an answer is being extracted.
    """

    CAPACITY: Final = 8192

    def __init__(self, vectors: NDArray[np.float16], tokenizer: Tokenizer) -> None:
        self._vectors = vectors
        self._tokenizer = tokenizer
        self._lock = Lock()
        self._rows: dict[str, int] = {}
        self._sums = np.empty((512, DIMENSION), np.float32)

    def sums(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Returns the summed token vectors of each word, shape (len(words), 256)."""
        with self._lock:
            if len(words) <= self.CAPACITY:
                return self._part(words)
            parts = (words[start : start + self.CAPACITY] for start in range(0, len(words), self.CAPACITY))
            return np.concatenate([self._part(part) for part in parts])

    def _part(self, words: Sequence[str]) -> NDArray[np.float32]:
        """The sums of at most `CAPACITY` words, which all fit into the table at once."""
        missing = {word for word in words if word not in self._rows}
        if missing:
            if len(self._rows) + len(missing) > self.CAPACITY:
                self._rows.clear()
                missing = set(words)
            self._add(sorted(missing))
        return self._sums[[self._rows[word] for word in words]]

    def _add(self, words: Sequence[str]) -> None:
        """Tokenizes words that the table has room for and keeps their sums."""
        first = len(self._rows)
        needed = first + len(words)
        if needed > len(self._sums):
            grown = np.empty((min(self.CAPACITY, max(needed, 2 * len(self._sums))), DIMENSION), np.float32)
            grown[:first] = self._sums[:first]
            self._sums = grown
        spelt = [word[:_MAX_WORD_CHARACTERS] for word in words]
        encodings = self._tokenizer.encode_batch(spelt, add_special_tokens=False)
        tokens = [encoding.ids or [_UNKNOWN_TOKEN] for encoding in encodings]
        starts = np.cumsum([0, *map(len, tokens[:-1])])
        flat = np.fromiter(chain.from_iterable(tokens), np.int64)
        self._sums[first:needed] = np.add.reduceat(self._vectors[flat].astype(np.float32), starts, axis=0)
        self._rows.update(zip(words, range(first, needed), strict=True))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales rows to unit length, zero rows stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def _package_folder() -> Path:
    """Where wordllama is installed, found without importing it."""
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The built-in embedding model is not installed (package wordllama).",
            hint="Install ragfood again, for example with: python -m pip install --force-reinstall ragfood",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _map_tensor(path: Path) -> NDArray[np.float16]:
    """Maps the token vectors into memory, shape (32000, 256), reading only the file's header.

    The layout is that of safetensors: a little-endian uint64 header length, a JSON header, then the raw tensors.
    """
    try:
        with path.open("rb") as file:
            header_size = int.from_bytes(file.read(8), "little")
            if header_size > path.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(header_size))
        entry = header[_TENSOR]
        if entry["dtype"] != "F16" or entry["shape"][1] != DIMENSION:
            raise ValueError(f"{entry['dtype']} {entry['shape']}")
        offset = 8 + header_size + entry["data_offsets"][0]
        return np.memmap(path, np.float16, "r", offset, tuple(entry["shape"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path) from error


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise _unreadable(path) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _unreadable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The built-in embedding model cannot be read from {path}.",
        hint="Install it again: python -m pip install --force-reinstall wordllama",
    )
