"""Files written whole or not at all.

A file is written beside its place under a temporary name, synced, renamed over the old one, and the folder is synced:
whoever reads sees the old file or the new one, also after a power cut. A process that is killed leaves at most a
temporary file, which `is_temporary` recognises and `remove_stale` clears away.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import StorageFull
from tui.core.text import shorten

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_TEMPORARY_SUFFIX = ".ragfood-tmp"
_STALE_SECONDS = 24 * 60 * 60
_PRIVATE = 0o600
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk, a used-up quota or a limit on the size of files answers."""

# What file systems without synced folders (some network and FUSE mounts) answer.
_UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def storage_error(path: Path, error: OSError) -> StorageFull:
    """Returns the error for people of an `OSError` that came while `path` was written."""
    name, folder = shorten(str(path), 200), shorten(str(path.parent), 200)
    if error.errno in NO_SPACE:
        return StorageFull(
            f"{name} cannot be written, because the disk is full or a quota is used up.",
            hint="Free some space or choose another disk, then try again; what was there before is untouched.",
        )
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        hint = f"Make the folder {folder} first, or choose another file."
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        hint = f"Change the permissions of {folder}, or choose another file."
    else:
        hint = "Choose another file, or check the disk."
    return StorageFull(f"{name} cannot be written: {reason}.", hint=hint)


@contextlib.contextmanager
def write_atomically(path: Path, *, checkpoint: Checkpoint = no_checkpoint, name: str = "file") -> Iterator[BinaryIO]:
    """Opens a binary file that becomes `path` when the block ends well, and vanishes when it does not.

    The new file is for its owner only (0600); a symbolic link is followed. `checkpoint` is told ``{name}.written`` when
    the content is safe on disk and ``{name}.renamed`` when it is in place. Raises `StorageFull` when the disk is full
    or the file cannot be written, also from writes inside the block; other errors of the block pass unchanged.
    """
    target = Path(os.path.realpath(path))
    with _storage_errors(path):
        _refuse_special(target)
        # A name has at most 255 bytes, and a character of it up to four.
        temporary = target.with_name(f".{target.name[:48]}.{os.urandom(6).hex()}{_TEMPORARY_SUFFIX}")
        file = io.BufferedWriter(_ReportingFile(temporary, path))
    try:
        try:
            yield file
            file.flush()
            with _storage_errors(path):
                os.fsync(file.fileno())
        except BaseException:
            # What the buffer still holds belongs to a file that nobody gets, and must not hide why.
            with contextlib.suppress(StorageFull):
                file.close()
            raise
        file.close()
        checkpoint(f"{name}.written")
        with _storage_errors(path):
            temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    with _storage_errors(path):
        sync_folder(target.parent)
    checkpoint(f"{name}.renamed")


def sync_folder(folder: Path) -> None:
    """Makes renames and new names in `folder` durable, where the platform can. Raises `OSError`."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Tells whether `path` is the unfinished file of a write under way or killed. Whoever lists a folder skips it."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY_SUFFIX)


def remove_stale(folder: Path, now: float) -> int:
    """Removes the temporary files in `folder` that a killed process left more than a day before `now`.

    `now` is in seconds since the epoch. Returns how many went; files that cannot be removed stay, without an error.
    """
    removed = 0
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if is_temporary(path) and now - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()
                    removed += 1
    return removed


class _ReportingFile(io.FileIO):
    """A new private file whose failing writes speak of the file that is being written, not of a bare `errno`."""

    def __init__(self, temporary: Path, path: Path) -> None:
        super().__init__(os.fspath(temporary), "x", opener=_open_private)
        self._path = path

    def write(self, data: ReadableBuffer, /) -> int:
        with _storage_errors(self._path):
            return super().write(data)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE)


def _refuse_special(target: Path) -> None:
    """Refuses what a rename would destroy or cannot replace: folders, devices and pipes."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error
