"""A small HTTP/1.1 server with the manners of Go's net/http, and with control over every byte it sends.

Ready-made servers decide by themselves when headers leave and how a body is cut; an emulator of Ollama has to withhold
headers, cut characters in two, vanish in the middle of a chunk, and notice at once when its client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

MAX_HEAD_BYTES = 1 << 20  # net/http DefaultMaxHeaderBytes


@dataclass(frozen=True)
class Request:
    """A request as it came; header names in lower case. `complete` is false when the body was cut short."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    complete: bool = True


Handler = Callable[[Request, "Responder"], Awaitable[None]]


@dataclass
class Responder:
    """Writes one response. `phase` is what a handler is busy with, for the record of a disconnect."""

    transport: asyncio.Transport
    writable: asyncio.Event
    head_only: bool = False
    rechunk: int = 0
    phase: str = "handling"
    started: bool = False
    finished: bool = False
    aborted: bool = False
    extra_headers: dict[str, str] = field(default_factory=dict)

    async def send(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Sends a whole response with a Content-Length."""
        self._head(status, {**({"Content-Type": content_type} if content_type else {}), **(headers or {})}, len(body))
        self.transport.write(b"" if self.head_only else body)
        self.finished = True
        await self.writable.wait()

    def start(self, status: int, content_type: str) -> None:
        """Sends the headers of a chunked response."""
        self._head(status, {"Content-Type": content_type, "Transfer-Encoding": "chunked"}, None)

    async def write(self, data: bytes) -> None:
        """Sends a piece of a chunked body, in pieces of `rechunk` bytes where that is set."""
        step = self.rechunk or len(data)
        for offset in range(0, len(data), step):
            piece = data[offset : offset + step]
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if self.rechunk:
                await asyncio.sleep(0)
        await self.writable.wait()

    def end(self) -> None:
        """Ends a chunked body properly."""
        self.transport.write(b"0\r\n\r\n")
        self.finished = True

    def abort(self) -> None:
        """Drops the connection without another byte."""
        self.aborted = self.finished = True
        self.transport.abort()

    def _head(self, status: int, headers: dict[str, str], length: int | None) -> None:
        lines = [f"HTTP/1.1 {status} {_reason(status)}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **self.extra_headers}.items()]
        lines.append(f"Date: {formatdate(usegmt=True)}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        self.started = True


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status code {status}"  # as net/http words 499


class Connection(asyncio.Protocol):
    """One client connection, one request at a time. A client that goes away cancels its request."""

    def __init__(
        self, handler: Handler, on_disconnect: Callable[[Request, Responder], None], open_connections: set[Connection]
    ) -> None:
        self._handler = handler
        self._on_disconnect = on_disconnect
        self._open = open_connections
        self._buffer = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self._current: tuple[Request, Responder, asyncio.Task[None]] | None = None
        self.rechunk = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def eof_received(self) -> bool:
        if self._current is not None:
            self._gone()
            return False
        request = self._parse(at_end=True)
        if request is None:
            return False
        self._begin(request)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._writable.set()
        self._gone()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def close(self) -> None:
        """Cancels what is under way and drops the connection."""
        current = self._current
        self._current = None
        if self._transport is not None:
            self._transport.abort()
        if current is not None:
            current[2].cancel()
            await asyncio.gather(current[2], return_exceptions=True)

    def _gone(self) -> None:
        if self._current is None:
            return
        request, responder, task = self._current
        self._current = None
        if not responder.finished:
            self._on_disconnect(request, responder)
        task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        if self._current is None and (request := self._parse(at_end=False)) is not None:
            self._begin(request)

    def _begin(self, request: Request) -> None:
        assert self._transport is not None
        responder = Responder(self._transport, self._writable, head_only=request.method == "HEAD", rechunk=self.rechunk)
        task = asyncio.get_running_loop().create_task(self._serve(request, responder))
        self._current = (request, responder, task)

    async def _serve(self, request: Request, responder: Responder) -> None:
        await self._handler(request, responder)
        assert self._transport is not None
        self._current = None
        if responder.aborted:
            return
        if request.headers.get("connection", "").lower() == "close" or not request.complete:
            self._transport.close()
            return
        self._next()

    def _parse(self, *, at_end: bool) -> Request | None:
        """Takes one request off the buffer when it is there; `at_end` also one whose body was cut short."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES and self._transport is not None:
                self._transport.abort()
            return None
        request_line, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, target, _ = (*request_line.split(" "), "", "")[:3]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length") or 0)
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        if len(body) < length and not at_end:
            return None
        del self._buffer[: end + 4 + length]
        return Request(method, unquote(urlsplit(target).path), headers, body, complete=len(body) == length)
