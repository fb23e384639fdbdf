"""The emulator's /api/pull: layers one after the other, progress that can go backwards, errors, and resuming."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.ollama_chat import ObjectStream
from tests.emulators.ollama_go import without_empty
from tests.emulators.ollama_http import Request, Responder
from tests.emulators.ollama_models import Model, Refused, canonical
from tests.emulators.ollama_routes import World, read_body, send_json


@dataclass(frozen=True)
class Layer:
    """A blob of a model. `rollback` makes its progress lose ground once, as a failed part does."""

    content: str
    total: int
    rollback: bool = False

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.content.encode()).hexdigest()


@dataclass
class Registry:
    """What can be pulled, and what has been downloaded so far.

    `fail_after` ends a pull with the line `error` after so many events, once; `hold_after` waits for `gate` there.
    """

    offers: dict[str, tuple[Model, tuple[Layer, ...]]] = field(default_factory=dict)
    partial: dict[str, int] = field(default_factory=dict)
    fail_after: int | None = None
    error: str = "max retries exceeded: unexpected EOF"
    hold_after: int | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stale_layers: bool = False

    def offer(self, model: Model) -> None:
        """Makes a model pullable in three layers: weights, template and configuration."""
        layers = (
            Layer(f"{model.name} weights", model.size, rollback=True),
            Layer(f"{model.name} template", 1_429),
            Layer(f"{model.name} config", 561),
        )
        self.offers[model.name] = (model, layers)

    def events(self, layers: tuple[Layer, ...]) -> Iterator[dict[str, Any]]:
        """Yields the events of a pull, remembering what is there after each."""
        yield {"status": "pulling manifest"}
        for layer in layers:
            for completed in self._progress(layer):
                self.partial[layer.digest] = completed
                yield {
                    "status": f"pulling {layer.digest.removeprefix('sha256:')[:12]}",
                    "digest": layer.digest,
                    "total": layer.total,
                    **without_empty(completed=completed),
                }
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        if self.stale_layers:
            yield {"status": "removing unused layers"}
        yield {"status": "success"}

    def _progress(self, layer: Layer) -> list[int]:
        have = self.partial.get(layer.digest, 0)
        if have >= layer.total:
            return [layer.total]
        steps = [have, max(have, layer.total * 6 // 10)]
        if layer.rollback and not have:
            steps.append(layer.total * 4 // 10)
        return [*steps, layer.total]


async def pull(world: World, registry: Registry, request: Request, out: Responder) -> None:
    """POST /api/pull."""
    body = await read_body(request)
    name = canonical(body.get("model") or body.get("name") or "")
    stream = ObjectStream(out, world.era)
    streaming = body.get("stream") is not False
    out.phase = "pull"
    try:
        await _run(world, registry, name, stream if streaming else None)
    except Refused as error:
        if not streaming:
            raise
        await stream.fail(error)
        return
    if streaming:
        stream.end()
    else:
        await send_json(out, {"status": "success"})


async def _run(world: World, registry: Registry, name: str, stream: ObjectStream | None) -> None:
    offered = registry.offers.get(name)
    layers = offered[1] if offered else ()
    events = registry.events(layers)
    for number in itertools.count():
        if number == registry.hold_after:
            await registry.gate.wait()
        if number == registry.fail_after:
            registry.fail_after = None
            raise Refused(500, registry.error)
        if (event := next(events, None)) is None:
            break
        if stream is not None:
            await stream.send(event)
        if offered is None:
            raise Refused(500, "pull model manifest: file does not exist")
    assert offered is not None
    world.models[name] = offered[0]
