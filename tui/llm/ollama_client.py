"""Ollama's HTTP API, from the side of a client that shows every token and can be stopped at any moment.

The awkward rules of the wire live here: response headers are withheld until the first token exists, so nothing times
out before it; a stream can fail after status 200, or just end; a refusal can be JSON, JSON in JSON, text or nothing.
Text is handed on as it came; making it safe for a terminal is the caller's job, except in errors, which are safe.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from tui.core.errors import AnswererError, AnswererUnavailable, AnswerInterrupted
from tui.core.text import clean_line, shorten
from tui.llm.base import Message
from tui.llm.ndjson import LineBuffer, LineTooLong
from tui.llm.ollama_errors import error_from, read_report, report_of
from tui.llm.ollama_host import OllamaHost
from tui.llm.ollama_http import Timeouts, key_is_withheld, open_session
from tui.llm.ollama_models import InstalledModel, LoadedModel, ModelInfo
from tui.llm.ollama_wire import ChatChunk, ChatOptions, is_chat_object, number, read_chunk, rows, text, words

if TYPE_CHECKING:
    import httpx

    from tui.core.secret import Secret

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""Longest plain JSON reply we read; /api/show lists every tensor, /api/embed a batch of vectors."""
MAX_REFUSAL_BYTES = 64 * 1024
DRAIN_SECONDS = 0.25


