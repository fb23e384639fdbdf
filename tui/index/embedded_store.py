"""The synchronous side of the embedded index: the engine, the embedders, and the notes about the first fill.

Everything here runs on the one thread of `EmbeddedIndex`. The database is opened when it is first needed, and the
embedders are loaded when the first text needs them: counting and listing cost neither.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.batches import batches
from tui.core.checkpoints import Checkpoint
from tui.core.errors import IndexChanged, IndexMismatch, IndexMissing
from tui.core.records import (
    Finding,
    Hit,
    IndexInfo,
    IndexKind,
    NamespaceInfo,
    Page,
    QueryMode,
    Record,
    SparseVector,
    Unfinished,
)
from tui.index.embedded_health import examine
from tui.index.embedded_work import first_of, note_of, prefix
from tui.index.evidence_search import EvidenceSearch, check_filter, record_of

if TYPE_CHECKING:
    from tui.core.records import DenseVector
    from tui.embed.base import Embedder, SparseEmbedder
    from tui.embed.relevance import Relevance
    from tui.engine.database import Database
    from tui.engine.records import Include, IndexConfig, Row
    from tui.engine.snapshot import Snapshot

_SLICE_RECORDS = 16
_SLICE_CHARACTERS = 16_000
"""Texts embedded in one step: about 3 ms, after which a waiting query may go first (measured 2026-11)."""

_BEGUN = "begun"
_DONE = "done"
_BEFORE_COMMIT = ".before_commit"
_UNWRITTEN = "unwritten"
"""The version of a namespace that is not there, of a missing file too."""


class _Unwanted(Exception):
    """Takes back the write under way."""


class EmbeddedStore:
    """One namespace of one index file, with the embedders that fill it. Not for use from more than one thread."""

    def __init__(
        self,
        path: Path,
        namespace: str,
        dense: Callable[[], Embedder],
        sparse: Callable[[], SparseEmbedder],
        relevance: Callable[[], Relevance],
        checkpoint: Checkpoint,
    ) -> None:
        self.path = path
        self._namespace = namespace
        self._load_dense = dense
        self._load_sparse = sparse
        self._load_relevance = relevance
        self._search: EvidenceSearch | None = None
        self._checkpoint = checkpoint
        self._guard: Callable[[], None] = _no_guard
        self._opened: Database | None = None
        self._loaded: tuple[Embedder, SparseEmbedder] | None = None
        self._matched = False
        self._openings = 0
        self._views: dict[object, tuple[Snapshot, ExitStack]] = {}
        self._fill_note = f"first_fill:{namespace}"

    def close(self) -> None:
        """Closes the views and the file. Safe to call twice."""
        for view in list(self._views):
            self.close_view(view)
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def info(self) -> IndexInfo:
        """Returns what `VectorIndex.info` promises; of a missing file what it will be like."""
        database = self._existing()
        config = database.config if database is not None else self._wanted_config()
        held = database.info() if database is not None else None
        counts = held.counts if held is not None else {"": 0}
        return IndexInfo(
            kind=IndexKind.EMBEDDED,
            location=str(self.path),
            namespace=self._namespace,
            records=counts.get(self._namespace, 0),
            pending=0,
            dimension=config.dimension,
            similarity=str(config.similarity) if config.dense else "",
            model=config.model,
            sparse_model=config.sparse_model,
            size=held.size if held is not None else 0,
            namespaces={name: NamespaceInfo(count) for name, count in counts.items()},
            unfinished=first_of(self._namespace, self._work_notes()),
        )

    def identity(self) -> str:
        """Returns what `VectorIndex.identity` promises: the how-manieth file this process has found at the path."""
        return "" if self._existing() is None else str(self._openings)

    def write(
        self,
        records: Sequence[Record],
        *,
        identity: str = "",
        work: Unfinished | None = None,
        filling: bool = False,
    ) -> Generator[None, None, bool]:
        """Embeds what has no vectors, a slice a step, and commits all records at once.

        Returns whether it wrote: a batch of the first fill is not wanted once the fill is over, nor in another file
        than the one in which it was begun. Raises `IndexChanged` when `identity` is not the current one, and
        `IndexMismatch` when something was embedded by another model than the file's.
        """
        rows: list[Row] = []
        for part in batches(
            records, most=_SLICE_RECORDS, longest=_SLICE_CHARACTERS, length=lambda record: len(record.text)
        ):
            rows += self._rows(part)
            yield
        if identity and identity != self.identity():
            raise _replaced(self.path)
        if filling and self._existing() is None:
            return False
        database = self._database()
        if any(map(_is_bare, records)):
            # Another process may have made the file since the texts were embedded.
            self._check_model()
        if not filling:
            notes = dict([note_of(self._namespace, work)] if work is not None else [])
            database.upsert(self._namespace, rows, notes={**notes, self._fill_note: _DONE})
            return True
        with self._committing_only_if(self._fill_is_begun) as committed:
            database.upsert(self._namespace, rows, notes={self._fill_note: _BEGUN})
        return committed()

    def end_work(self, work: Unfinished) -> None:
        """Takes a piece of work off the record, if it is on it."""
        key, _ = note_of(self._namespace, work)
        if key in self._work_notes():
            self._database().set_note(key, None)

    def _work_notes(self) -> dict[str, str]:
        database = self._existing()
        return {} if database is None else database.notes(prefix(self._namespace))

    def query(self, text: str, top_k: int, filter: str, mode: QueryMode) -> list[Hit]:
        """Returns what `VectorIndex.query` promises."""
        database = self._existing()
        if database is None:
            check_filter(filter)
            return []
        if self._search is None:
            self._search = EvidenceSearch(self._namespace, *self._embedders(), self._load_relevance())
        return self._search.hits(database, text, top_k, filter, mode)

    def fetch(self, ids: Sequence[str], include_vectors: bool) -> list[Record | None]:
        """Returns what `VectorIndex.fetch` promises."""
        database = self._existing()
        if database is None:
            return [None] * len(ids)
        rows = database.fetch(self._namespace, ids, include=_include(include_vectors))
        return [None if row is None else record_of(row) for row in rows]

    def scan(self, cursor: str, limit: int, prefix: str, filter: str, include_vectors: bool) -> Page:
        """Returns what `VectorIndex.scan` promises."""
        database = self._existing()
        if database is None:
            check_filter(filter)
            return Page((), "")
        rows, next_cursor = database.range(
            self._namespace, cursor, limit, prefix=prefix, filter=filter, include=_include(include_vectors)
        )
        return Page(tuple(map(record_of, rows)), next_cursor)

    def view_page(self, view: object, cursor: str, limit: int) -> Page | None:
        """Returns a page, with vectors, of the moment in which the first page of `view` was read; None without a file.

        `view` is any key of the caller's, so that who is cancelled while the view opens can still close it.
        """
        if view not in self._views:
            database = self._existing()
            if database is None:
                return None
            stack = ExitStack()
            self._views[view] = (stack.enter_context(database.snapshot()), stack)
        rows, next_cursor = self._views[view][0].range(self._namespace, cursor, limit, include=_include(True))
        return Page(tuple(map(record_of, rows)), next_cursor)

    def close_view(self, view: object) -> None:
        """Gives up a view. Safe to call twice, and for one that was never opened."""
        if view in self._views:
            self._views.pop(view)[1].close()

    def delete(self, ids: Sequence[str], prefix: str, filter: str) -> int:
        """Returns what `VectorIndex.delete` promises; ends any first fill."""
        check_filter(filter)
        notes = {self._fill_note: _DONE}
        return self._database().delete(self._namespace, ids=ids, prefix=prefix, filter=filter, notes=notes)

    def version(self) -> str:
        """Returns what `VectorIndex.version` promises."""
        database = self._existing()
        if database is None:
            return _UNWRITTEN
        with database.snapshot() as view:
            return self._version_in(view)

    def reset(self, version: str) -> None:
        """Removes every record of the namespace; ends any first fill and other work. Raises `IndexChanged`."""
        database = self._database()
        with self._committing_only_if(lambda view: version in ("", self._version_in(view))) as committed:
            ended = dict.fromkeys(self._work_notes())
            database.reset(self._namespace, notes={**ended, self._fill_note: _DONE})
        if not committed():
            raise IndexChanged(
                "The index was written to while it was about to be reset; nothing was removed.",
                "Wait for the other ragfood to finish, then reset again.",
            )

    def needs_first_fill(self) -> bool:
        """Whether a first fill was begun and not finished, or nothing was ever written to the namespace."""
        database = self._existing()
        if database is None:
            return True
        with database.snapshot() as view:
            return self._fill_is_needed(view)

    def begin_first_fill(self) -> None:
        """Remembers that a first fill is under way, unless none is needed any more."""
        database = self._database()
        with self._committing_only_if(self._fill_is_needed):
            database.set_note(self._fill_note, _BEGUN)

    def end_first_fill(self) -> None:
        """Remembers that the first fill is complete, in the file in which it was begun."""
        if self._existing() is not None:
            with self._committing_only_if(self._fill_is_begun):
                self._database().set_note(self._fill_note, _DONE)

    def _version_in(self, view: Snapshot) -> str:
        version = view.version(self._namespace)
        return f"{self._openings}.{version}" if version else _UNWRITTEN

    def _fill_is_begun(self, view: Snapshot) -> bool:
        return view.get_note(self._fill_note) == _BEGUN

    def _fill_is_needed(self, view: Snapshot) -> bool:
        note = view.get_note(self._fill_note)
        return note == _BEGUN or (note is None and not view.counts().get(self._namespace))

    @contextmanager
    def _committing_only_if(self, holds: Callable[[Snapshot], bool]) -> Iterator[Callable[[], bool]]:
        """Lets the write inside commit only if `holds`; what it yields tells afterwards whether it did.

        The question is put when the write holds the file's lock, to a view of what is committed: no other process can
        change the answer before the commit.
        """
        database = self._database()
        committed = True

        def guard() -> None:
            with database.snapshot() as view:
                if not holds(view):
                    raise _Unwanted

        self._guard = guard
        try:
            yield lambda: committed
        except _Unwanted:
            committed = False
        finally:
            self._guard = _no_guard

    def _at(self, name: str) -> None:
        """The engine's checkpoint: before each commit the guard is asked, and whether the file is still there."""
        if name.endswith(_BEFORE_COMMIT):
            if self._opened is not None and not self._opened.is_current():
                raise _replaced(self.path)
            self._guard()
        self._checkpoint(name)

    def diagnose(self) -> list[Finding]:
        """Returns what `VectorIndex.diagnose` promises."""
        return examine(self.path, self.info, self._check_model, self._check_content)

    def _existing(self) -> Database | None:
        """Returns the open database, or None while there is none, as when its making was interrupted.

        When the file was deleted or replaced since it was opened, what is there now takes its place. Open views stay.
        """
        if self._opened is not None and not self._opened.is_current():
            self._opened.close()
            self._opened, self._matched = None, False
        if self._opened is None:
            with suppress(IndexMissing):
                self._opened = self._open(None)
        return self._opened

    def _database(self) -> Database:
        """Returns the open database, created when there is none."""
        database = self._existing()
        if database is None:
            database = self._opened = self._open(self._wanted_config())
        return database

    def _open(self, config: IndexConfig | None) -> Database:
        from tui.engine.database import Database

        opened = Database.open(self.path, config, checkpoint=self._at)
        self._openings += 1
        return opened

    def _wanted_config(self) -> IndexConfig:
        from tui.engine.records import IndexConfig, Similarity

        dense, sparse = self._load()
        return IndexConfig(
            dimension=dense.dimension,
            similarity=Similarity.COSINE,
            sparse=True,
            model=dense.name,
            sparse_model=sparse.name,
        )

    def _load(self) -> tuple[Embedder, SparseEmbedder]:
        if self._loaded is None:
            self._loaded = (self._load_dense(), self._load_sparse())
        return self._loaded

    def _embedders(self) -> tuple[Embedder, SparseEmbedder]:
        """Returns the embedders, known to be those that the file was written with. Raises `IndexMismatch`."""
        self._check_model()
        return self._load()

    def _check_model(self) -> None:
        database = self._existing()
        if database is not None and not self._matched:
            _refuse_mismatch(self.path, database.config, self._wanted_config())
            self._matched = True

    def _check_content(self) -> None:
        database = self._existing()
        if database is not None:
            database.verify()

    def _rows(self, records: Sequence[Record]) -> list[Row]:
        from tui.engine.records import Row

        bare = [record for record in records if _is_bare(record)]
        vectors: dict[str, tuple[DenseVector, SparseVector]] = {}
        if bare:
            dense, sparse = self._embedders()
            texts = [record.text for record in bare]
            made = zip(bare, dense.embed_documents(texts), sparse.embed_documents(texts), strict=True)
            vectors = {record.id: (vector, terms) for record, vector, terms in made}
        return [
            Row(
                id=record.id,
                vector=record.vector if record.vector is not None else vectors[record.id][0],
                sparse=record.sparse if record.sparse is not None else vectors[record.id][1],
                data=record.text,
                metadata=record.metadata,
            )
            for record in records
        ]


