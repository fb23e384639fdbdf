"""The emulator's /api/embed and /api/embeddings: vectors that depend on the words, the same on every machine."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.emulators.ollama_chat import check_options
from tests.emulators.ollama_go import go_float32, go_json
from tests.emulators.ollama_http import Request, Responder
from tests.emulators.ollama_models import Model, Refused, canonical
from tests.emulators.ollama_routes import World, keep_alive_of, read_body

USABLE_TOKENS = 510  # of the 512 of mxbai-embed-large; the other two mark beginning and end
_WORD = re.compile(r"\w+|[^\w\s]")


def embed_text(text: str, dimension: int = 1024) -> NDArray[np.float32]:
    """Returns a unit vector, float32: the sum of one fixed pseudo-random vector per word, so that shared words pull
    texts together.
    """
    total = np.zeros(dimension, dtype=np.float64)
    for word in _WORD.findall(text.lower()) or [""]:
        noise = hashlib.shake_256(word.encode("utf-8", "replace")).digest(dimension)
        total += np.frombuffer(noise, dtype=np.int8)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


async def embed(world: World, request: Request, out: Responder) -> None:
    """POST /api/embed."""
    began = world.nanos()
    body = await read_body(request)
    inputs = _inputs(body.get("input"))
    model = _find(world, body.get("model") or "", "model '' not found", 404)
    runner = await _load(world, model, body, out)
    loaded = world.nanos()
    try:
        cut = [_cut(text, truncate=body.get("truncate") is not False) for text in inputs]
    finally:
        world.memory.release(runner)
    vectors = ",".join(_encode(text, model, body.get("dimensions")) for text in cut)
    count = sum(2 + len(_WORD.findall(text)) for text in cut)
    document = f'{{"model":{go_json(body["model"])},"embeddings":[{vectors}],"total_duration":{world.nanos() - began}'
    document += f',"load_duration":{loaded - began}' + (f',"prompt_eval_count":{count}' if count else "") + "}"
    await out.send(200, "application/json; charset=utf-8", document.encode())


async def embeddings(world: World, request: Request, out: Responder) -> None:
    """POST /api/embeddings, the superseded one: a single text, never shortened."""
    body = await read_body(request)
    model = _find(world, body.get("model") or "", "model is required", 400)
    runner = await _load(world, model, body, out)
    world.memory.release(runner)
    prompt = body.get("prompt") or ""
    vector = _encode(_cut(prompt, truncate=False), model, None) if prompt else "[]"
    await out.send(200, "application/json; charset=utf-8", f'{{"embedding":{vector}}}'.encode())


def _inputs(value: object) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Refused(400, "invalid input type")
    return value


def _find(world: World, asked: str, nameless: str, status: int) -> Model:
    if not asked:
        raise Refused(status, nameless)
    model = world.models.get(canonical(asked))
    if model is None:
        raise Refused(404, f'model "{asked}" not found, try pulling it first')
    return model


async def _load(world: World, model: Model, body: dict[str, Any], out: Responder) -> Any:
    options = check_options(body.get("options"))
    out.phase = "load"
    runner = await world.memory.acquire(model, options, keep_alive_of(body))
    out.phase = "embed"
    return runner


def _cut(text: str, *, truncate: bool) -> str:
    """Cuts the end of an overlong text off, or refuses it."""
    words = list(_WORD.finditer(text))
    if len(words) <= USABLE_TOKENS:
        return text
    if not truncate:
        raise Refused(400, "the input length exceeds the context length")
    return text[: words[USABLE_TOKENS - 1].end()]


def _encode(text: str, model: Model, dimensions: int | None) -> str:
    vector = embed_text(text, model.embedding_length)
    if dimensions and 0 < dimensions < len(vector):
        vector = vector[:dimensions] / np.linalg.norm(vector[:dimensions])
    return "[" + ",".join(go_float32(value) for value in vector) + "]"
