"""What writes the log: private rotating files, and lines that neither leak a secret nor pretend to be other lines."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from tui.core.secret import Secret
from tui.core.text import clean

_BEARER = re.compile(r"(bearer[\s:=]+)[^\s'\",;]+", re.IGNORECASE)
_REDACTED = "<redacted>"
_PRIVATE = 0o600


class SafeFormatter(logging.Formatter):
    """Formats an entry without control characters and secrets; its further lines are indented.

    Indentation keeps a message from outside that contains a newline from forging an entry. Times are in UTC.
    """

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s")
        self._hidden: list[str] = []
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: Secret) -> None:
        """Redacts `secret` from now on, also where it is escaped as in a repr, JSON or an address."""
        import json
        from urllib.parse import quote

        plain = secret.reveal()
        escaped = (repr(plain)[1:-1], json.dumps(plain)[1:-1], quote(plain, safe=""), quote(plain))
        forms = {plain, clean(plain), *escaped} - {""}
        # Longer ones first, so that no secret leaves the rest of a longer one behind.
        self._hidden = sorted({*self._hidden, *forms}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Returns the entry, its traceback included."""
        text = clean(super().format(record))
        for hidden in self._hidden:
            text = text.replace(hidden, _REDACTED)
        return _BEARER.sub(rf"\1{_REDACTED}", text).replace("\n", "\n    ")


class PrivateRotatingFile(RotatingFileHandler):
    """Rotating files for their owner only (0600). A full disk ends the log quietly, never the program."""

    def __init__(self, path: Path, *, max_bytes: int, older_files: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=older_files, encoding="utf-8", errors="replace")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_open_private)

    def close(self) -> None:
        """Closes the file; what a full disk keeps from being written at the end is lost."""
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Does nothing: logging would print a traceback over the screen, and nobody can act on it there."""


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE)
