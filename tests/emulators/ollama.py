"""An emulator of Ollama over real HTTP, of both engines (up to v0.24 and from v0.30 on).

In a test::

    async with OllamaEmulator() as emulator:
        emulator.say(Reply(pieces=["Pho", " [1]."]))
        ... OLLAMA_HOST is emulator.host

By hand, answering from the sources in the prompt::

    python -m tests.emulators.ollama --port 11434 --delay 0.03
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.emulators.ollama_embed import embed, embeddings
from tests.emulators.ollama_go import go_json
from tests.emulators.ollama_http import Connection, Request, Responder
from tests.emulators.ollama_models import EMBEDDER, LLAMA, THINKER, Era, Memory, Model, Refused, canonical
from tests.emulators.ollama_pull import Registry, pull
from tests.emulators.ollama_routes import World, chat, generate, read_body, send_json
from tests.emulators.ollama_script import Canned, Reply

WAIT_SECONDS = 10.0


class OllamaEmulator:
    """A server on loopback, as an async context manager in the loop of the test.

    `requests` holds every request as it came, `disconnects` the (path, phase) of those whose client went away before
    the end: while in phase ``load``, ``prompt``, ``stream``, ``embed``, ``pull`` or ``handling``.
    """

    def __init__(
        self,
        *,
        version: str = "0.33.0",
        models: Iterable[Model] = (LLAMA, EMBEDDER),
        port: int = 0,
        address: str = "127.0.0.1",
        delay: float = 0.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        nanos: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        era = Era.of(version)
        self.memory = Memory(era, now)
        self.world = World(version, era, self.memory, {model.name: model for model in models}, now, nanos, delay)
        self.registry = Registry()
        for model in (LLAMA, EMBEDDER, THINKER):
            self.registry.offer(model)
        self.requests: list[Request] = []
        self.disconnects: list[tuple[str, str]] = []
        self.rechunk = 0
        self.port = port
        self.address = address
        self._canned: dict[str, list[Canned]] = {}
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> OllamaEmulator:
        self._server = await asyncio.get_running_loop().create_server(self._connect, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))
        await self._server.wait_closed()

    @property
    def host(self) -> str:
        """The address as a value of OLLAMA_HOST."""
        return f"{self.address}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def say(self, *replies: Reply) -> None:
        """Scripts the next answers, in order; after them the emulator answers from the prompt again."""
        self.world.replies.extend(replies)

    def answer_next(self, path: str, *canned: Canned) -> None:
        """Makes the next requests to a path get foreign responses."""
        self._canned.setdefault(path, []).extend(canned)

    def install(self, *models: Model) -> None:
        self.world.models |= {model.name: model for model in models}

    def bodies(self, path: str) -> list[bytes]:
        return [request.body for request in self.requests if request.path == path]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something is so, whoever brings it about; fails after `WAIT_SECONDS`."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():  # noqa: ASYNC110 - conditions may look at anything, also outside the emulator
                await asyncio.sleep(0.001)

    async def until_disconnected(self, path: str, phase: str) -> None:
        await self.until(lambda: (path, phase) in self.disconnects)

    async def until_requested(self, path: str, times: int = 1) -> None:
        await self.until(lambda: len(self.bodies(path)) >= times)

    def _connect(self) -> Connection:
        connection = Connection(self._handle, self._on_disconnect, self._connections)
        connection.rechunk = self.rechunk
        return connection

    def _on_disconnect(self, request: Request, responder: Responder) -> None:
        self.disconnects.append((request.path, responder.phase))

    async def _handle(self, request: Request, out: Responder) -> None:
        self.requests.append(request)
        try:
            if canned := self._canned.get(request.path):
                await _send_canned(out, canned.pop(0))
            elif not self._is_allowed(request.headers.get("host", "")):
                await out.send(403, "", b"")
            else:
                await self._route(request, out)
        except Refused as error:
            document = {"error": error.message, **error.extra}
            await out.send(error.status, "application/json; charset=utf-8", go_json(document).encode())

    async def _route(self, request: Request, out: Responder) -> None:
        methods = _ROUTES.get(request.path)
        if methods is None and request.path.rstrip("/") in _ROUTES:
            status = 301 if request.method == "GET" else 307
            await out.send(status, "", b"", {"Location": request.path.rstrip("/")})
        elif methods is None:
            await out.send(404, "text/plain", b"404 page not found")
        elif request.method not in methods:
            await out.send(405, "text/plain", b"405 method not allowed")
        else:
            await methods[request.method](self, request, out)

    def _is_allowed(self, host: str) -> bool:
        """Ollama's guard against DNS rebinding, active while it listens on loopback only."""
        if not ipaddress.ip_address(self.address).is_loopback:
            return True
        name = re.sub(r":\d+$", "", host).strip("[]").lower()
        if name in ("", "localhost", socket.gethostname().lower()):
            return True
        if name.endswith((".localhost", ".local", ".internal")):
            return True
        with suppress(ValueError):
            address = ipaddress.ip_address(name)
            return address.is_loopback or address.is_private
        return False

    async def _root(self, _: Request, out: Responder) -> None:
        await out.send(200, "text/plain; charset=utf-8", b"Ollama is running")

    async def _version(self, _: Request, out: Responder) -> None:
        await send_json(out, {"version": self.world.version})

    async def _tags(self, _: Request, out: Responder) -> None:
        models = sorted(self.world.models.values(), key=lambda model: model.modified_at, reverse=True)
        await send_json(out, {"models": [model.tag_row(self.world.era) for model in models]})

    async def _ps(self, _: Request, out: Responder) -> None:
        await send_json(out, {"models": [runner.ps_row(self.world.era) for runner in await self.memory.listing()]})

    async def _show(self, request: Request, out: Responder) -> None:
        body = await read_body(request)
        asked = body.get("model") or body.get("name") or ""
        if not asked:
            raise Refused(400, "model is required")
        await send_json(out, self.world.find(asked).show(self.world.era))

    async def _chat(self, request: Request, out: Responder) -> None:
        await chat(self.world, request, out)

    async def _generate(self, request: Request, out: Responder) -> None:
        await generate(self.world, request, out)

    async def _embed(self, request: Request, out: Responder) -> None:
        await embed(self.world, request, out)

    async def _embeddings(self, request: Request, out: Responder) -> None:
        await embeddings(self.world, request, out)

    async def _pull(self, request: Request, out: Responder) -> None:
        await pull(self.world, self.registry, request, out)


