from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable

import pytest

from tests.emulators.ollama import OllamaEmulator
from tui.core.clock import SystemClock
from tui.core.secret import Secret
from tui.llm.base import AnswerPart, Message, Passage, Prompt, TextDelta, ThinkingDelta
from tui.llm.ollama import OllamaAnswerer
from tui.llm.ollama_http import Timeouts
from tui.llm.ollama_wire import ChatOptions


@pytest.fixture
async def emulator() -> AsyncIterator[OllamaEmulator]:
    async with OllamaEmulator() as running:
        yield running


@pytest.fixture
async def old_emulator() -> AsyncIterator[OllamaEmulator]:
    async with OllamaEmulator(version="0.24.0") as running:
        yield running


Make = Callable[..., OllamaAnswerer]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes answerers that are closed when the test ends."""
    made: list[OllamaAnswerer] = []

    def build(
        host: str | OllamaEmulator,
        model: str = "llama3.2",
        *,
        api_key: str = "",
        options: ChatOptions | None = None,
        timeouts: Timeouts | None = None,
    ) -> OllamaAnswerer:
        address = host if isinstance(host, str) else host.host
        answerer = OllamaAnswerer(
            address, model, api_key=Secret(api_key), clock=SystemClock(), options=options, timeouts=timeouts
        )
        made.append(answerer)
        return answerer

    yield build
    for answerer in made:
        await answerer.aclose()


def prompt_of(text: str = "Which soups come with noodles?", system: str = "Answer from the sources.") -> Prompt:
    return Prompt(
        question=text,
        passages=(Passage(1, "pho-1", "Pho", "Pho is a noodle soup."),),
        messages=(Message("system", system), Message("user", text)),
    )


@pytest.fixture
def prompt() -> Prompt:
    return prompt_of()


def text_of(parts: list[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def thinking_of(parts: list[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, ThinkingDelta))


class Collected:
    """What a stream yielded, and the error that ended it."""

    def __init__(self) -> None:
        self.parts: list[AnswerPart] = []

    @property
    def text(self) -> str:
        return text_of(self.parts)

    @property
    def thinking(self) -> str:
        return thinking_of(self.parts)


async def collect(answerer: OllamaAnswerer, prompt: Prompt, into: Collected | None = None) -> Collected:
    into = into or Collected()
    async for part in answerer.stream(prompt):
        into.parts.append(part)
    return into


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def unused_address() -> str:
    """An address on loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
