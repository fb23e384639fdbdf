"""The shapes of Ollama's chat API, read tolerantly: a field may be missing, and one of another type counts so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tui.core.errors import AnswererUnavailable
from tui.llm.ollama_host import OllamaHost

MAX_TOKENS = 1024
"""Longest answer asked for. Without it Ollama writes up to ten context windows, and small models do get stuck."""
MAX_TOKENS_WITH_THINKING = 4096
"""The same for models that think first: their reasoning counts, and cut short it leaves no answer at all."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How to answer. None leaves a value to the server and its Modelfile.

    `num_ctx` is the window in tokens: any change of it makes Ollama load the model again, so one value holds for a
    model's whole life, and None (the default) shares a model that is loaded already. `think` is a switch or a level
    (``low``, ``medium``, ``high``) and may only be set for models that can think. `keep_alive` is Ollama's duration
    (``10m``, ``-1s`` for ever) that the model stays in memory afterwards.
    """

    temperature: float | None = 0.2
    num_predict: int = MAX_TOKENS
    num_ctx: int | None = None
    seed: int | None = None
    think: bool | str | None = None
    keep_alive: str | None = None

    def payload(self) -> dict[str, Any]:
        """Returns the fields of a request, with the types that Ollama insists on.

        `truncate` and `shift` ask for an error instead of a silently shortened prompt (v0.12.6 and later; others
        ignore them). The price: from v0.30 on, a model that another program loaded with `shift` is loaded again.
        """
        options: dict[str, Any] = {"num_predict": int(self.num_predict)}
        if self.temperature is not None:
            options["temperature"] = float(self.temperature)
        if self.num_ctx is not None:
            options["num_ctx"] = int(self.num_ctx)
        if self.seed is not None:
            options["seed"] = int(self.seed)
        fields: dict[str, Any] = {"truncate": False, "shift": False, "options": options}
        if self.think is not None:
            fields["think"] = self.think
        if self.keep_alive is not None:
            fields["keep_alive"] = self.keep_alive
        return fields


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """One object of a chat stream, text unsafe as it came. Only the last has `done`, `reason` and the numbers.

    Durations are in nanoseconds, as sent; every number is None when it was left out, which Ollama does with zeros.
    """

    content: str = ""
    thinking: str = ""
    done: bool = False
    reason: str = ""
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


def read_chunk(value: Mapping[str, Any]) -> ChatChunk:
    """Reads one object of a chat stream. A `done_reason` alone also ends it (seen from a server without `done`)."""
    message = value.get("message")
    reason = text(value, "done_reason")
    return ChatChunk(
        content=text(message, "content"),
        thinking=text(message, "thinking"),
        done=value.get("done") is True or bool(reason),
        reason=reason,
        load_duration=number(value, "load_duration"),
        prompt_eval_count=number(value, "prompt_eval_count"),
        eval_count=number(value, "eval_count"),
        eval_duration=number(value, "eval_duration"),
    )


def is_chat_object(value: Mapping[str, Any]) -> bool:
    """Whether an object can belong to a chat stream at all."""
    return isinstance(value.get("message"), Mapping) or "done" in value or "done_reason" in value


def text(value: object, key: str) -> str:
    """Returns a string field, empty when it is missing or something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def number(value: object, key: str) -> int | None:
    """Returns a count that is zero or more, None when it is missing or something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def words(value: Mapping[str, Any], key: str) -> frozenset[str] | None:
    """Returns a list of names as a set, None when it is missing."""
    found = value.get(key)
    return frozenset(word for word in found if isinstance(word, str)) if isinstance(found, list) else None


def rows(document: Mapping[str, Any], key: str, host: OllamaHost) -> list[Mapping[str, Any]]:
    """Returns a list of objects; null means none. Raises `AnswererUnavailable` when the document is of another kind."""
    found = document.get(key, ...)
    if found is None:
        return []
    if not isinstance(found, list):
        raise AnswererUnavailable(
            f"What answers at {host.address} is not Ollama: its list of {key} is missing.",
            hint="Check OLLAMA_HOST.",
        )
    return [row for row in found if isinstance(row, Mapping)]
