"""The answerer that writes with a language model on an Ollama server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from tui.core.clock import Clock
from tui.core.errors import AnswererError, AnswerInterrupted, ModelMissing, PromptTooLong
from tui.core.text import clean, clean_line
from tui.llm.base import AnswerFinished, AnswerPart, Availability, ModelLoading, Prompt, TextDelta, ThinkingDelta
from tui.llm.ollama_client import OllamaClient
from tui.llm.ollama_errors import model_missing
from tui.llm.ollama_host import CLOUD_HOST, OllamaHost, parse_ollama_host
from tui.llm.ollama_http import Timeouts, check_api_key
from tui.llm.ollama_models import InstalledModel, same_model, shows_to_be_remote
from tui.llm.ollama_wire import MAX_TOKENS_WITH_THINKING, ChatChunk, ChatOptions

if TYPE_CHECKING:
    from tui.core.secret import Secret

CHECK_SECONDS = 2.5
PROBE_SECONDS = 0.5
"""How long a look at the loaded models may hold up a chat: the server can block it while it loads one."""

BYTES_PER_TOKEN = 4.0
"""Of UTF-8, for an estimate: English runs at 4 to 5 with Llama 3's tokenizer, code and other scripts at less."""
SUSPICIOUS_SHARE = 0.6
"""A prompt counted below this share of its estimate has lost something."""
SMALLEST_DEFAULT_WINDOW = 2048
"""Tokens; Ollama's default up to v0.6.6, larger since (facts of 2026-08). Half of it is the shortest cut prompt."""

_UNFINISHED = re.compile("(?:\r|[\ud800-\udbff]|\x1b(?:\\[[0-?]{0,32}[ -/]{0,8})?|\x9b[0-?]{0,32}[ -/]{0,8})\\Z")


