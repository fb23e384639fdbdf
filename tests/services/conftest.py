from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.emulators.ollama import OllamaEmulator
from tests.services.asking_kitchen import Kitchen


@pytest.fixture
def unused_address() -> Iterator[str]:
    """An address on loopback where nothing listens, bound so that nobody else gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest_asyncio.fixture
async def kitchen(tmp_path: Path, unused_address: str) -> AsyncIterator[Kitchen]:
    """Nothing but an embedded index: Ollama is not running."""
    made = Kitchen(tmp_path, unused_address)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def ollama() -> AsyncIterator[OllamaEmulator]:
    async with OllamaEmulator() as running:
        yield running


@pytest_asyncio.fixture
async def kitchen_with_model(tmp_path: Path, ollama: OllamaEmulator) -> AsyncIterator[Kitchen]:
    """An embedded index, and Ollama with the default model."""
    made = Kitchen(tmp_path, ollama.host)
    yield made
    await made.close()
