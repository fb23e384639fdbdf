"""Every refusal of the fact sheet: status and text, to the byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_raw import ask, emulate

HELLO = [{"role": "user", "content": "Hi"}]
TOO_LONG = [{"role": "user", "content": "soup " * 95}]
SMALL = {"num_ctx": 64}

MISSING = "model 'nope:latest' not found"
MISSING_HERE = 'model "nope" not found, try pulling it first'
RAW = "raw mode does not support template, system, or context"
BAD_FORMAT = 'invalid format: "yaml"; expected "json" or a valid JSON Schema object'
INPUT_TOO_LONG = "the input length exceeds the context length"
PROMPT_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, "
    "adjust the context length in settings, or use a model with a longer context length"
)
OVERFLOW = (
    '{"error":{"code":400,"message":"request (100 tokens) exceeds the available context size (64 tokens), '
    'try increasing it","type":"exceed_context_size_error","n_prompt_tokens":100,"n_ctx":64}}'
)


@pytest.fixture
async def new() -> AsyncIterator[OllamaEmulator]:
    async with emulate("0.33.0") as emulator:
        yield emulator


@pytest.fixture
async def old() -> AsyncIterator[OllamaEmulator]:
    async with emulate("0.24.0") as emulator:
        yield emulator


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "llama3.2", "messages": HELLO, **fields}


def embed(**fields: Any) -> dict[str, Any]:
    return {"model": "mxbai-embed-large", "input": "x", **fields}


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("chat", chat(model="nope"), 404, MISSING),
        ("generate", {"model": "nope", "prompt": "x"}, 404, MISSING),
        ("show", {"model": "nope"}, 404, MISSING),
        ("embed", embed(model="nope"), 404, MISSING_HERE),
        ("embeddings", {"model": "nope", "prompt": "x"}, 404, MISSING_HERE),
        ("chat", {"messages": []}, 400, "model is required"),
        ("show", {}, 400, "model is required"),
        ("embeddings", {"prompt": "x"}, 400, "model is required"),
        ("generate", {"prompt": "x"}, 404, "model '' not found"),
        ("embed", {"input": "x"}, 404, "model '' not found"),
        ("show", {"model": "a b"}, 400, "invalid model name"),
        ("pull", {"model": "a b"}, 400, "invalid model name"),
        ("chat", chat(model="mxbai-embed-large"), 400, '"mxbai-embed-large" does not support chat'),
        ("generate", embed(prompt="x"), 400, '"mxbai-embed-large" does not support generate'),
        ("chat", chat(think=True), 400, '"llama3.2" does not support thinking'),
        ("chat", chat(options={"temperature": "hot"}), 500, 'option "temperature" must be of type float32'),
        ("chat", chat(options={"num_ctx": "4k"}), 500, 'option "num_ctx" must be of type integer'),
        ("chat", chat(options={"stop": "x"}), 500, 'option "stop" must be of type array'),
        ("chat", chat(format="yaml"), 500, BAD_FORMAT),
        ("chat", chat(keep_alive="5"), 400, 'time: missing unit in duration "5"'),
        ("generate", {"model": "llama3.2", "prompt": "x", "raw": True, "system": "y"}, 400, RAW),
        ("embed", embed(input=[1]), 400, "invalid input type"),
        ("embed", embed(input="soup " * 511, truncate=False), 400, INPUT_TOO_LONG),
        ("chat", chat(messages=TOO_LONG, options=SMALL, truncate=False), 400, OVERFLOW),
        ("chat", chat(messages=TOO_LONG, options=SMALL, truncate=False, shift=False), 400, OVERFLOW),
        ("chat", chat(messages=TOO_LONG, options=SMALL, shift=False), 400, PROMPT_TOO_LONG),
    ],
)
async def test_of_the_newer_engine(
    new: OllamaEmulator, path: str, body: dict[str, Any], status: int, error: str
) -> None:
    head, reply = await ask(new, "POST", f"/api/{path}", json.dumps(body).encode())
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Type: application/json" in head
    assert reply == b'{"error":' + json.dumps(error).encode() + b"}"


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("chat", chat(model="nope"), 404, "model 'nope' not found"),
        ("show", {"model": "nope"}, 404, "model 'nope' not found"),
        ("chat", chat(messages=TOO_LONG, options=SMALL, truncate=False), 400, INPUT_TOO_LONG),
    ],
)
async def test_of_the_older_engine(
    old: OllamaEmulator, path: str, body: dict[str, Any], status: int, error: str
) -> None:
    head, reply = await ask(old, "POST", f"/api/{path}", json.dumps(body).encode())
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert reply == b'{"error":' + json.dumps(error).encode() + b"}"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "missing request body"),
        (b"{", "unexpected EOF"),
        (b"nonsense", "invalid character 'n' looking for beginning of value"),
        (b'{"model":1}', "json: cannot unmarshal number into Go struct field ChatRequest.model of type string"),
    ],
)
async def test_of_bodies_that_are_no_request(new: OllamaEmulator, body: bytes, error: str) -> None:
    head, reply = await ask(new, "POST", "/api/chat", body)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(reply) == {"error": error}


async def test_thinking_switched_off_where_there_is_none_is_fine_since_v0_12_5() -> None:
    for version, status in (("0.12.4", 400), ("0.12.5", 200)):
        async with emulate(version) as emulator:
            head, _ = await ask(emulator, "POST", "/api/chat", json.dumps(chat(think=False)).encode())
        assert head.startswith(b"HTTP/1.1 %d " % status)