def _is_bare(record: Record) -> bool:
    """Whether a record lacks a vector, so that its text has to be embedded."""
    return record.vector is None or record.sparse is None


def _replaced(path: Path) -> IndexChanged:
    return IndexChanged(
        f"The index file {path} was deleted or replaced by another while it was written to; what the old one held is "
        "not in the index any more.",
        "Run the same command again: it writes all that is missing.",
    )


def _no_guard() -> None:
    """The guard of every write that may commit in any case."""


def _include(vectors: bool) -> Include:
    from tui.engine.records import Include

    return Include(vectors=vectors)


def _refuse_mismatch(path: Path, held: IndexConfig, wanted: IndexConfig) -> None:
    if (held.dimension, held.model, held.sparse_model) == (wanted.dimension, wanted.model, wanted.sparse_model):
        return
    raise IndexMismatch(
        f"The index file {path} was embedded by {_models(held)}, and the settings ask for {_models(wanted)}: "
        "vectors of different models cannot be compared.",
        "Set RAGFOOD_EMBED_MODEL back to that model, or move the file away to begin a new one.",
    )


def _models(config: IndexConfig) -> str:
    return (
        f"{config.model or 'no model'} ({config.dimension} dimensions) and {config.sparse_model or 'no keyword model'}"
    )
