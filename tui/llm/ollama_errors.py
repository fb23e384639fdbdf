"""What Ollama says when it refuses, in words a person can act upon.

Statuses and texts are those of server/routes.go, llm/server.go and llm/llama_server.go, v0.24.0 and v0.33.0 (2026-08).
Texts differ between releases and engines, so they are matched loosely.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tui.core.errors import (
    AnswererBusy,
    AnswererError,
    AnswererUnavailable,
    AnswerInterrupted,
    ModelMissing,
    PromptTooLong,
)
from tui.core.text import shorten
from tui.llm.ollama_host import OllamaHost
from tui.llm.ollama_models import same_family

_QUOTED = 300
_OVERFLOW = ("exceed", "longer than", "too long", "too large", "larger than")
_MEMORY = ("more system memory", "out of memory", "out-of-memory", "cudamalloc failed", "resource limitations")
_WITHHELD = "A secret is set but never sent over plain http to another machine: use https:// in OLLAMA_HOST."
_CHOOSE = "Choose another model with RAGFOOD_MODEL."


@dataclass(frozen=True, slots=True)
class ServerReport:
    """An error as the server told it, unwrapped.

    `status` is the HTTP status; 200 for an error line inside a stream. `message` is raw text from outside, empty when
    the body was. `from_ollama` is false when the body is not the JSON document that Ollama sends. The token counts are
    those of an overlong prompt and of the model's window, None when not told.
    """

    status: int
    message: str
    from_ollama: bool = True
    kind: str = ""
    signin_url: bool = False
    prompt_tokens: int | None = None
    window: int | None = None


def read_report(status: int, body: bytes) -> ServerReport:
    """Reads the body of a refusal: JSON, JSON in a JSON string (as llama-server's errors come), text or nothing."""
    text = body.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ServerReport(status, text, from_ollama=False)
    return report_of(status, value)


def report_of(status: int, value: object) -> ServerReport:
    """Reads a decoded error document or error line."""
    if not isinstance(value, Mapping) or "error" not in value:
        return ServerReport(status, json.dumps(value)[:_QUOTED], from_ollama=False)
    inner = _innermost(value["error"])
    if not isinstance(inner, Mapping):
        return ServerReport(status, str(inner), signin_url="signin_url" in value)
    return ServerReport(
        status,
        str(inner.get("message") or json.dumps(inner)[:_QUOTED]),
        kind=str(inner.get("type") or ""),
        signin_url="signin_url" in value,
        prompt_tokens=_count(inner.get("n_prompt_tokens")),
        window=_count(inner.get("n_ctx")),
    )


def _innermost(value: object) -> object:
    for _ in range(8):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return value
        elif isinstance(value, Mapping) and "error" in value:
            value = value["error"]
        else:
            return value
    return str(value)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def error_from(report: ServerReport, host: OllamaHost, model: str, *, key_withheld: bool = False) -> AnswererError:
    """Returns the typed error for a report. `key_withheld` says that a key is set but was not sent in the clear."""
    if not report.from_ollama:
        return _foreign(report, host, key_withheld)
    model = shorten(model, 100)
    text, said = report.message.lower(), shorten(report.message, _QUOTED).rstrip(".")
    if report.kind == "exceed_context_size_error" or ("context" in text and any(word in text for word in _OVERFLOW)):
        return _too_long(report, model)
    if report.status == 200:
        return AnswerInterrupted(
            f"Ollama stopped in the middle of the answer: {said or 'no reason given'}.",
            hint="What came before is kept. Ask again; if it happens again, see the log of `ollama serve`.",
        )
    if model and (report.status == 404 or text.startswith("model ")) and "not found" in text:
        return model_missing(host, model, None)
    if report.status in (429, 503) or "server busy" in text:
        return AnswererBusy(
            f"Ollama at {host.address} is busy: {said}." if said else f"Ollama at {host.address} is busy.",
            hint="Other requests are waiting there; ask again in a moment.",
        )
    if report.status in (401, 403):
        return _unauthorised(report, host, model, said, key_withheld)
    if any(word in text for word in _MEMORY):
        return AnswererUnavailable(
            f"Ollama could not run {model}: {said}.",
            hint="Close other programs, or choose a smaller model with RAGFOOD_MODEL, for example llama3.2:1b.",
        )
    if "does not support" in text or "invalid model name" in text or "model is required" in text:
        return AnswererUnavailable(f"{model} cannot be used for this: {said}.", hint=_CHOOSE)
    return AnswererUnavailable(
        f"Ollama failed with status {report.status}: {said or 'no reason given'}.",
        hint="Ask again; if it happens again, see the log of `ollama serve`.",
    )


def _foreign(report: ServerReport, host: OllamaHost, key_withheld: bool) -> AnswererError:
    if report.status in (401, 407):
        return AnswererUnavailable(
            f"Something in front of Ollama at {host.address} asks for a login (status {report.status}).",
            hint=_WITHHELD if key_withheld else "Give it in OLLAMA_HOST, as in https://user:password@host.",
        )
    if report.status in (502, 503, 504):
        return AnswererUnavailable(
            f"Something in front of Ollama at {host.address} cannot reach it (status {report.status}).",
            hint="See whether `ollama serve` runs behind it; if a proxy is not meant to be there, add it to NO_PROXY.",
        )
    if report.status == 403 and not report.message:
        return AnswererUnavailable(
            f"Ollama at {host.address} refuses requests under that name (status 403 without a reason).",
            hint="Reach it as 127.0.0.1, or let the proxy in front of it send `Host: localhost:11434`.",
        )
    if 300 <= report.status < 400:
        return AnswererUnavailable(
            f"{host.address} redirects to another address (status {report.status}), and redirects are not followed.",
            hint="Set OLLAMA_HOST to the address that answers in the end.",
        )
    quoted = "a web page" if _is_markup(report.message) else repr(shorten(report.message, 80))
    if not report.message:
        quoted = "an empty reply"
    return AnswererUnavailable(
        f"What answers at {host.address} is not Ollama: status {report.status}, {quoted}.",
        hint="Check OLLAMA_HOST; a proxy in between can also be the cause, then add the host to NO_PROXY.",
    )


def _is_markup(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def _too_long(report: ServerReport, model: str) -> PromptTooLong:
    sizes = ""
    if report.prompt_tokens is not None and report.window is not None:
        sizes = f": {report.prompt_tokens:,} tokens for a window of {report.window:,}"
    return PromptTooLong(
        f"The prompt does not fit the context window of {model}{sizes}.",
        hint="Use fewer sources (RAGFOOD_TOP_K), or give Ollama a larger window: OLLAMA_CONTEXT_LENGTH on its side.",
    )


def _unauthorised(
    report: ServerReport, host: OllamaHost, model: str, said: str, key_withheld: bool
) -> AnswererUnavailable:
    if key_withheld:
        hint = _WITHHELD
    elif report.signin_url or host.is_loopback:
        hint = f"{model} runs in Ollama's cloud: `ollama signin` there, or choose a local model with RAGFOOD_MODEL."
    else:
        hint = "Check the key in OLLAMA_API_KEY; it is sent only when OLLAMA_HOST is set in the same place."
    return AnswererUnavailable(f"Ollama at {host.address} refuses: {said or f'status {report.status}'}.", hint=hint)


def model_missing(host: OllamaHost, model: str, installed: Sequence[str] | None) -> ModelMissing:
    """Returns the error for an absent model; `installed` are the names the server has, None when not known."""
    name = shorten(model, 100)
    hint = f"Get it with `ollama pull {name}`"
    relatives = [shorten(each, 100) for each in installed or () if same_family(each, model)]
    if relatives:
        hint += f", or use what is installed: RAGFOOD_MODEL={relatives[0]}"
    hint += "."
    if installed is not None:
        shown = ", ".join(shorten(each, 100) for each in installed[:8]) + (", …" if len(installed) > 8 else "")
        hint += f" Installed: {shown}." if installed else " No model is installed yet."
    return ModelMissing(f"Ollama at {host.address} does not have the model {name}.", hint=hint)
