"""Moving an index as a whole: export to a file, restore from one, and reset with a snapshot first."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote

from tui.core.batches import batches
from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import IndexChanged, StorageFull, TransferFileError
from tui.core.events import Progress, TransferEvent, Transferred
from tui.core.files import is_temporary, remove_stale, storage_error, write_atomically
from tui.core.paths import Paths, ensure_directory
from tui.core.text import shorten
from tui.services.batch_writer import BatchWriter
from tui.services.threads import finish_in_thread

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.core.records import IndexInfo
    from tui.index.base import VectorIndex
    from tui.services.export_format import ExportReader, Header

_PAGE = 500
BATCH_RECORDS = 200
_BATCH_CHARACTERS = 500_000
_CHECKED_LINES = 500
_SUFFIX = ".jsonl"
_RESET_ATTEMPTS = 3
_STAMP = "%Y%m%dT%H%M%SZ"
_LABELS = {"export": "exporting", "snapshot": "saving a snapshot"}
_DEFAULT_NAMESPACE = "default"
_NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An export in the snapshots folder: when it was taken (UTC), of which namespace, and its size in bytes."""

    path: Path
    taken: datetime
    namespace: str
    size: int


class TransferService:
    """Export, restore and reset of the index it is bound to.

    Every method yields `Progress` and, when it is done, one `Transferred`. Close the iterator or cancel its task to
    stop: an export then leaves no file, a restore the batches it has written, a reset everything as it was.
    """

    def __init__(
        self,
        index: VectorIndex,
        paths: Paths,
        clock: Clock,
        *,
        checkpoint: Checkpoint = no_checkpoint,
        batch_records: int = BATCH_RECORDS,
    ) -> None:
        self._index = index
        self._paths = paths
        self._clock = clock
        self._checkpoint = checkpoint
        self._batch_records = batch_records

    async def export(self, path: Path) -> AsyncGenerator[TransferEvent]:
        """Writes every record of the namespace to `path`, whole or not at all, over an older export if there is one.

        Raises `TransferFileError` when another kind of file is in the way, `StorageFull` when it cannot be written.
        """
        started = self._clock.monotonic()
        await finish_in_thread(lambda: _refuse_foreign(path))
        await finish_in_thread(lambda: remove_stale(path.parent, self._clock.now().timestamp()))
        written = 0
        async with contextlib.aclosing(self._write_export(path, "export")) as events:
            async for event in events:
                written = event.done
                yield event
        yield Transferred(written, str(path), self._clock.monotonic() - started)

    async def restore(self, path: Path) -> AsyncGenerator[TransferEvent]:
        """Writes the records of an export into the index, vectors included, in the order of the file.

        The whole file is verified before the first write. Records that the file does not hold stay as they are. After
        an interruption, restoring again completes it. Raises `TransferFileError` when the file is damaged or does not
        fit the index, and `IndexChanged` when another index takes the place of this one meanwhile.
        """
        started = self._clock.monotonic()
        with _opened(path) as file:
            reader = _reader(file, path)
            header = await finish_in_thread(reader.header)
            writer = await BatchWriter.begin(self._index, "restore", path)
            _refuse_unfit(reader.name, header, await self._index.info())
            async with contextlib.aclosing(self._verify(reader)) as checks:
                async for progress in checks:
                    yield progress
            self._checkpoint("restore.verified")
            if reader.count == 0:
                # Nothing to write, and still a person's decision about what the index holds.
                await self._index.upsert([])
            async with contextlib.aclosing(self._write_records(reader, writer)) as writes:
                async for progress in writes:
                    yield progress
        others = (await self._index.info()).records - reader.count
        note = f"{others:,} other records stay in the index." if others > 0 else ""
        yield Transferred(reader.count, str(path), self._clock.monotonic() - started, note)

    async def reset(self) -> AsyncGenerator[TransferEvent]:
        """Saves a verified snapshot of the namespace, then removes every record of it.

        `Transferred.path` says where the snapshot is; an empty index is reset without one.
        """
        started = self._clock.monotonic()
        for attempt in count(1):
            version = await self._index.version()
            info = await self._index.info()
            path = self._snapshot_path(info.namespace) if info.records else None
            if path is not None:
                async with contextlib.aclosing(self._save_snapshot(path)) as events:
                    async for event in events:
                        yield event
            try:
                await self._index.reset(version=version)
                break
            except IndexChanged:
                # Another process wrote meanwhile, and the snapshot lacks it: it would not restore exactly.
                if path is not None:
                    path.unlink(missing_ok=True)
                if attempt == _RESET_ATTEMPTS:
                    raise
        self._checkpoint("reset.finished")
        seconds = self._clock.monotonic() - started
        if path is None:
            yield Transferred(0, "", seconds, "The index held no records, so no snapshot was needed.")
        else:
            yield Transferred(info.records, str(path), seconds)

    async def snapshots(self) -> list[Snapshot]:
        """Returns the snapshots that resets have left, newest first."""
        return await finish_in_thread(lambda: _list_snapshots(self._paths.snapshots))

    async def _save_snapshot(self, path: Path) -> AsyncGenerator[Progress]:
        """Exports to `path` and reads the file back, to the last byte."""
        async with contextlib.aclosing(self._write_export(path, "snapshot")) as events:
            async for event in events:
                yield event
        with _opened(path) as file:
            async with contextlib.aclosing(self._verify(_reader(file, path))) as checks:
                async for event in checks:
                    yield event
        self._checkpoint("snapshot.verified")

    async def _write_export(self, path: Path, name: str) -> AsyncGenerator[Progress]:
        from tui.services.export_format import ExportWriter, header_of

        started = self._clock.monotonic()
        info = await self._index.info()
        header = header_of(
            dimension=info.dimension, similarity=info.similarity, model=info.model, sparse_model=info.sparse_model
        )
        yield Progress(_LABELS[name], 0, info.records, 0.0)
        async with _atomic_file(path, self._checkpoint, name) as file:
            writer = ExportWriter(file, header)
            async with contextlib.aclosing(self._index.export_pages(size=_PAGE)) as pages:
                async for page in pages:
                    await finish_in_thread(partial(writer.write, page.records))
                    seconds = self._clock.monotonic() - started
                    yield Progress(_LABELS[name], writer.records, max(info.records, writer.records), seconds)
            await finish_in_thread(writer.finish)
        yield Progress(_LABELS[name], writer.records, writer.records, self._clock.monotonic() - started)

    async def _verify(self, reader: ExportReader) -> AsyncGenerator[Progress]:
        """Yields how many records have been checked."""
        started = self._clock.monotonic()
        steps = reader.verify()
        while (done := await finish_in_thread(lambda: _last(islice(steps, _CHECKED_LINES)))) is not None:
            total = max(done, reader.promised)
            yield Progress("checking", done, total, self._clock.monotonic() - started)

    async def _write_records(self, reader: ExportReader, writer: BatchWriter) -> AsyncGenerator[Progress]:
        started = self._clock.monotonic()
        waiting = batches(
            reader.records(),
            most=self._batch_records,
            longest=_BATCH_CHARACTERS,
            length=lambda record: len(record.text),
        )
        done = 0
        yield Progress("restoring", 0, reader.count, 0.0)
        while (batch := await finish_in_thread(lambda: next(waiting, None))) is not None:
            try:
                await writer.write(batch, done + len(batch), reader.count)
            except StorageFull as error:
                raise StorageFull(
                    f"{error.message} {done:,} of {reader.count:,} records were restored before and stay.", error.hint
                ) from error
            self._checkpoint("restore.batch_committed")
            done += len(batch)
            yield Progress("restoring", done, reader.count, self._clock.monotonic() - started)

    def _snapshot_path(self, namespace: str) -> Path:
        """Returns a name in the snapshots folder that says when and of what, and that no other process chooses too."""
        folder = ensure_directory(self._paths.snapshots)
        now = self._clock.now().astimezone(UTC)
        remove_stale(folder, now.timestamp())
        part = quote(namespace or _DEFAULT_NAMESPACE, safe="")[:_NAME_LIMIT]
        return folder / f"{now.strftime(_STAMP)}-{self._clock.new_id()}-{part}{_SUFFIX}"


