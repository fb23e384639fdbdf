"""A real embedded index over real embedders, and foods to fill it with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.embed.base import Embedder, SparseEmbedder
from tui.index.embedded import EmbeddedIndex


def load_dense() -> Embedder:
    from tui.embed.builtin import BuiltinEmbedder

    return BuiltinEmbedder()


def load_sparse() -> SparseEmbedder:
    from tui.embed.bm25 import Bm25Embedder

    return Bm25Embedder()


def load_relevance() -> Any:
    from tui.embed.builtin import BuiltinEmbedder
    from tui.embed.evidence import Evidence
    from tui.embed.lexicon import food_lexicon
    from tui.embed.relevance import Relevance

    return Relevance(Evidence(BuiltinEmbedder(), food_lexicon()))


def open_index(
    path: Path, *, namespace: str = "", checkpoint: Checkpoint = no_checkpoint, dense: Any = load_dense
) -> EmbeddedIndex:
    return EmbeddedIndex(
        path, namespace=namespace, dense=dense, sparse=load_sparse, relevance=load_relevance, checkpoint=checkpoint
    )


DISHES = ("soup", "stew", "salad", "bread", "curry", "cake", "dumpling", "noodle", "rice", "pancake")
PLACES = ("Peru", "Ghana", "Japan", "Norway", "Mexico", "Samoa", "India")


def food_rows(count: int, *, version: int = 1, start: int = 0) -> list[dict[str, Any]]:
    """Rows of a foods file; `version` changes every text."""
    return [
        {
            "id": f"food-{number}",
            "name": f"Dish {number}",
            "text": f"Dish {number} is a {DISHES[number % 10]} with token{number}, made the way of year {version}.",
            "region": PLACES[number % 7],
            "type": DISHES[number % 10].title(),
        }
        for number in range(start, start + count)
    ]


def write_foods(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path
