from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.llm.ollama_helpers import Collected, Make, prompt_of
from tui.core.clock import SystemClock
from tui.core.secret import Secret
from tui.llm.base import Prompt
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


@pytest.fixture
def prompt() -> Prompt:
    return prompt_of()


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def unused_address() -> str:
    """An address on loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
