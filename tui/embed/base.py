"""The contracts of embedders. Both are synchronous and may be called from any one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tui.core.records import SparseVector


class Embedder(Protocol):
    """Text to dense vectors."""

    @property
    def name(self) -> str:
        """The model's name and version, remembered with an index so that a later mismatch is detected."""
        ...

    @property
    def dimension(self) -> int:
        """How many coordinates a vector has."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns unit vectors of shape (len(texts), dimension), float32; a text without known tokens is all zeros."""
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Returns one unit vector of shape (dimension,), float32."""
        ...


class SparseEmbedder(Protocol):
    """Text to sparse vectors."""

    @property
    def name(self) -> str:
        """As `Embedder.name`."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Returns term weights per text, indices ascending and unique."""
        ...

    def embed_query(self, text: str) -> SparseVector:
        """Returns the query's term weights, indices ascending and unique."""
        ...