_Route = Callable[[OllamaEmulator, Request, Responder], Any]
_E = OllamaEmulator
_ROUTES: dict[str, dict[str, _Route]] = {
    "/": {"GET": _E._root, "HEAD": _E._root},
    "/api/version": {"GET": _E._version, "HEAD": _E._version},
    "/api/tags": {"GET": _E._tags, "HEAD": _E._tags},
    "/api/ps": {"GET": _E._ps},
    "/api/show": {"POST": _E._show},
    "/api/chat": {"POST": _E._chat},
    "/api/generate": {"POST": _E._generate},
    "/api/embed": {"POST": _E._embed},
    "/api/embeddings": {"POST": _E._embeddings},
    "/api/pull": {"POST": _E._pull},
}


async def _send_canned(out: Responder, canned: Canned) -> None:
    if canned.hold is not None:
        await canned.hold.wait()
    if canned.drop:
        out.abort()
        return
    await out.send(canned.status, canned.content_type, canned.body, dict(canned.headers))


def main(arguments: list[str] | None = None) -> None:
    """Runs an emulator until it is interrupted."""
    parser = argparse.ArgumentParser(description="An emulator of Ollama that answers from the sources in the prompt.")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--model", action="append", help="an installed model; can be repeated")
    parser.add_argument("--delay", type=float, default=0.03, help="seconds between tokens")
    parser.add_argument("--load-delay", type=float, default=0.0, help="seconds it takes to load a model")
    parser.add_argument("--version", default="0.33.0", help="version to be, for example 0.24.0")
    parser.add_argument("--think", action="store_true", help="reason before answering")
    options = parser.parse_args(arguments)
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    names = [canonical(name) for name in options.model or ["llama3.2"]]
    models = [replace(LLAMA, name=name) for name in names]
    emulator = OllamaEmulator(
        version=options.version, models=[*models, EMBEDDER], port=options.port, address=options.address,
        delay=options.delay,
    )  # fmt: skip
    emulator.memory.load_delay = options.load_delay
    if options.think:
        emulator.world.preamble = ("The", " sources", " should", " answer", " this", ".")
        emulator.install(*(replace(model, capabilities=(*model.capabilities, "thinking")) for model in models))
    async with emulator:
        sys.stdout.write(f"{emulator.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