class OllamaClient:
    """A client of one server. Connections open on first use; httpx is imported then, off the event loop.

    Every method raises `AnswererUnavailable` when the server cannot be reached, refuses or is not Ollama, and the other
    subclasses of `AnswererError` as they fit. Cancelling a call closes its connection, which makes Ollama stop.
    """

    def __init__(self, host: OllamaHost, *, api_key: Secret | None = None, timeouts: Timeouts | None = None) -> None:
        """Keeps the address and key; connects to nothing."""
        self.host = host
        self._api_key = api_key
        self._timeouts = timeouts or Timeouts.for_host(host)
        self._session: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    def __repr__(self) -> str:
        return f"OllamaClient({self.host.address})"

    async def version(self) -> str:
        """Returns the server's version as it tells it, for example ``0.33.0`` or ``0.5.1-rc2``."""
        return clean_line(text(await self._document("GET", "/api/version"), "version"))

    async def tags(self) -> tuple[InstalledModel, ...]:
        """Returns the installed models, newest first."""
        return tuple(
            InstalledModel(
                name=clean_line(text(row, "name") or text(row, "model")),
                size=number(row, "size") or 0,
                digest=clean_line(text(row, "digest")),
                capabilities=words(row, "capabilities"),
                context_length=number(row.get("details"), "context_length"),
                remote=bool(text(row, "remote_host")),
            )
            for row in rows(await self._document("GET", "/api/tags"), "models", self.host)
        )

    async def show(self, model: str) -> ModelInfo:
        """Returns what a model can do. Raises `ModelMissing` when it is not installed."""
        document = await self._document("POST", "/api/show", {"model": model}, model=model)
        info = document.get("model_info")
        architecture = text(info, "general.architecture")
        return ModelInfo(words(document, "capabilities"), number(info, f"{architecture}.context_length"))

    async def ps(self, *, within: float | None = None) -> tuple[LoadedModel, ...]:
        """Returns the models in memory. The server may hold this back while it loads one, hence `within` seconds."""
        document = await self._document("GET", "/api/ps", within=within)
        return tuple(
            LoadedModel(
                name=clean_line(text(row, "name") or text(row, "model")),
                context_length=number(row, "context_length"),
                expires_at=clean_line(text(row, "expires_at")),
            )
            for row in rows(document, "models", self.host)
        )

    async def preload(self, model: str, options: ChatOptions) -> None:
        """Loads a model, with the same options as later chats, because others would load it again. Takes its time."""
        payload = {"model": model, "messages": [], **options.payload()}
        await self._document("POST", "/api/chat", payload, model=model, within=math.inf)

    async def embed(self, model: str, inputs: Sequence[str], *, truncate: bool = False) -> list[list[float]]:
        """Returns one unit vector per input, in their order; loads the model first where needed.

        A text beyond the model's window raises `PromptTooLong` unless `truncate` allows to cut its end off.
        """
        payload = {"model": model, "input": list(inputs), "truncate": truncate}
        document = await self._document("POST", "/api/embed", payload, model=model, within=math.inf)
        vectors = document.get("embeddings")
        if not isinstance(vectors, list) or len(vectors) != len(inputs) or not all(map(_is_vector, vectors)):
            raise AnswererUnavailable(
                f"Ollama answered {shorten(model)} with something other than {len(inputs)} vectors.",
                hint="Check that RAGFOOD_EMBED_MODEL names an embedding model.",
            )
        return cast("list[list[float]]", vectors)

    async def chat(
        self, model: str, messages: Sequence[Message], options: ChatOptions
    ) -> AsyncGenerator[ChatChunk, None]:
        """Yields the pieces of one answer; the last has `done`.

        Close the generator to stop the generation. Raises `AnswerInterrupted` when the stream ends, breaks or stalls
        before the model was done; the pieces before that are valid.
        """
        payload = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
            **options.payload(),
        }
        async with (
            self._response("POST", "/api/chat", payload, model=model) as response,
            aclosing(self._objects(response, model)) as objects,
        ):
            async for value in objects:
                chunk = read_chunk(value)
                yield chunk
                if chunk.done:
                    await _drain(objects)
                    return
        raise AnswerInterrupted(
            f"{shorten(model)} ended its answer without saying that it was done.",
            hint="What came before is kept. Small models can get stuck repeating themselves; ask again.",
        )

    async def aclose(self) -> None:
        """Closes every connection. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.aclose()

    async def _objects(self, response: httpx.Response, model: str) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yields the objects of a stream, errors turned into exceptions before anything else is looked at."""
        lines = LineBuffer()
        begun = False
        async with aclosing(self._chunks(response, model)) as chunks:
            async for chunk in chunks:
                try:
                    complete = lines.feed(chunk) if chunk else [lines.rest()]
                except LineTooLong as error:
                    raise self._not_ollama("a line without end") from error
                for line in filter(None, complete):
                    value = self._object(line)
                    if value.get("error"):
                        raise error_from(report_of(200 if begun else 500, value), self.host, model)
                    if not begun and not is_chat_object(value):
                        raise self._not_ollama("JSON of another kind")
                    begun = True
                    yield value

    async def _chunks(self, response: httpx.Response, model: str) -> AsyncGenerator[bytes, None]:
        """Yields the body as it arrives and an empty chunk at its end; waits for the first one as long as it takes."""
        limit: float | None = None
        received = cast("AsyncGenerator[bytes, None]", response.aiter_bytes())
        async with aclosing(received):
            while True:
                try:
                    async with asyncio.timeout(limit):
                        chunk = await anext(received, b"")
                except TimeoutError as error:
                    raise AnswerInterrupted(
                        f"{shorten(model)} has written nothing for {self._timeouts.stall:.0f} s and was stopped.",
                        hint="What came before is kept. See whether the machine running Ollama is overloaded.",
                    ) from error
                yield chunk
                if not chunk:
                    return
                limit = self._timeouts.stall

    def _object(self, line: bytes) -> Mapping[str, Any]:
        try:
            value = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError) as error:
            raise self._not_ollama("text instead of JSON") from error
        if not isinstance(value, dict):
            raise self._not_ollama("JSON of another kind")
        return value

    async def _document(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None = None,
        *,
        model: str = "",
        within: float | None = None,
    ) -> Mapping[str, Any]:
        """Returns a plain JSON reply, read within `within` seconds (the usual limit when None)."""
        limit = self._timeouts.reply if within is None else within
        try:
            async with (
                asyncio.timeout(None if math.isinf(limit) else limit),
                self._response(method, path, payload, model=model) as response,
            ):
                body = await _read(response, MAX_DOCUMENT_BYTES)
        except TimeoutError as error:
            raise AnswererUnavailable(
                f"Ollama at {self.host.address} accepts connections but has not answered within {limit:.1f} s.",
                hint="It may be busy loading a model; try again, or restart `ollama serve`.",
            ) from error
        value = self._object(body)
        if value.get("error"):
            raise error_from(report_of(500, value), self.host, model)
        return value

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, payload: Mapping[str, Any] | None, *, model: str
    ) -> AsyncGenerator[httpx.Response, None]:
        """Opens a request; refusals and everything that breaks underneath come out as typed errors."""
        session = await self._opened()
        import httpx

        body = None if payload is None else json.dumps(payload).encode()
        answered = False
        try:
            async with session.stream(method, f"{self.host.url}{path}", content=body) as response:
                if response.status_code != 200:
                    raise await self._refusal(response, model)
                answered = True
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._broken(error, answered) from error

    async def _refusal(self, response: httpx.Response, model: str) -> AnswererError:
        try:
            async with asyncio.timeout(self._timeouts.reply):
                body = await _read(response, MAX_REFUSAL_BYTES)
        except TimeoutError:
            body = b""
        report = read_report(response.status_code, body)
        return error_from(report, self.host, model, key_withheld=key_is_withheld(self.host, self._api_key))

    async def _opened(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._session is None:
                self._session = await asyncio.to_thread(open_session, self.host, self._api_key, self._timeouts)
            return self._session

    def _broken(self, error: Exception, answered: bool) -> AnswererError:
        """Returns what a person can act upon; `answered` says that the reply had begun."""
        import httpx

        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return self._unreachable(error)
        if not isinstance(error, (httpx.RemoteProtocolError, httpx.NetworkError)):
            return AnswererUnavailable(
                f"Ollama at {self.host.address} cannot be used: {shorten(str(error)) or type(error).__name__}.",
                hint="Check OLLAMA_HOST and the proxy variables.",
            )
        kind = AnswerInterrupted if answered else AnswererUnavailable
        return kind(
            f"The connection to Ollama at {self.host.address} broke off.",
            hint="See whether `ollama serve` is still running there, then ask again.",
        )

    def _unreachable(self, error: Exception) -> AnswererError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return AnswererUnavailable(
                f"The certificate of {self.host.address} cannot be verified.",
                hint="Point SSL_CERT_FILE to the certificate authority's file, or check OLLAMA_HOST.",
            )
        if self.host.is_loopback:
            return AnswererUnavailable(
                f"Ollama is not running at {self.host.address}.",
                hint="Start it with `ollama serve`, or set OLLAMA_HOST to where it runs.",
            )
        return AnswererUnavailable(
            f"Ollama cannot be reached at {self.host.address}.",
            hint="Check OLLAMA_HOST, the network, and that Ollama listens there (OLLAMA_HOST=0.0.0.0 on its side)"
            + ("." if self.host.is_private else "; a proxy variable may be in the way."),
        )

    def _not_ollama(self, what: str) -> AnswererUnavailable:
        return AnswererUnavailable(
            f"What answers at {self.host.address} is not Ollama: it sent {what}.",
            hint="Check OLLAMA_HOST; a proxy in between can also be the cause, then add the host to NO_PROXY.",
        )


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Reads a body up to `limit` bytes; the rest is left unread."""
    body = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                break
    return bytes(body[:limit])


async def _drain(objects: AsyncGenerator[Mapping[str, Any], None]) -> None:
    """Reads past the final object, so that the connection can be used again; gives up at once on a slow end."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in objects:
                pass
    except (TimeoutError, AnswererError):
        return


def _is_vector(value: object) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(x, (int, float)) and math.isfinite(x) for x in value)
    )
