"""The emulator's models: names, what /api/tags, /api/show and /api/ps tell, and which of them are in memory."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.emulators.ollama_go import MAX_INT64, go_time, without_empty

DEFAULT_KEEP_ALIVE = 5 * 60 * 10**9
LOCAL_ZONE = timezone(timedelta(hours=2))
_NAME = re.compile(r"[A-Za-z0-9_][\w.:/-]*", re.ASCII)
_RUNNER_OPTIONS = ("num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")


class Refused(Exception):
    """A request that ends in an error document; `extra` are further fields of it."""

    def __init__(self, status: int, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.extra = extra


@dataclass(frozen=True)
class Model:
    """A model on disk. `native` ones are served with their own Jinja template from v0.30.0 on."""

    name: str
    family: str = "llama"
    parameter_size: str = "3.2B"
    quantization: str = "Q4_K_M"
    size: int = 2_019_393_189
    digest_prefix: str = "a80c4f17acd5"
    modified_at: datetime = datetime(2026, 5, 4, 17, 37, 44, 706015, LOCAL_ZONE)
    context_length: int = 131_072
    embedding_length: int = 3072
    capabilities: tuple[str, ...] = ("completion", "tools")
    remote_host: str = ""
    remote_model: str = ""
    native: bool = False
    num_ctx: int | None = None

    @property
    def digest(self) -> str:
        filler = hashlib.sha256(self.name.encode()).hexdigest()
        return (self.digest_prefix + filler)[:64]

    def details(self, era: Era) -> dict[str, Any]:
        known = {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.parameter_size,
            "quantization_level": self.quantization,
        }
        if era.lists_capabilities:
            known |= without_empty(context_length=self.context_length, embedding_length=self.embedding_length)
        return known

    def tag_row(self, era: Era) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": self.name,
            **without_empty(remote_model=self.remote_model, remote_host=self.remote_host),
            "modified_at": go_time(self.modified_at, 834),
            "size": self.size,
            "digest": self.digest,
            "details": self.details(era),
            **({"capabilities": list(self.capabilities)} if era.lists_capabilities else {}),
        }

    def show(self, era: Era) -> dict[str, Any]:
        """The reply of /api/show, without the long arrays of the verbose one."""
        details = self.details(era)
        details.pop("context_length", None)
        details.pop("embedding_length", None)
        return {
            "license": "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT",
            "modelfile": f"FROM {self.name}\nTEMPLATE {{{{ .Prompt }}}}\n",
            "parameters": f'{"stop":<30} "<|start_header_id|>"\n{"stop":<30} "<|eot_id|>"',
            "template": "{{ .Prompt }}",
            "details": details,
            "model_info": {
                "general.architecture": self.family,
                f"{self.family}.context_length": self.context_length,
                f"{self.family}.embedding_length": self.embedding_length,
                "tokenizer.ggml.tokens": [],
            },
            **({"capabilities": list(self.capabilities)} if era.shows_capabilities else {}),
            "modified_at": go_time(self.modified_at, 834),
        }


LLAMA = Model("llama3.2:latest")
THINKER = Model(
    "qwen3:4b", "qwen3", "4.0B", size=2_497_293_918, context_length=40_960, digest_prefix="359d7dd4bcda",
    modified_at=datetime(2026, 4, 1, 9, 30, 0, 120000, LOCAL_ZONE), capabilities=("completion", "tools", "thinking"),
    embedding_length=2560, native=True,
)  # fmt: skip
EMBEDDER = Model(
    "mxbai-embed-large:latest", "bert", "334M", "F16", 669_615_493, "468836162de7",
    modified_at=datetime(2026, 3, 1, 8, 0, 0, 5, LOCAL_ZONE), context_length=512, embedding_length=1024,
    capabilities=("embedding",),
)  # fmt: skip


@dataclass(frozen=True)
class Era:
    """What a version of Ollama does and does not do yet."""

    version: tuple[int, ...]

    @classmethod
    def of(cls, version: str) -> Era:
        numbers = tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:3])
        return cls((999,) if not any(numbers) else numbers)

    def since(self, *version: int) -> bool:
        return self.version >= version

    @property
    def llama_server(self) -> bool:
        return self.since(0, 30)

    @property
    def lists_capabilities(self) -> bool:
        return self.since(0, 30)

    @property
    def shows_capabilities(self) -> bool:
        return self.since(0, 6, 4)


def canonical(name: str) -> str:
    """The form in which installed names are compared; raises `Refused` for what is no name at all."""
    short = name.strip()
    if not _NAME.fullmatch(short) or short.endswith((":", "/")) or "//" in short:
        raise Refused(400, "invalid model name")
    short = short.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


@dataclass
class Runner:
    """A model in memory. `auto` tells that its window was the default, not asked for."""

    model: Model
    num_ctx: int
    auto: bool
    key: tuple[Any, ...]
    keep_alive: int
    expires_at: datetime

    def ps_row(self, era: Era) -> dict[str, Any]:
        return {
            "name": self.model.name,
            "model": self.model.name,
            "size": self.model.size + self.num_ctx * 114_688,
            "digest": self.model.digest,
            "details": self.model.details(era),
            "expires_at": go_time(self.expires_at.astimezone(LOCAL_ZONE), 417),
            "size_vram": self.model.size + self.num_ctx * 114_688,
            **({"context_length": self.num_ctx} if era.since(0, 10) else {}),
        }


@dataclass
class Memory:
    """Loads, keeps and forgets models, one load at a time.

    `load_gate` holds loads back until it is set; `load_delay` is for trying things by hand. `loads` records every load
    as (model, window), `aborted_loads` those whose client went away.
    """

    era: Era
    now: Callable[[], datetime]
    default_num_ctx: int = 4096
    max_queue: int = 512
    max_loaded: int = 3
    load_delay: float = 0.0
    load_gate: asyncio.Event | None = None
    load_error: str = ""
    runners: dict[str, Runner] = field(default_factory=dict)
    loads: list[tuple[str, int]] = field(default_factory=list)
    aborted_loads: list[str] = field(default_factory=list)
    _waiting: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def acquire(
        self, model: Model, options: Mapping[str, Any], keep_alive: int | None, *, shift: bool = True
    ) -> Runner:
        """Returns the model's runner, loading it where it is absent or was loaded with other settings."""
        self.expire()
        runner = self._fitting(model, options, shift)
        if runner is None:
            if self._waiting >= self.max_queue:
                raise Refused(503, "server busy, please try again.  maximum pending requests exceeded")
            self._waiting += 1
            try:
                async with self._lock:
                    runner = self._fitting(model, options, shift) or await self._load(model, options, shift)
            finally:
                self._waiting -= 1
        if keep_alive is not None:
            runner.keep_alive = keep_alive
        self._touch(runner)
        return runner

    def release(self, runner: Runner) -> None:
        """The end of a request: the time to live starts again, and one of zero ends now."""
        if runner.keep_alive == 0:
            self.runners.pop(runner.model.name, None)
        else:
            self._touch(runner)

    def unload(self, model: Model) -> None:
        self.runners.pop(model.name, None)

    def expire(self) -> None:
        """Forgets what has not been used for its time to live."""
        for name, runner in list(self.runners.items()):
            if runner.expires_at <= self.now():
                del self.runners[name]

    async def listing(self) -> list[Runner]:
        """Runners, longest to live first. Waits while a model is being loaded, for the runner is locked then."""
        async with self._lock:
            self.expire()
            return sorted(self.runners.values(), key=lambda runner: runner.expires_at, reverse=True)

    def _fitting(self, model: Model, options: Mapping[str, Any], shift: bool) -> Runner | None:
        runner = self.runners.get(model.name)
        if runner is None or runner.key != self._key(options, shift):
            return None
        wanted, explicit = self._window(model, options)
        if wanted == runner.num_ctx or (not explicit and runner.auto and self.era.llama_server):
            return runner
        return None

    async def _load(self, model: Model, options: Mapping[str, Any], shift: bool) -> Runner:
        try:
            if self.load_gate is not None:
                await self.load_gate.wait()
            await asyncio.sleep(self.load_delay)
        except asyncio.CancelledError:
            self.aborted_loads.append(model.name)
            raise
        if self.load_error:
            raise Refused(500, self.load_error)
        self.runners.pop(model.name, None)
        while len(self.runners) >= self.max_loaded:
            del self.runners[min(self.runners, key=lambda name: self.runners[name].expires_at)]
        window, explicit = self._window(model, options)
        runner = Runner(model, window, not explicit, self._key(options, shift), DEFAULT_KEEP_ALIVE, self.now())
        self.runners[model.name] = runner
        self.loads.append((model.name, window))
        return runner

    def _window(self, model: Model, options: Mapping[str, Any]) -> tuple[int, bool]:
        asked = options.get("num_ctx") or model.num_ctx
        return max(4, min(int(asked or self.default_num_ctx), model.context_length)), asked is not None

    def _key(self, options: Mapping[str, Any], shift: bool) -> tuple[Any, ...]:
        return (*(options.get(name) for name in _RUNNER_OPTIONS), shift if self.era.llama_server else None)

    def _touch(self, runner: Runner) -> None:
        if runner.keep_alive >= MAX_INT64:
            runner.expires_at = datetime(2318, 1, 1, tzinfo=UTC)
        else:
            runner.expires_at = self.now() + timedelta(microseconds=max(runner.keep_alive, 10**6) / 1000)