@contextlib.asynccontextmanager
async def _atomic_file(path: Path, checkpoint: Checkpoint, name: str) -> AsyncIterator[BinaryIO]:
    """`write_atomically` whose waiting for the disk does not hold up the event loop."""
    manager = write_atomically(path, checkpoint=checkpoint, name=name)
    file = manager.__enter__()
    try:
        yield file
    except BaseException as error:
        manager.__exit__(type(error), error, error.__traceback__)
        raise
    await finish_in_thread(lambda: manager.__exit__(None, None, None))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if not path.is_file():
            reason = "it is not a file" if path.exists() else "there is no such file"
            raise TransferFileError(f"{shorten(str(path), 200)} cannot be read: {reason}.", hint="Check the name.")
        file = path.open("rb")
    except OSError as error:
        raise TransferFileError(
            f"{shorten(str(path), 200)} cannot be read: {error.strerror or error}.", hint="Check its permissions."
        ) from error
    with file:
        yield file


def _reader(file: BinaryIO, path: Path) -> ExportReader:
    # Late, so that an app that moves nothing does not pay for the decoder at its start.
    from tui.services.export_format import ExportReader

    return ExportReader(file, shorten(path.name))


def _refuse_foreign(path: Path) -> None:
    """Keeps an export from replacing a file that is not an export, such as the foods themselves."""
    from tui.services.export_format import KIND

    try:
        taken = path.is_file() and path.stat().st_size > 0
    except OSError as error:
        raise storage_error(path, error) from error
    if not taken:
        return
    with _opened(path) as file:
        if not file.read(256).startswith(b'{"kind":"%b"' % KIND.encode()):
            raise TransferFileError(
                f"{shorten(str(path), 200)} is there already and is not an export of ragfood.",
                hint="Choose another name, or remove that file first.",
            )


def _refuse_unfit(name: str, header: Header, info: IndexInfo) -> None:
    """Raises `TransferFileError` when the vectors of a file do not belong into an index."""
    fields = ("dimension", "similarity", "model", "sparse_model")
    differences = [
        f"{field.replace('_', ' ')} {getattr(header, field) or 'none'}, not {getattr(info, field) or 'none'}"
        for field in fields
        if getattr(header, field) != getattr(info, field)
    ]
    if differences:
        raise TransferFileError(
            f"{name} does not fit this index: it has {shorten('; '.join(differences), 300)}.",
            hint="Restore into an index with the same embedding model, or upsert the foods file instead.",
        )


def _list_snapshots(folder: Path) -> list[Snapshot]:
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        stamp, _, rest = path.name.removesuffix(_SUFFIX).partition("-")
        if path.suffix != _SUFFIX or is_temporary(path) or not path.is_file():
            continue
        with contextlib.suppress(ValueError):
            taken = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
            about = path.stat()
            snapshot = Snapshot(path, taken, unquote(rest.partition("-")[2]), about.st_size)
            found.append((taken, about.st_mtime_ns, snapshot))
    return [snapshot for *_, snapshot in sorted(found, key=lambda item: item[:2], reverse=True)]


def _last(items: Iterable[int]) -> int | None:
    newest = deque(items, maxlen=1)
    return newest[0] if newest else None
