"""Talks to an emulator in bytes, with a time of day that stands still and a stopwatch that ticks evenly."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

from tests.emulators.ollama import OllamaEmulator

NOW = datetime(2026, 8, 21, 10, 0, 0, 123400, UTC)


def emulate(version: str) -> OllamaEmulator:
    counter = itertools.count(step=1_000_000)
    return OllamaEmulator(version=version, now=lambda: NOW, nanos=lambda: next(counter))


async def raw(emulator: OllamaEmulator, request: bytes) -> tuple[bytes, bytes]:
    """Sends bytes and returns the head without its Date, and the body as it is on the wire."""
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    writer.write(request)
    async with asyncio.timeout(5):
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Date: ")]
    return b"\r\n".join(lines), body


async def ask(
    emulator: OllamaEmulator, method: str, path: str, body: bytes = b"", host: str = ""
) -> tuple[bytes, bytes]:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host or emulator.host}\r\nConnection: close\r\n"
    return await raw(emulator, head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def chunked(*lines: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in lines) + b"0\r\n\r\n"
