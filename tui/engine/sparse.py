"""The sparse vectors of one namespace in memory: postings, and the inner product over them.

The main part is sorted by index (a column of the sparse matrix lies in one piece); what was written since lies in a
small unsorted tail, which is merged in when it has grown. Replaced and removed rows stay in the postings and are
skipped, until enough of them have gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tui.engine import scoring
from tui.engine.codec import STORED_FLOAT, STORED_INDEX
from tui.engine.faults import Damage
from tui.engine.records import Weighting
from tui.engine.scoring import Found, Mask

_LOADED_AT_ONCE = 1024
_ENTRY_BYTES = STORED_INDEX.itemsize + STORED_FLOAT.itemsize

_MERGE_MIN = 65_536
"""Tail entries that are never worth a merge (measured 2026-11: scanning them takes 0.1 ms)."""

_MERGE_SHARE = 4
"""The tail is merged when it holds more than one in so many entries."""

Entries = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]
"""Parallel arrays of equal length: index, slot, value."""


class SparseIndex:
    """Sparse vectors by slot. Every record of the namespace counts for IDF, one with an empty vector too."""

    def __init__(self) -> None:
        self._terms = np.empty(0, np.int32)
        self._starts = np.zeros(1, np.int64)
        self._slots = np.empty(0, np.int32)
        self._values = np.empty(0, np.float32)
        self._current = np.empty(0, np.bool_)
        self._tail: list[Entries] = []
        self._tail_size = 0
        self._dead = 0
        self._held = np.empty(0, np.int32)

    @property
    def size(self) -> int:
        """One more than the highest slot ever held."""
        return len(self._held)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._held >= 0))

    def load(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Fills an empty index from (slot, stored sparse vector), a piece at a time to keep memory flat."""
        waiting = iter(vectors)
        while piece := list(islice(waiting, _LOADED_AT_ONCE)):
            slots, blobs = zip(*piece, strict=True)
            self._add(np.array(slots, np.int64), blobs)
        self._merge()

    def put(self, slots: NDArray[np.int64], blobs: Sequence[bytes]) -> None:
        """Sets the stored sparse vectors of unique `slots`."""
        self.drop(slots)
        self._add(slots, blobs)
        if self._tail_size > max(_MERGE_MIN, len(self._slots) // _MERGE_SHARE):
            self._merge()

    def drop(self, slots: NDArray[np.int64]) -> None:
        """Removes the vectors of those of `slots` that are held."""
        slots = slots[slots < self.size]
        slots = slots[self._held[slots] >= 0]
        if not len(slots):
            return
        self._dead += int(self._held[slots].sum())
        self._held[slots] = -1
        in_main = slots[slots < len(self._current)]
        self._current[in_main] = False
        if self._tail:
            indices, owners, values = self._joined_tail()
            keep = ~np.isin(owners, slots)
            self._tail = [(indices[keep], owners[keep], values[keep])]
            self._tail_size = int(np.count_nonzero(keep))
        if self._dead > max(_MERGE_MIN, len(self._slots) // _MERGE_SHARE):
            self._merge()

    def document_frequencies(self, indices: NDArray[np.int32]) -> NDArray[np.int64]:
        """Returns how many records have each of `indices`."""
        counts = np.zeros(len(indices), np.int64)
        for position in self._met(indices):
            counts[position] = len(self._postings(int(indices[position]))[0])
        return counts

    def search(
        self,
        indices: NDArray[np.int32],
        values: NDArray[np.float32],
        k: int,
        *,
        records: int,
        mask: Mask | None = None,
        weighting: Weighting | None = None,
    ) -> Found:
        """Returns the `k` rows with the highest inner product; rows that share no index with the query are left out.

        Sums in float64, in the order of the query's indices. `records` is the N of IDF (see `idf`). `mask` has shape
        (size,) or longer.
        """
        owners, products = [], []
        for position in self._met(indices):
            weight = float(values[position])
            slots, found = self._postings(int(indices[position]))
            if weighting is Weighting.IDF:
                weight *= float(idf(records, np.array(len(slots))))
            owners.append(slots)
            products.append(found * weight)
        slots = np.concatenate(owners) if owners else np.empty(0, np.int64)
        if not len(slots):
            return Found(slots, np.empty(0, np.float32))
        sums, touched = _summed(slots, np.concatenate(products), self.size)
        if mask is not None:
            touched = touched[mask[touched]]
        return _best(touched, sums[touched], k)

    def _met(self, indices: NDArray[np.int32]) -> list[int]:
        """Returns the positions of those of `indices` that any record may have, found at once: most have none."""
        if self._tail or not len(self._terms):
            return list(range(len(indices)))
        places = np.minimum(self._terms.searchsorted(indices), len(self._terms) - 1)
        positions: list[int] = np.flatnonzero(self._terms[places] == indices).tolist()
        return positions

    def _postings(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns the slots that have `index`, each once, and their values."""
        found = int(np.searchsorted(self._terms, index))
        if found < len(self._terms) and self._terms[found] == index:
            piece = slice(self._starts[found], self._starts[found + 1])
            slots, values = self._slots[piece], self._values[piece]
            if self._dead:
                current = self._current[slots]
                slots, values = slots[current], values[current]
        else:
            slots, values = self._slots[:0], self._values[:0]
        if self._tail:
            indices, owners, added = self._joined_tail()
            hits = np.flatnonzero(indices == index)
            slots, values = np.concatenate([slots, owners[hits]]), np.concatenate([values, added[hits]])
        return slots.astype(np.int64), values.astype(np.float64)

    def _add(self, slots: NDArray[np.int64], blobs: Sequence[bytes]) -> None:
        if not len(slots):
            return
        sizes = np.array([len(blob) for blob in blobs], np.int64)
        if (sizes % _ENTRY_BYTES).any():
            raise Damage("a sparse vector")
        lengths = sizes // _ENTRY_BYTES
        positions = np.repeat(np.arange(len(slots)), lengths)
        flat = np.frombuffer(b"".join(blobs), STORED_INDEX)
        # A stored vector is its indices and then its values: entry j of a vector that starts at 2 s lies at 2 s + j.
        places = np.arange(len(positions)) + (np.cumsum(lengths) - lengths)[positions]
        indices, positions, values = _without_duplicates(
            flat[places].astype(np.int32, copy=False),
            positions,
            flat[places + lengths[positions]].view(STORED_FLOAT).astype(np.float32, copy=False),
        )
        self._reach(int(slots.max()) + 1)
        self._held[slots] = np.bincount(positions, minlength=len(slots))
        self._tail.append((indices, slots[positions], values))
        self._tail_size += len(indices)

    def _joined_tail(self) -> Entries:
        if len(self._tail) > 1:
            indices, slots, values = zip(*self._tail, strict=True)
            self._tail = [(np.concatenate(indices), np.concatenate(slots), np.concatenate(values))]
        return self._tail[0]

    def _merge(self) -> None:
        """Sorts everything that is current into the main part."""
        terms = np.repeat(self._terms, np.diff(self._starts))
        keep = self._current[self._slots] if self._dead else slice(None)
        parts = [(terms[keep], self._slots[keep], self._values[keep]), *self._tail]
        indices, slots, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        # One sort of (index, slot) in one integer; each array is given up as soon as it has been used.
        keys = indices.astype(np.int64) << 32
        keys |= slots
        del parts, indices, slots
        order = np.argsort(keys)
        self._values = values[order]
        del values
        keys = keys[order]
        del order
        self._slots = (keys & 0xFFFFFFFF).astype(np.int32)
        keys >>= 32
        starts = np.flatnonzero(np.diff(keys, prepend=np.int64(-1) << 40)) if len(keys) else np.empty(0, np.int64)
        self._terms = keys[starts].astype(np.int32)
        self._starts = np.append(starts, len(keys)).astype(np.int64)
        self._current = self._held >= 0
        self._tail, self._tail_size, self._dead = [], 0, 0

    def _reach(self, size: int) -> None:
        if size > len(self._held):
            grown = np.full(size, -1, np.int32)
            grown[: len(self._held)] = self._held
            self._held = grown


def idf(records: int, having: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns ``ln((N - n + 0.5) / (n + 0.5) + 1)``: N `records` in the namespace, n `having` the index.

    Formula: docstrings of the Upstash SDKs; reproduces the scores in the tests of upstash/vector-js, 2026-03.
    """
    weights: NDArray[np.float64] = np.log((records - having + 0.5) / (having + 0.5) + 1.0)
    return weights


def _summed(
    slots: NDArray[np.int64], products: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Returns sums by slot, shape (size,), and the slots that occur, ascending."""
    touched = np.zeros(size, np.bool_)
    touched[slots] = True
    return np.bincount(slots, weights=products, minlength=size).astype(np.float64, copy=False), np.flatnonzero(touched)


def _best(slots: NDArray[np.intp], sums: NDArray[np.float64], k: int) -> Found:
    scores = np.clip(sums, -scoring.FLOAT32_MAX, scoring.FLOAT32_MAX).astype(np.float32)
    near = scoring.candidates(scores, k, 0.0)
    order = scoring.best(scores[near], slots[near].astype(np.int64), k)
    return Found(slots[near][order].astype(np.int64), scores[near][order])


def _without_duplicates(indices: NDArray[np.int32], slots: NDArray[np.int64], values: NDArray[np.float32]) -> Entries:
    """Sums values of one vector that share an index: what a repeated index means to an inner product."""
    if ((slots[1:] != slots[:-1]) | (indices[1:] > indices[:-1])).all():
        return indices, slots, values
    keys = (slots << 32) | (indices.astype(np.int64) & 0xFFFFFFFF)
    unique, inverse = np.unique(keys, return_inverse=True)
    if len(unique) == len(keys):
        return indices, slots, values
    summed = np.bincount(inverse, weights=values.astype(np.float64), minlength=len(unique))
    return (unique & 0xFFFFFFFF).astype(np.uint32).view(np.int32), unique >> 32, summed.astype(np.float32)
