"""The emulator's /api/chat and /api/generate: checks, context window, streaming, and how they fail."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.ollama_go import go_json, without_empty
from tests.emulators.ollama_http import Responder
from tests.emulators.ollama_models import Era, Model, Refused, Runner
from tests.emulators.ollama_script import Reply

REPEAT_LIMIT = 30  # llm/llama_server.go Completion
IMAGE_TOKENS = 768  # server/prompt.go
NUM_KEEP = 4

_INTEGERS = {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "draft_num_predict"}  # fmt: skip  # noqa: E501
_FLOATS = {"top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty"}


class Dropped(Exception):
    """The connection is to be cut without another byte."""


def count_tokens(text: str) -> int:
    """Counts pieces of up to five characters without the space before them: close to real tokenizers on English."""
    return len(re.findall(r"\S{1,5}|\n", text))


def check_options(options: object) -> dict[str, Any]:
    """Returns the options, unknown ones included; raises for a value of the wrong type, with status 500 as Ollama."""
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise Refused(400, "json: cannot unmarshal array into Go struct field ChatRequest.options of type map[string]interface {}")  # fmt: skip  # noqa: E501
    for name, value in options.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if name in _INTEGERS and not is_number:
            raise Refused(500, f'option "{name}" must be of type integer')
        if name in _FLOATS and not is_number:
            raise Refused(500, f'option "{name}" must be of type float32')
        if name == "stop" and not isinstance(value, list):
            raise Refused(500, 'option "stop" must be of type array')
    return options


def check_think(think: object, model: Model, asked: str, era: Era) -> None:
    """Refuses what the model, or the version, cannot do about thinking."""
    if isinstance(think, str) and think not in (["high", "medium", "low"] + (["max"] if era.since(0, 22) else [])):
        raise Refused(400, f'invalid think value: {go_json(think)} (must be "high", "medium", "low", true, or false)')
    wanted = bool(think) or (think is False and not era.since(0, 12, 5))
    if think is not None and wanted and "thinking" not in model.capabilities:
        raise Refused(400, f'"{asked}" does not support thinking')


def check_images(messages: Sequence[Mapping[str, Any]]) -> None:
    for message in messages:
        for image in message.get("images") or ():
            try:
                base64.b64decode(image, validate=True)
            except (binascii.Error, ValueError):
                raise Refused(400, "illegal base64 data at input byte 0") from None


@dataclass
class Fitted:
    """What the context window left of a prompt: its tokens, and the messages the model sees."""

    tokens: int
    messages: list[Mapping[str, Any]]
    truncated: bool = False


def fit(
    messages: Sequence[Mapping[str, Any]], runner: Runner, era: Era, body: Mapping[str, Any], num_keep: int
) -> Fitted:
    """Makes a prompt fit, in the way of the version and the model, or refuses it.

    First whole messages go, the oldest before the others, never system messages or the last one; then tokens are cut
    so that the first `num_keep` and the tail stay.
    """
    window = runner.num_ctx
    knows_fields = era.since(0, 12, 6)
    truncate = body.get("truncate") is not False or not knows_fields
    shift = body.get("shift") is not False or not knows_fields
    kept = list(messages)
    if truncate:
        while _cost(kept) > window and (oldest := _droppable(kept)) is not None:
            del kept[oldest]
    total = _cost(kept)
    if total <= window - 1:
        return Fitted(total, kept, truncated=len(kept) < len(messages))
    if not truncate or (era.llama_server and runner.model.native):
        raise Refused(400, _overflow(total, window, era))
    if not era.llama_server:
        return Fitted(window, kept, truncated=True)
    if not shift:
        raise Refused(
            400,
            "the prompt is longer than the context length currently available to the model; shorten the prompt, "
            "adjust the context length in settings, or use a model with a longer context length",
        )
    keep = min(num_keep + 1, window - 1)  # the beginning-of-sequence token is kept too
    return Fitted(window - max((window - keep) // 2, 1), kept, truncated=True)


def _cost(messages: Sequence[Mapping[str, Any]]) -> int:
    return 1 + sum(
        4 + count_tokens(str(message.get("content") or "")) + IMAGE_TOKENS * len(message.get("images") or ())
        for message in messages
    )


def _droppable(messages: Sequence[Mapping[str, Any]]) -> int | None:
    return next((at for at, message in enumerate(messages[:-1]) if message.get("role") != "system"), None)


def _overflow(total: int, window: int, era: Era) -> str:
    if not era.llama_server:
        return "the input length exceeds the context length"
    message = f"request ({total} tokens) exceeds the available context size ({window} tokens), try increasing it"
    inner = {
        "code": 400, "message": message, "type": "exceed_context_size_error", "n_prompt_tokens": total, "n_ctx": window,
    }  # fmt: skip
    return json.dumps({"error": inner}, separators=(",", ":"))


@dataclass
class Generation:
    """One answer on its way out. `shape` turns (content, thinking, final fields or None) into an object to send."""

    reply: Reply
    runner: Runner
    prompt_tokens: int
    options: Mapping[str, Any]
    shift: bool
    began: int
    loaded: int
    nanos: Callable[[], int]
    delay: float = 0.0
    repeat_error: bool = False
    emitted: int = 0
    _last: str = ""
    _repeats: int = 0
    _prompted: int = field(default=0, init=False)

    async def parts(self) -> AsyncGenerator[tuple[str, str, dict[str, Any] | None], None]:
        """Yields (content, thinking, final fields); raises `Refused` and `Dropped` where the script says so."""
        self._prompted = self.nanos()
        reason = self.reply.done_reason
        pieces = [("", piece) for piece in self.reply.thinking] + [(piece, "") for piece in self.reply.pieces]
        for content, thinking in pieces:
            if self._is_full():
                reason = "length"
                break
            if not await self._script() or self._stuck(content or thinking):
                return
            yield content, thinking, None
            self.emitted += 1
            if self.delay:
                await asyncio.sleep(self.delay)
        if await self._script():
            yield self.reply.trailing, "", self._final(reason)

    async def _script(self) -> bool:
        """Does what the script wants at this point; false means that the body ends here."""
        reply = self.reply
        if self.emitted != reply.after:
            return True
        if reply.hold is not None:
            await reply.hold.wait()
        if reply.drop:
            raise Dropped
        if reply.error:
            raise Refused(reply.status, reply.error)
        return not reply.eof

    def _stuck(self, piece: str) -> bool:
        """Ollama gives up silently on a model that repeats itself; newer versions say so."""
        self._repeats = self._repeats + 1 if piece.strip() == self._last else 0
        self._last = piece.strip()
        if self._repeats <= REPEAT_LIMIT:
            return False
        if self.repeat_error:
            raise Refused(500, "prediction aborted, token repeat limit reached")
        return True

    def _is_full(self) -> bool:
        limit = int(self.options.get("num_predict", -1))
        most = 10 * self.runner.num_ctx if limit < 0 else limit
        return self.emitted >= most or (not self.shift and self.prompt_tokens + self.emitted >= self.runner.num_ctx)

    def _final(self, reason: str) -> dict[str, Any]:
        now = self.nanos()
        numbers: dict[str, int | None] = {
            "total_duration": now - self.began,
            "load_duration": self.loaded - self.began,
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": self._prompted - self.loaded,
            "eval_count": self.emitted,
            "eval_duration": now - self._prompted,
        }
        fields = {"done_reason": reason, **without_empty(**(numbers | dict(self.reply.metrics)))}
        return fields | dict(self.reply.keys)


class ObjectStream:
    """Sends objects as Ollama does: headers with the first one, a failure before it as a status, later as a line."""

    def __init__(self, out: Responder, era: Era, *, blank_lines: bool = False) -> None:
        self._out = out
        self._era = era
        self._blank_lines = blank_lines

    async def send(self, value: Mapping[str, Any]) -> None:
        if not self._out.started:
            self._out.start(200, "application/x-ndjson")
        await self._out.write((go_json(value) + "\n" + ("\n" * self._blank_lines)).encode())

    async def fail(self, error: Refused) -> None:
        document = {"error": error.message, **error.extra}
        if self._out.started or not self._era.since(0, 12, 6):
            await self.send(document)
            self._out.end()
        else:
            await self._out.send(error.status, "application/json", go_json(document).encode())

    def end(self) -> None:
        if not self._out.started:
            self._out.start(200, "application/x-ndjson")
        self._out.end()
