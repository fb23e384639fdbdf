"""What a test, or a person trying things by hand, makes the emulator say; and what it says of its own accord."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One scripted answer of /api/chat or /api/generate, piece by piece as the model would emit tokens.

    `after` counts the objects sent before something happens; 0 is before the response headers. `hold` waits for an
    event there, `error` fails there (as a status with `status` when nothing was sent, else as a line), `eof` ends the
    body there without a final object, `drop` cuts the connection. `trailing` is content on the final object,
    `metrics` replaces its numbers (None leaves one out), `keys` drops or replaces its fields (None drops).
    """

    pieces: Sequence[str] = ()
    thinking: Sequence[str] = ()
    done_reason: str = "stop"
    trailing: str = ""
    after: int = 0
    hold: asyncio.Event | None = None
    error: str = ""
    status: int = 500
    eof: bool = False
    drop: bool = False
    metrics: Mapping[str, int | None] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    blank_lines: bool = False


@dataclass(frozen=True)
class Canned:
    """A response that is not Ollama's own: a proxy's page, an empty refusal. `hold` delays it."""

    status: int = 200
    content_type: str = "text/html"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    drop: bool = False


PROXY_PAGE = Canned(502, "text/html", b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
HOST_GUARD = Canned(403, "", b"")

_PASSAGE = re.compile(
    r"^\s*(?:\[(\d+)\]|(\d+)[.:)])\s*(.*?)(?=^\s*(?:\[\d+\]|\d+[.:)])\s|^\s*$|\Z)", re.MULTILINE | re.DOTALL
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def answer_from(messages: Sequence[Mapping[str, Any]], thinking: Sequence[str] = ()) -> Reply:
    """Answers a chat from the numbered passages in its last message, or in any, citing the first ones by number."""
    contents = [str(message.get("content") or "") for message in messages]
    for content in (*reversed(contents[-1:]), *contents[:-1]):
        if passages := _passages(content):
            return Reply(tokens(_sentences(passages)), thinking)
    question = contents[-1].strip().splitlines()[-1:] if contents and contents[-1].strip() else ["nothing"]
    return Reply(tokens(f"I was given no sources, so this is only a guess about: {question[0][:80]}"), thinking)


def tokens(text: str) -> list[str]:
    """Cuts a text as a model streams it: words with the space before them, line ends on their own."""
    return re.findall(r"\n|[^\S\n]*\S+|[^\S\n]+", text)


def _passages(content: str) -> list[tuple[str, str]]:
    found = [(bracketed or bare, text.strip()) for bracketed, bare, text in _PASSAGE.findall(content)]
    # Where a passage has several lines, the first one is its heading.
    return [(number, " ".join((text.partition("\n")[2] or text).split())) for number, text in found if text]


def _sentences(passages: Sequence[tuple[str, str]]) -> str:
    said = []
    for number, text in passages[:2]:
        # A heading such as "Pho (pho-1): " or "Pho — " tells no more than the sentence after it.
        body = re.sub(r"^[^.!?]{1,60}?(?:: | [—–] )", "", text)
        sentence = _SENTENCE.split(body)[0].rstrip(".!?")
        said.append(f"{sentence} [{number}].")
    return " ".join(said)
