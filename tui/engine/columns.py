"""Filters over all records of a namespace at once, without keeping their metadata in memory."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tui.engine.column import Column
from tui.engine.matching import MISSING, matches, resolve
from tui.engine.syntax import And, Filter, Or, Path

Loader = Callable[[], Iterable[tuple[int, bytes | None]]]
"""Yields the slot and the metadata (a JSON object, or None) of every record, in any order."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""About how much memory the columns of a store take at most; one column's distinct values take half of it."""

MAX_PATHS: Final = 32
"""Different paths of one filter that are worth columns."""

MAX_MASKS: Final = 32
"""Results that are remembered until the next change, as far as they fit in `MAX_MASK_BYTES`."""

MAX_MASK_BYTES: Final = 4 * 1024 * 1024
"""Memory of the remembered results, except that there is always room for one."""

_BATCH: Final = 1_000


class ColumnStore:
    """Answers which slots pass a filter.

    A path gets a column (see `Column`) when a filter first needs it, built in one pass over what `load` yields, and
    kept up to date by `set` and `discard` after that. Columns used longest ago are dropped beyond `max_bytes`. A path
    whose distinct values alone would take half of that (long texts, say) gets none: filters that use it read every
    record, with the same result.

    A slot without a record is like a record without metadata, so ``HAS NOT FIELD`` holds for it: the caller knows which
    slots are in use. Not safe for use by several threads at a time.
    """

    def __init__(self, load: Loader, *, max_bytes: int = MAX_BYTES) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._max_value_bytes = max_bytes // 2
        self._columns: OrderedDict[Path, Column] = OrderedDict()
        self._too_wide: set[Path] = set()
        self._masks: OrderedDict[tuple[Filter, int], NDArray[np.bool_]] = OrderedDict()
        self._reader: _Reader | None = None

    def mask(self, filter: Filter, size: int) -> NDArray[np.bool_]:
        """Returns a read-only array of shape (size,): which of the first `size` slots pass the filter.

        Raises what `load` raises, and `msgspec.DecodeError` when it yields something that is not a JSON object.
        """
        key = (filter, size)
        mask = self._masks.get(key)
        if mask is None:
            mask = self._combined(filter, size) if self._prepare(_paths(filter)) else self._scanned(filter, size)
            mask.flags.writeable = False
            self._remember(key, mask)
        self._masks.move_to_end(key)
        return mask

    def set(self, slot: int, metadata_json: bytes | None) -> None:
        """Tells that the slot's record was written with this metadata. Raises `msgspec.DecodeError`."""
        self._masks.clear()
        if not self._columns:
            return
        if self._reader is None:
            self._reader = _Reader(tuple(self._columns))
        for (path, column), (value,) in zip(
            list(self._columns.items()), self._reader.read([metadata_json]), strict=True
        ):
            column.put(slot, value)
            if column.is_stale or column.value_bytes > self._max_value_bytes:
                self._drop(path)

    def discard(self, slot: int) -> None:
        """Tells that the slot has no record any more."""
        self.set(slot, None)

    def invalidate(self) -> None:
        """Forgets everything, after changes that were not told one by one."""
        self._masks.clear()
        self._columns.clear()
        self._too_wide.clear()
        self._reader = None

    def _remember(self, key: tuple[Filter, int], mask: NDArray[np.bool_]) -> None:
        self._masks[key] = mask
        spare = MAX_MASK_BYTES - sum(known.nbytes for known in self._masks.values())
        while len(self._masks) > 1 and (spare < 0 or len(self._masks) > MAX_MASKS):
            spare += self._masks.popitem(last=False)[1].nbytes

    def _combined(self, filter: Filter, size: int) -> NDArray[np.bool_]:
        if isinstance(filter, And):
            return reduce(np.ndarray.__iand__, (self._combined(part, size) for part in filter.parts))
        if isinstance(filter, Or):
            return reduce(np.ndarray.__ior__, (self._combined(part, size) for part in filter.parts))
        return self._columns[filter.path].mask(filter, size)

    def _scanned(self, filter: Filter, size: int) -> NDArray[np.bool_]:
        mask = np.full(size, matches(filter, None), np.bool_)
        decode = msgspec.json.Decoder(dict[str, Any] | None).decode
        for slot, metadata_json in self._load():
            if slot < size and metadata_json is not None:
                mask[slot] = matches(filter, decode(metadata_json))
        return mask

    def _prepare(self, paths: Sequence[Path]) -> bool:
        """Sees to it that all the paths have columns, the most recently used ones; false when they cannot."""
        if len(paths) > MAX_PATHS or not self._too_wide.isdisjoint(paths):
            return False
        absent = [path for path in paths if path not in self._columns]
        if absent:
            self._build(absent)
        for path in paths:
            if path in self._columns:
                self._columns.move_to_end(path)
        while len(self._columns) > 1 and sum(column.total_bytes for column in self._columns.values()) > self._max_bytes:
            self._drop(next(iter(self._columns)))
        return all(path in self._columns for path in paths)

    def _build(self, paths: Sequence[Path]) -> None:
        """Builds columns in one pass; one that grows too wide is given up on the way."""
        read = _Reader(paths).read
        building = [(Column(), array("i")) for _ in paths]
        slots = array("i")
        loaded = iter(self._load())
        while batch := list(islice(loaded, _BATCH)):
            slots.extend(slot for slot, _ in batch)
            found = read([metadata_json for _, metadata_json in batch])
            for (column, codes), values in zip(building, found, strict=True):
                if column.value_bytes <= self._max_value_bytes:
                    codes.extend(map(column.encode, values))
        for path, (column, codes) in zip(paths, building, strict=True):
            if column.value_bytes > self._max_value_bytes:
                self._too_wide.add(path)
            else:
                column.fill(np.frombuffer(slots, np.int32), np.frombuffer(codes, np.int32))
                self._columns[path] = column
        self._reader = None

    def _drop(self, path: Path) -> None:
        del self._columns[path]
        self._reader = None


class _Reader:
    """Takes the values of some paths out of metadata, decoding nothing else of it."""

    def __init__(self, paths: Sequence[Path]) -> None:
        keys = dict.fromkeys(str(path.steps[0]) for path in paths)
        names = {key: f"field_{number}" for number, key in enumerate(keys)}
        row = msgspec.defstruct(
            "Row", [(name, Any, MISSING) for name in names.values()], rename={n: k for k, n in names.items()}, gc=False
        )
        self._decode = msgspec.json.Decoder(row | None).decode
        self._nothing = row()
        self._ways = [(attrgetter(names[str(path.steps[0])]), Path(path.steps[1:])) for path in paths]

    def read(self, batch: Sequence[bytes | None]) -> list[list[Any]]:
        """Returns for each path its values in the batch, `MISSING` where it leads nowhere."""
        rows = [self._nothing if item is None else self._decode(item) or self._nothing for item in batch]
        return [
            [resolve(first(row), rest) for row in rows] if rest.steps else list(map(first, rows))
            for first, rest in self._ways
        ]


def _paths(filter: Filter) -> Sequence[Path]:
    """Returns the different paths of a filter in order of appearance."""

    def walk(part: Filter) -> Iterator[Path]:
        if isinstance(part, And | Or):
            for inner in part.parts:
                yield from walk(inner)
        else:
            yield part.path

    return tuple(dict.fromkeys(walk(filter)))
