"""Two rankings become one, as Upstash fuses the dense and the sparse side of a hybrid query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui.engine import scoring
from tui.engine.records import Fusion
from tui.engine.scoring import Found

RANK_CONSTANT = 60
"""What RRF adds to a rank that starts at 0 (reproduces the scores in the tests of upstash/vector-js, 2026-03)."""

DEVIATIONS = 3
"""DBSF maps the mean minus and plus so many sample standard deviations to 0 and 1 (same source)."""


def fuse(fusion: Fusion, components: list[Found], k: int) -> Found:
    """Returns the `k` best slots by the sum of their scores in each component; a slot may be in only some of them.

    Equal sums come in insertion order. Scores are float32.
    """
    weigh = reciprocal_ranks if fusion is Fusion.RRF else distribution_scores
    slots = np.concatenate([found.slots for found in components])
    weights = np.concatenate([weigh(found.scores) for found in components])
    unique, inverse = np.unique(slots, return_inverse=True)
    sums = np.bincount(inverse, weights=weights, minlength=len(unique)).astype(np.float32)
    order = scoring.best(sums, unique, k)
    return Found(unique[order], sums[order])


def reciprocal_ranks(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns ``1 / (rank + 60)`` for scores that are sorted best first; the best has rank 0."""
    return 1.0 / (np.arange(len(scores)) + RANK_CONSTANT)


def distribution_scores(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns ``(s - (m - 3 sd)) / (6 sd)`` with the sample deviation; 0.5 for one score or when all are equal."""
    wide = scores.astype(np.float64)
    if len(wide) < 2 or wide.min() == wide.max():
        return np.full(len(wide), 0.5)
    deviation = wide.std(ddof=1)
    fused: NDArray[np.float64] = (wide - (wide.mean() - DEVIATIONS * deviation)) / (2 * DEVIATIONS * deviation)
    return fused
