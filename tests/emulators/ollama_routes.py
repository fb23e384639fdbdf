"""The emulator's handlers for generating text: bodies in, checks in Ollama's order, objects out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.emulators.ollama_chat import (
    NUM_KEEP,
    Dropped,
    Generation,
    ObjectStream,
    check_images,
    check_options,
    check_think,
    fit,
)
from tests.emulators.ollama_go import go_decoder_error, go_json, go_time, parse_keep_alive, without_empty
from tests.emulators.ollama_http import Request, Responder
from tests.emulators.ollama_models import Era, Memory, Model, Refused, canonical
from tests.emulators.ollama_script import Reply, answer_from


@dataclass
class World:
    """Everything the handlers share: the version, models on disk and in memory, scripts, and the two clocks."""

    version: str
    era: Era
    memory: Memory
    models: dict[str, Model]
    now: Callable[[], datetime]
    nanos: Callable[[], int]
    delay: float = 0.0
    repeat_error: bool = False
    cloud: str = "signed-out"
    replies: list[Reply] = field(default_factory=list)
    preamble: tuple[str, ...] = ()

    def stamp(self) -> str:
        return go_time(self.now(), self.nanos())

    def find(self, asked: str) -> Model:
        """Returns an installed model; raises the refusal of chat, generate and show."""
        name = canonical(asked)
        found = self.models.get(name)
        if found is None:
            raise Refused(404, f"model '{name if self.era.llama_server else asked}' not found")
        return found


async def read_body(request: Request) -> dict[str, Any]:
    """Returns a request's JSON object; raises the refusals of gin and Go's decoder."""
    if not request.body and request.complete:
        raise Refused(400, "missing request body")
    if not request.complete:
        raise Refused(400, "unexpected EOF")
    if (problem := go_decoder_error(request.body)) is not None:
        raise Refused(400, problem)
    body = json.JSONDecoder().raw_decode(request.body.decode("utf-8", "replace").lstrip())[0]
    if not isinstance(body, dict):
        raise Refused(400, f"json: cannot unmarshal {_go_kind(body)} into Go value of type api.ChatRequest")
    for name, kind, go_type in (
        ("model", str, "string"),
        ("messages", list, "[]api.Message"),
        ("stream", bool, "bool"),
    ):
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise Refused(
                400,
                f"json: cannot unmarshal {_go_kind(body[name])} into Go struct field ChatRequest.{name} "
                f"of type {go_type}",
            )
    return body


def _go_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    names: dict[type, str] = {str: "string", dict: "object", list: "array"}
    return names.get(type(value), "number")


def keep_alive_of(body: Mapping[str, Any]) -> int | None:
    """Returns the request's keep_alive in nanoseconds, None when it has none."""
    if body.get("keep_alive") is None:
        return None
    try:
        return parse_keep_alive(body["keep_alive"])
    except ValueError as error:
        raise Refused(400, str(error)) from None


async def send_json(out: Responder, document: object) -> None:
    await out.send(200, "application/json; charset=utf-8", go_json(document).encode())


async def chat(world: World, request: Request, out: Responder) -> None:
    """POST /api/chat."""
    body = await read_body(request)
    asked = body.get("model") or ""
    if not asked:
        raise Refused(400, "model is required")
    messages = body.get("messages") or []
    await _generate(world, out, body, asked, messages, "chat")


async def generate(world: World, request: Request, out: Responder) -> None:
    """POST /api/generate."""
    body = await read_body(request)
    asked = body.get("model") or ""
    if not asked:
        raise Refused(404, "model '' not found")
    if body.get("raw") and (body.get("template") or body.get("system") or body.get("context")):
        raise Refused(400, "raw mode does not support template, system, or context")
    messages = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    if body.get("prompt"):
        messages.append({"role": "user", "content": body["prompt"], "images": body.get("images") or []})
    else:
        messages = []
    await _generate(world, out, body, asked, messages, "generate")


