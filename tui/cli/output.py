"""What commands print: one JSON document or text for people on stdout, everything else on stderr.

Imports nothing that has to be installed, so that what goes wrong can always be said.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from tui.cli.layout import LONGEST_LINE, WrappedStream, cut, wrap
from tui.core.errors import RagfoodError
from tui.core.text import clean, clean_line, escape_in_json

if TYPE_CHECKING:
    from types import TracebackType

    from tui.core.events import Progress
    from tui.core.records import Hit

_PLAIN = str.maketrans({"·": "-", "…": "...", "→": "->", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'})


def prepare_streams() -> None:
    """Lets stdout and stderr take every character, whatever the encoding of the terminal."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_json(document: Any) -> None:
    """Prints one JSON document, indented, with a final newline; what could steer a terminal is escaped."""
    text = json.dumps(document, ensure_ascii=not _takes_unicode(sys.stdout), indent=2, allow_nan=False)
    _write(escape_in_json(text) + "\n")


def say(text: str = "") -> None:
    """Prints a line for people on stdout, made safe."""
    _write(clean(text) + "\n")


def say_wrapped(text: str, indent: str = "") -> None:
    """Prints a paragraph for people on stdout, made safe; on a terminal it is broken at words."""
    say(wrap(clean(text), terminal_width(sys.stdout), indent))


def note(text: str, indent: str = "") -> None:
    """Prints a line about the work itself on stderr, made safe; on a terminal it is broken at words."""
    warn(wrap(clean(text), terminal_width(sys.stderr), indent))


def warn(text: str) -> None:
    """Prints lines on stderr as they are, made safe. Where stderr cannot be written there is nobody to tell."""
    with contextlib.suppress(OSError, ValueError):
        _put(clean(text) + "\n", sys.stderr)


def terminal_width(stream: TextIO | None) -> int | None:
    """Returns the columns to write in, None when `stream` is not a terminal, whose lines are then left as they are."""
    if stream is None or not stream.isatty():
        return None
    return min(shutil.get_terminal_size().columns, LONGEST_LINE)


def forget_stdout() -> None:
    """Sends what is left for stdout nowhere: Python would fail once more when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class AnswerText:
    """An answer on stdout while it is written, broken at words on a terminal."""

    def __init__(self) -> None:
        self._stream = WrappedStream(terminal_width(sys.stdout))

    def add(self, text: str) -> None:
        _write(self._stream.feed(clean(text)))

    def end(self) -> None:
        _write(self._stream.end() + "\n")


class StatusLine:
    """A line on stderr that changes while something runs; only on a terminal, so that logs stay readable.

    As a context manager it leaves nothing behind, whatever happens.
    """

    def __init__(self) -> None:
        self._shown = 0
        self._width = terminal_width(sys.stderr)

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, text: str) -> None:
        if self._width is None:
            return
        line = cut(text, self._width - 1)
        self._put("\r" + line.ljust(self._shown))
        self._shown = len(line)

    def count(self, progress: Progress) -> None:
        """Shows how far something came, and how fast."""
        rate = f" · {progress.done / progress.seconds:,.0f}/s" if progress.seconds > 0 and progress.done else ""
        self.show(f"{clean_line(progress.label)} {progress.done:,} of {progress.total:,}{rate}")

    def clear(self) -> None:
        if self._shown:
            self._put("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            _put(text, sys.stderr)


def hit_document(hit: Hit) -> dict[str, Any]:
    """The JSON shape of a source."""
    return {
        "id": hit.id,
        "score": hit.score,
        "relevance": None if hit.relevance is None else round(hit.relevance, 4),
        "text": hit.record.passage,
        "metadata": dict(hit.record.metadata),
    }


def _write(text: str) -> None:
    """Writes to stdout at once. Raises `BrokenPipeError` when the reader left, else `RagfoodError`."""
    if not text:
        return
    try:
        _put(text, sys.stdout)
    except BrokenPipeError:
        forget_stdout()
        raise
    except OSError as error:
        forget_stdout()
        raise RagfoodError(
            f"The output cannot be written: {error.strerror or error}.",
            hint="Free some space, or send the output elsewhere.",
        ) from error


def _put(text: str, stream: TextIO | None) -> None:
    # A program that is started with a closed stdout or stderr has None there.
    if stream is not None:
        stream.write(text if _takes_unicode(stream) else text.translate(_PLAIN))
        stream.flush()


def _takes_unicode(stream: TextIO | None) -> bool:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return encoding.lower().replace("_", "-").startswith("utf")
