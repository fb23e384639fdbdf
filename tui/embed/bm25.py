"""BM25 as a sparse embedder: term weights at write time, IDF at query time, as Upstash's own BM25 model does it.

The score of a document is the inner product of the two vectors with the engine's IDF weighting. Because the average
length is a constant, a document's vector never depends on its neighbours.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from tui.core.limits import MAX_SPARSE_VALUES
from tui.core.records import SparseVector
from tui.embed.words import FUNCTION_WORDS, STOP_WORDS, split_words, stem

# Parameters of Upstash's BM25 model: docs of Upstash Vector, "Sparse indexes", read 2026-08-21.
K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 32.0


@lru_cache(maxsize=65_536)
def term_index(term: str) -> int:
    """Returns the coordinate of a stemmed term: the low 31 bits of its CRC-32, so that it fits an int32."""
    return zlib.crc32(term.encode()) & 0x7FFFFFFF


@lru_cache(maxsize=65_536)
def _document_index(word: str) -> int:
    """The coordinate of a folded word, -1 for words that carry no topic."""
    return -1 if word in FUNCTION_WORDS else term_index(stem(word))


class Bm25Embedder:
    """English BM25: folded words, stop words removed, Porter2 stems, hashed to 31 bits."""

    name = "BM25"

    def embed_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Returns the BM25 weights of each text's terms, of the most frequent ones where there are too many."""
        return [self._document(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        """Returns weight 1 for each distinct term, the first `MAX_SPARSE_VALUES` of them.

        Words that only wrap a question are left out, unless nothing else is there.
        """
        words = split_words(text)
        topical = [word for word in words if word not in STOP_WORDS] or [w for w in words if w not in FUNCTION_WORDS]
        distinct = dict.fromkeys(term_index(stem(word)) for word in topical)
        indices = sorted(islice(distinct, MAX_SPARSE_VALUES))
        return SparseVector(indices, [1.0] * len(indices))

    def _document(self, text: str) -> SparseVector:
        """Weighs each term ``tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / AVERAGE_LENGTH))``."""
        counts = Counter(map(_document_index, split_words(text)))
        counts.pop(-1, None)
        length = counts.total()
        kept = counts.most_common(MAX_SPARSE_VALUES) if len(counts) > MAX_SPARSE_VALUES else counts.items()
        normaliser = K1 * (1 - B + B * length / AVERAGE_LENGTH)
        weights = sorted((index, count * (K1 + 1) / (count + normaliser)) for index, count in kept)
        return SparseVector([index for index, _ in weights], [weight for _, weight in weights])