class OllamaAnswerer:
    """Streams answers of one model on one server.

    Connects on first use. Everything it yields or raises is safe to show in a terminal. Closing a stream or cancelling
    its task closes the connection, upon which Ollama stops writing (or loading).
    """

    def __init__(
        self,
        host: str | OllamaHost,
        model: str,
        *,
        api_key: Secret | None = None,
        clock: Clock,
        options: ChatOptions | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """`host` follows the rules of OLLAMA_HOST. Raises `SettingsError` when it, or the key, can never work."""
        check_api_key(api_key)
        self._host = parse_ollama_host(host) if isinstance(host, str) else host
        self._model = model.strip()
        self._clock = clock
        self._options = options or ChatOptions()
        self._client = OllamaClient(self._host, api_key=api_key, timeouts=timeouts)
        self._capabilities: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"OllamaAnswerer({clean_line(self._model)} at {self._host.address})"

    @property
    def name(self) -> str:
        """The model's name as configured."""
        return clean_line(self._model)

    @property
    def host(self) -> OllamaHost:
        """The server's address."""
        return self._host

    async def check(self) -> Availability:
        """Tells within `CHECK_SECONDS` whether the server runs and has the model. Raises nothing."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._find_model()
        except TimeoutError:
            return Availability(
                False,
                f"Ollama at {self._host.address} has not answered within {CHECK_SECONDS} s.",
                "It may be busy, or OLLAMA_HOST points to something else; try again.",
            )
        except AnswererError as error:
            return Availability(False, error.message, error.hint)
        if self._capabilities is not None and "completion" not in self._capabilities:
            return Availability(
                False, f"{self.name} cannot write answers.", "Choose a chat model with RAGFOOD_MODEL, such as llama3.2."
            )
        return Availability(True)

    async def models(self) -> tuple[str, ...]:
        """Returns the names of the installed models, newest first."""
        return tuple(model.name for model in await self._client.tags())

    async def preload(self) -> None:
        """Loads the model into memory, so that the first answer comes sooner. Takes as long as that takes."""
        await self._client.preload(self._model, self._chat_options())

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart, None]:
        """Yields the parts of one answer, `AnswerFinished` last; see `Answerer.stream`.

        Raises `AnswerInterrupted` also when the model was done without writing anything, or only reasoned.
        """
        if self._options.think is not None and self._capabilities is None:
            self._capabilities = (await self._client.show(self._model)).capabilities or frozenset()
        loaded, window = await self._memory()
        if loaded is False:
            yield ModelLoading(self.name)
        progress = _Progress(self._clock)
        try:
            async with aclosing(self._client.chat(self._model, prompt.messages, self._chat_options())) as chunks:
                async for chunk in chunks:
                    for part in progress.parts(chunk):
                        yield part
                    if chunk.done and not progress.wrote:
                        raise self._wrote_nothing(progress, chunk.reason)
                    if chunk.done:
                        yield progress.finished(chunk, await self._is_truncated(prompt, chunk, window))
        except ModelMissing as error:
            raise await self._missing() from error

    async def aclose(self) -> None:
        """Closes the connections. Safe to call twice."""
        await self._client.aclose()

    def _chat_options(self) -> ChatOptions:
        """Returns the options of every request to this model, adapted to what it can do as far as that is known."""
        options = self._options
        if "thinking" not in (self._capabilities or ()):
            return replace(options, think=None)
        return replace(options, num_predict=max(options.num_predict, MAX_TOKENS_WITH_THINKING))

    async def _find_model(self) -> None:
        """Remembers what the model can do. Raises `ModelMissing`."""
        installed = await self._client.tags()
        found = next((each for each in installed if same_model(each.name, self._model)), None)
        if found is not None and found.capabilities is not None:
            self._capabilities = found.capabilities
            return
        try:
            self._capabilities = (await self._client.show(self._model)).capabilities
        except ModelMissing as error:
            raise self._missing_among(installed) from error
        except AnswererError:
            # It is installed, and what it can do shows when it is asked.
            if found is None:
                raise

    async def _missing(self) -> ModelMissing:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return self._missing_among(await self._client.tags())
        except (AnswererError, TimeoutError):
            return model_missing(self._host, self._model, None)

    def _missing_among(self, installed: tuple[InstalledModel, ...]) -> ModelMissing:
        return model_missing(self._host, self._model, [each.name for each in installed])

    async def _memory(self) -> tuple[bool | None, int | None]:
        """Returns whether the model is in memory, and its window in tokens; None for what is not told at once.

        Models of Ollama's cloud are never in memory.
        """
        if shows_to_be_remote(self._model) or self._host.host == CLOUD_HOST:
            return None, None
        try:
            loaded = await self._client.ps(within=PROBE_SECONDS)
        except AnswererError:
            return None, None
        for each in loaded:
            if same_model(each.name, self._model):
                return True, each.context_length
        return False, None

    async def _is_truncated(self, prompt: Prompt, chunk: ChatChunk, window: int | None) -> bool:
        """Whether the server dropped a part of the prompt although it was asked not to (servers before v0.12.6).

        No field says so. What is left is the count of tokens after the cut: far below what the prompt must have, or
        exactly the window.
        """
        counted = chunk.prompt_eval_count
        estimate = sum(len(message.content.encode("utf-8", "replace")) for message in prompt.messages) / BYTES_PER_TOKEN
        if counted is None or estimate < SMALLEST_DEFAULT_WINDOW / 2:
            return False
        window = self._options.num_ctx or window or (await self._memory())[1]
        if window is not None and counted >= window:
            return True
        return counted < SUSPICIOUS_SHARE * estimate and (window is None or estimate > window / 2)

    def _wrote_nothing(self, progress: _Progress, reason: str) -> AnswererError:
        if not progress.thought and reason == "length":
            return PromptTooLong(
                f"The prompt left {self.name} no room in its context window to write an answer.",
                hint="Use fewer sources (RAGFOOD_TOP_K), or give Ollama a larger window: OLLAMA_CONTEXT_LENGTH there.",
            )
        if not progress.thought:
            return AnswerInterrupted(f"{self.name} finished without writing anything.", hint="Ask again.")
        cut = " until its limit of tokens was used up" if reason == "length" else ""
        return AnswerInterrupted(
            f"{self.name} only reasoned{cut} and wrote no answer.",
            hint="Ask again, or choose a model that does not reason first with RAGFOOD_MODEL, such as llama3.2.",
        )


class _Progress:
    """What one answer has come to so far."""

    def __init__(self, clock: Clock) -> None:
        self.wrote = False
        self.thought = False
        self._clock = clock
        self._began: float | None = None
        self._content = _SafeStream()
        self._thinking = _SafeStream()

    def parts(self, chunk: ChatChunk) -> list[AnswerPart]:
        """Returns what a chunk adds, made safe; the final chunk also releases what was held back."""
        if self._began is None:
            self._began = self._clock.monotonic()
        parts: list[AnswerPart] = []
        if thinking := self._thinking.add(chunk.thinking, last=chunk.done):
            self.thought = self.thought or bool(thinking.strip())
            parts.append(ThinkingDelta(thinking))
        if content := self._content.add(chunk.content, last=chunk.done):
            self.wrote = self.wrote or bool(content.strip())
            parts.append(TextDelta(content))
        return parts

    def finished(self, chunk: ChatChunk, truncated: bool) -> AnswerFinished:
        """Returns the end of the answer, with our own stopwatch where the server gives no duration."""
        seconds = _seconds(chunk.eval_duration)
        if seconds is None and self._began is not None:
            seconds = self._clock.monotonic() - self._began
        return AnswerFinished(
            reason=clean_line(chunk.reason),
            prompt_tokens=chunk.prompt_eval_count,
            answer_tokens=chunk.eval_count,
            load_seconds=_seconds(chunk.load_duration),
            answer_seconds=seconds,
            truncated=truncated,
        )


class _SafeStream:
    """Cleans a text that comes in pieces: what only makes sense with its continuation waits for it.

    That is the first half of a line end, of a terminal sequence or of a surrogate pair. Held text is bounded.
    """

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str, *, last: bool) -> str:
        text, self._held = self._held + piece, ""
        if not text:
            return ""
        unfinished = None if last else _UNFINISHED.search(text, max(0, len(text) - 48))
        if unfinished is not None:
            text, self._held = text[: unfinished.start()], text[unfinished.start() :]
        # Joins surrogates that belong together and leaves lone ones to `clean`.
        joined = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return clean(joined)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