async def _generate(
    world: World, out: Responder, body: dict[str, Any], asked: str, messages: list[dict[str, Any]], kind: str
) -> None:
    began = world.nanos()
    keep_alive = keep_alive_of(body)
    check_images(messages)
    model = world.find(asked)
    _check_cloud(world, model)
    if not messages and keep_alive == 0:
        world.memory.unload(model)
        await send_json(out, _object(world, model, asked, kind, "", "", {"done_reason": "unload"}))
        return
    _check_capabilities(model, asked, body, kind)
    check_think(body.get("think"), model, asked, world.era)
    options = check_options(body.get("options"))
    shift = body.get("shift") is not False or not world.era.since(0, 12, 6)
    out.phase = "load"
    runner = await world.memory.acquire(model, options, keep_alive, shift=shift)
    try:
        if not messages:
            await send_json(out, _object(world, model, asked, kind, "", "", {"done_reason": "load"}))
            return
        _check_format(body.get("format"))
        out.phase = "prompt"
        loaded = world.nanos()
        fitted = fit(messages, runner, world.era, body, int(options.get("num_keep", NUM_KEEP)))
        reply = world.replies.pop(0) if world.replies else answer_from(fitted.messages, world.preamble)
        generation = Generation(
            reply, runner, fitted.tokens, options, shift, began, loaded, world.nanos, world.delay, world.repeat_error
        )
        send = _stream if body.get("stream") is not False else _whole
        await send(world, out, generation, lambda *parts: _object(world, model, asked, kind, *parts))
    finally:
        world.memory.release(runner)


Shape = Callable[[str, str, dict[str, Any] | None], dict[str, Any]]


async def _stream(world: World, out: Responder, generation: Generation, shape: Shape) -> None:
    stream = ObjectStream(out, world.era, blank_lines=generation.reply.blank_lines)
    try:
        async for part in generation.parts():
            await stream.send(shape(*part))
            out.phase = "stream"
    except Refused as error:
        await stream.fail(error)
    except Dropped:
        await asyncio.sleep(0)
        out.abort()
    else:
        stream.end()


async def _whole(world: World, out: Responder, generation: Generation, shape: Shape) -> None:
    content, thinking, final = "", "", None
    try:
        async for part in generation.parts():
            content, thinking, final = content + part[0], thinking + part[1], part[2]
    except Dropped:
        out.abort()
        return
    document = shape(content, thinking, final)
    await send_json(out, document)


def _object(
    world: World, model: Model, asked: str, kind: str, content: str, thinking: str, final: dict[str, Any] | None
) -> dict[str, Any]:
    """One object of a reply, its keys in the order of Ollama's structs."""
    document = {
        "model": asked,
        **without_empty(remote_model=model.remote_model, remote_host=model.remote_host),
        "created_at": world.stamp(),
    }
    if kind == "chat":
        document["message"] = {"role": "assistant", "content": content, **without_empty(thinking=thinking)}
    else:
        document |= {"response": content, **without_empty(thinking=thinking)}
    document["done"] = final is not None
    if final is None:
        return document
    reason = final.pop("done_reason", "")
    document |= without_empty(done_reason=reason)
    if kind == "generate" and reason in ("stop", "length"):
        document["context"] = [128006, 882, 128007]
    document |= final
    return {name: value for name, value in document.items() if value is not None}


def _check_capabilities(model: Model, asked: str, body: Mapping[str, Any], kind: str) -> None:
    if "completion" not in model.capabilities:
        raise Refused(400, f'"{asked}" does not support {kind}')
    if body.get("tools") and "tools" not in model.capabilities:
        raise Refused(400, f"registry.ollama.ai/library/{model.name} does not support tools")


def _check_format(wanted: object) -> None:
    if wanted in (None, "", "json") or isinstance(wanted, dict):
        return
    raise Refused(500, f'invalid format: {go_json(wanted)}; expected "json" or a valid JSON Schema object')


def _check_cloud(world: World, model: Model) -> None:
    if not model.remote_host or world.cloud == "ok":
        return
    if world.cloud == "disabled":
        raise Refused(403, "ollama cloud is disabled")
    raise Refused(401, "unauthorized", signin_url="https://ollama.com/connect?name=emulator&key=none")
