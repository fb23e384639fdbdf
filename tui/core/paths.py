"""Where everything writable lives: the platform's user directories, or one folder when `RAGFOOD_HOME` is set."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tui.core.errors import ConfigurationError
from tui.core.files import NO_SPACE
from tui.core.text import shorten

HOME_VARIABLE = "RAGFOOD_HOME"
_APPLICATION = "ragfood"
_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Paths:
    """The four directories of an installation and the names inside them. Nothing is made until it is asked for."""

    data: Path
    state: Path
    cache: Path
    config: Path

    @classmethod
    def below(cls, home: Path) -> Paths:
        """Returns paths that all lie below `home`."""
        return cls(data=home / "data", state=home / "state", cache=home / "cache", config=home / "config")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Paths:
        """Returns the paths below `RAGFOOD_HOME` when that is set, else those of the platform (XDG on Linux).

        Raises `ConfigurationError` when no home directory can be found.
        """
        home = environ.get(HOME_VARIABLE, "").strip()
        try:
            if home:
                return cls.below(Path(home).expanduser().absolute())
            from platformdirs import PlatformDirs

            platform = PlatformDirs(_APPLICATION, appauthor=False)
            return cls(
                data=platform.user_data_path,
                state=platform.user_state_path,
                cache=platform.user_cache_path,
                config=platform.user_config_path,
            )
        except (RuntimeError, OSError) as error:
            raise ConfigurationError(
                f"The folder for ragfood's files cannot be found: {error}.",
                hint=f"Set {HOME_VARIABLE} to a folder that you can write to.",
            ) from error

    @property
    def index_file(self) -> Path:
        """The embedded index, all namespaces in one file."""
        return self.data / "index.db"

    @property
    def snapshots(self) -> Path:
        """The folder of the snapshots that are saved before a reset."""
        return self.data / "snapshots"

    @property
    def sessions(self) -> Path:
        """The folder of saved sessions."""
        return self.data / "sessions"

    @property
    def dead_letters(self) -> Path:
        """The folder of records that could not be written, kept to be replayed."""
        return self.data / "dead-letters"

    @property
    def log_file(self) -> Path:
        """The newest of the rotating log files."""
        return self.state / "ragfood.log"

    @property
    def config_file(self) -> Path:
        """The configuration that is read when no other is named."""
        return self.config / "config.toml"


def ensure_directory(directory: Path) -> Path:
    """Makes `directory` and what is missing above it, each for its owner only (0700), and returns it.

    Folders that exist keep their permissions. Raises `ConfigurationError` when it cannot be made, read or written.
    """
    try:
        _make(directory)
        usable = os.access(directory, os.R_OK | os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:
        raise _unusable(directory, error) from error
    if not usable:
        raise _unusable(directory, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return directory


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    if directory.parent != directory:
        _make(directory.parent)
    # `Path.mkdir(parents=True)` gives the mode to the last folder only, and ours may hold private text.
    try:
        directory.mkdir(mode=_PRIVATE)
    except FileExistsError:
        if not directory.is_dir():
            raise


def _unusable(directory: Path, error: OSError | ValueError) -> ConfigurationError:
    name = shorten(str(directory), 200)
    if isinstance(error, FileExistsError | NotADirectoryError):
        return ConfigurationError(
            f"The folder {name} cannot be made, because a file is in its place.",
            hint=f"Move that file away, or set {HOME_VARIABLE} to another folder.",
        )
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return ConfigurationError(
            f"The folder {name} cannot be made, because the disk is full.",
            hint=f"Free some space, or set {HOME_VARIABLE} to a folder on another disk.",
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigurationError(
        f"The folder {name} cannot be read and written: {reason}.",
        hint=f"Change its permissions, or set {HOME_VARIABLE} to a folder that you can write to.",
    )
