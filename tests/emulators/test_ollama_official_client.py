"""The official Python client judges the emulator: what it cannot read, Ollama would not have sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import ollama
import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_models import THINKER
from tests.emulators.ollama_script import Reply
from tests.emulators.ollama_thread import emulator_thread


@pytest.fixture(params=["0.24.0", "0.33.0"])
async def emulator(request: pytest.FixtureRequest) -> AsyncIterator[OllamaEmulator]:
    async with OllamaEmulator(version=request.param) as running:
        yield running


@pytest.fixture
async def client(emulator: OllamaEmulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ollama.AsyncClient]:
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    async with ollama.AsyncClient(emulator.url, trust_env=False) as client:
        yield client


MESSAGES = [{"role": "user", "content": "Sources:\n[1] Pho is a soup.\n[2] Ramen is another.\n\nWhich?"}]


async def test_chat_stream(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    chunks = [chunk async for chunk in await client.chat("llama3.2", MESSAGES, stream=True)]
    assert "".join(chunk.message.content or "" for chunk in chunks) == "Pho is a soup [1]. Ramen is another [2]."
    last = chunks[-1]
    assert (last.done, last.done_reason, last.eval_count) == (True, "stop", len(chunks) - 1)
    assert last.prompt_eval_count
    assert {chunk.model for chunk in chunks} == {"llama3.2"}


async def test_chat(client: ollama.AsyncClient) -> None:
    reply = await client.chat("llama3.2", MESSAGES, options={"temperature": 0.1, "num_predict": 3})
    assert reply.message.content == "Pho is a"
    assert reply.done_reason == "length"


async def test_thinking(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    emulator.install(THINKER)
    emulator.say(Reply(["Pho"], thinking=["Hm", "m"]))
    reply = await client.chat("qwen3:4b", MESSAGES, think=True)
    assert (reply.message.thinking, reply.message.content) == ("Hmm", "Pho")


async def test_generate(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    emulator.say(Reply(["Pho", " [1]"]))
    reply = await client.generate("llama3.2", "Soup?")
    assert (reply.response, reply.done_reason, bool(reply.context)) == ("Pho [1]", "stop", True)


async def test_list_show_and_ps(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    listed = await client.list()
    assert [model.model for model in listed.models] == ["llama3.2:latest", "mxbai-embed-large:latest"]
    assert listed.models[0].modified_at is not None
    shown = await client.show("llama3.2")
    assert shown.capabilities == ["completion", "tools"]
    assert (shown.modelinfo or {})["llama.context_length"] == 131_072
    await client.chat("llama3.2", [], keep_alive=-1)
    [running] = (await client.ps()).models
    assert (running.name, running.context_length) == ("llama3.2:latest", 4096)
    await client.chat("llama3.2", [], keep_alive=0)
    assert list((await client.ps()).models) == []


async def test_pull(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    emulator.world.models.clear()
    events = [event async for event in await client.pull("mxbai-embed-large", stream=True)]
    assert events[-1].status == "success"
    assert max(event.completed or 0 for event in events) == 669_615_493
    assert (await client.pull("llama3.2")).status == "success"
    assert len((await client.list()).models) == 2


async def test_embed(client: ollama.AsyncClient) -> None:
    reply = await client.embed("mxbai-embed-large", ["pho", "pho", "ramen"])
    first, second, third = reply.embeddings
    assert len(first) == 1024
    assert first == second != third
    assert sum(value * value for value in first) == pytest.approx(1.0, abs=1e-5)
    assert reply.prompt_eval_count
    short = await client.embed("mxbai-embed-large", "pho", dimensions=64)
    assert sum(value * value for value in short.embeddings[0]) == pytest.approx(1.0, abs=1e-5)
    assert len((await client.embeddings("mxbai-embed-large", "pho")).embedding) == 1024


async def test_errors(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    with pytest.raises(ollama.ResponseError, match="not found") as caught:
        await client.chat("nope", MESSAGES)
    assert caught.value.status_code == 404
    emulator.say(Reply(["a", "b"], after=1, error="boom"), Reply(["a"], error="boom", status=500))
    with pytest.raises(ollama.ResponseError, match="boom"):
        [chunk async for chunk in await client.chat("llama3.2", MESSAGES, stream=True)]
    with pytest.raises(ollama.ResponseError, match="boom") as caught:
        [chunk async for chunk in await client.chat("llama3.2", MESSAGES, stream=True)]
    assert caught.value.status_code == 500
    with pytest.raises(ollama.ResponseError, match="pull model manifest: file does not exist"):
        [event async for event in await client.pull("nope", stream=True)]


async def test_a_cancelled_chat_is_noticed(emulator: OllamaEmulator, client: ollama.AsyncClient) -> None:
    emulator.memory.load_gate = asyncio.Event()
    task = asyncio.create_task(client.chat("llama3.2", MESSAGES))
    await emulator.until_requested("/api/chat")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await emulator.until_disconnected("/api/chat", "load")
    await emulator.until(lambda: emulator.memory.aborted_loads == ["llama3.2:latest"])


def test_the_blocking_client_against_an_emulator_on_a_thread() -> None:
    with emulator_thread() as emulator, ollama.Client(emulator.url, trust_env=False) as client:
        chunks = list(client.chat("llama3.2", MESSAGES, stream=True))
    assert chunks[-1].done
    assert [request.path for request in emulator.requests] == ["/api/chat"]
