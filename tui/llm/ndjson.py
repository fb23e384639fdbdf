"""Newline-delimited JSON as it comes off the wire: bytes in, whole lines out."""

from __future__ import annotations

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Longest line we keep in memory. Ollama's own client stops at 8 MB (api/client.go, v0.33.0, 2026-08)."""


class LineTooLong(ValueError):
    """A line outgrew the buffer before it ended."""


class LineBuffer:
    r"""Collects bytes and gives back complete lines.

    Lines end at ``b"\n"`` and nowhere else: Go leaves U+0085 unescaped inside strings, and the splitting of text that
    httpx and `str.splitlines` do would cut a JSON document there. Decoding only after splitting also keeps characters
    whole that a chunk boundary cuts in two. Blank lines are dropped.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        """`limit` is the longest line in bytes."""
        self._limit = limit
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Returns the lines that `chunk` completes, without their ends. Raises `LineTooLong`."""
        if b"\n" not in chunk:
            self._held += chunk
            if len(self._held) > self._limit:
                raise LineTooLong
            return []
        first, *others = chunk.split(b"\n")
        self._held += first
        lines = [bytes(self._held), *others[:-1]]
        self._held = bytearray(others[-1])
        if max(map(len, (*lines, self._held))) > self._limit:
            raise LineTooLong
        return [line for line in lines if line.strip()]

    def rest(self) -> bytes:
        """Returns what came after the last line end, as the final line of a body that has no end of line there."""
        rest = bytes(self._held)
        self._held.clear()
        return rest if rest.strip() else b""
