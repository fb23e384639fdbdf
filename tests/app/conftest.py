from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.emulators.ollama import OllamaEmulator
from tui.app import RagfoodApp
from tui.core.paths import Paths
from tui.core.setting_values import RateLimit
from tui.core.settings import Settings
from tui.services.bundle import Services
from tui.wiring import build_services

FOODS: list[dict[str, Any]] = [
    {
        "id": "pho",
        "name": "Pho",
        "text": "Pho is a noodle soup with beef broth, rice noodles, herbs and thin slices of beef.",
        "region": "Vietnam",
        "type": "Soup",
        "spice": {"level": 2},
    },
    {
        "id": "ramen",
        "name": "Ramen",
        "text": "Ramen is a soup of wheat noodles in a broth of pork bones or soy sauce.",
        "region": "Japan",
        "type": "Soup",
    },
    {
        "id": "baklava",
        "name": "Baklava",
        "text": "Baklava is a sweet pastry of thin dough, chopped nuts and syrup or honey.",
        "region": "Turkey",
        "type": "Dessert",
    },
    {
        "id": "ceviche",
        "name": "Ceviche",
        "text": "Ceviche is raw fish cured in lime juice with onion, chili and coriander.",
        "region": "Peru",
        "type": "Starter",
    },
]
SOUPS = "Which soups come with noodles?"

WAIT_SECONDS = 20.0

AppPilot = Pilot[None]


async def until(pilot: AppPilot, condition: Callable[[], object]) -> None:
    """Lets the app run until `condition` holds; what brings it about is real work in threads and on sockets."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await pilot.pause()
            await asyncio.sleep(0)
    await pilot.pause()


class Kitchen:
    """A home folder, a foods file and an address of Ollama; makes apps on the real services."""

    def __init__(self, folder: Path, ollama_host: str) -> None:
        self.folder = folder
        self.paths = Paths.below(folder / "home")
        self.foods = folder / "foods.json"
        self.ollama_host = ollama_host
        self.min_relevance: float | None = None
        self.rate_limit = RateLimit(100, 60)
        self.opened: list[Services] = []
        self.write_foods(FOODS)

    def write_foods(self, foods: object) -> None:
        self.foods.write_text(json.dumps(foods), encoding="utf-8")

    @property
    def settings(self) -> Settings:
        return Settings(
            foods=self.foods,
            ollama_host=self.ollama_host,
            min_relevance=self.min_relevance,
            rate_limit=self.rate_limit,
        )

    async def open(self) -> Services:
        services = build_services(self.settings, self.paths)
        self.opened.append(services)
        return services

    def app(self) -> RagfoodApp:
        return RagfoodApp(self.settings, self.open, log_file=str(self.paths.log_file))

    @contextlib.asynccontextmanager
    async def running(self, size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[RagfoodApp, AppPilot]]:
        """An app that has opened and filled its index; at the end nothing unexpected may have happened."""
        app = self.app()
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: ready(app))
            yield app, pilot
        assert list(app.failures) == []

    def recorded_turns(self) -> list[dict[str, Any]]:
        """The last state of every turn on disk."""
        turns: dict[str, dict[str, Any]] = {}
        for file in sorted(self.paths.sessions.glob("*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines()[1:]:
                turn = json.loads(line)
                turns[turn["id"]] = turn
        return list(turns.values())


def ready(app: RagfoodApp) -> bool:
    """Whether the index is open, filled and shown, and it is known who answers."""
    return bool(
        app.opening.filled.is_set()
        and not app.chat.indexing.busy
        and "records" in panel_text(app)
        and app.chat.status.answerer_text
    )


def text_of(app: RagfoodApp, selector: str) -> str:
    return "\n".join(str(widget.render()) for widget in app.chat.query(selector))


def panel_text(app: RagfoodApp) -> str:
    return text_of(app, "#index Static")


def status_text(app: RagfoodApp) -> str:
    return text_of(app, "#status")


def screen_text(app: RagfoodApp) -> str:
    """What the terminal shows, line by line."""
    height = app.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines[:height])


async def ask(app: RagfoodApp, pilot: AppPilot, question: str) -> None:
    """Types a question, sends it and waits until it is over."""
    await send(app, pilot, question)
    await until(pilot, lambda: not app.chat.asking.busy and not app.chat.transcript.turns[-1].phase)


async def send(app: RagfoodApp, pilot: AppPilot, question: str) -> None:
    before = len(app.chat.transcript.turns)
    await pilot.press("f2")
    app.chat.prompt.load_text(question)
    await pilot.press("enter")
    await until(pilot, lambda: len(app.chat.transcript.turns) > before)


@pytest.fixture
def unused_address() -> Iterator[str]:
    """An address on loopback where nothing listens, bound so that nobody else gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(scope="session")
def filled_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder after a first fill, made once."""
    kitchen = Kitchen(tmp_path_factory.mktemp("filled"), "127.0.0.1:9")

    async def fill() -> None:
        services = await kitchen.open()
        await services.filling.wait()
        await services.aclose()

    asyncio.run(fill())
    return kitchen.paths.data


@pytest.fixture
def new_kitchen(tmp_path: Path, unused_address: str) -> Kitchen:
    """Nothing at all yet: no index, and Ollama is not running."""
    return Kitchen(tmp_path, unused_address)


@pytest.fixture
def kitchen(new_kitchen: Kitchen, filled_data: Path) -> Kitchen:
    """A filled embedded index; Ollama is not running."""
    shutil.copytree(filled_data, new_kitchen.paths.data)
    return new_kitchen


@pytest.fixture
async def ollama() -> AsyncIterator[OllamaEmulator]:
    async with OllamaEmulator() as running:
        yield running


@pytest.fixture
def kitchen_with_model(kitchen: Kitchen, ollama: OllamaEmulator) -> Kitchen:
    kitchen.ollama_host = ollama.host
    return kitchen


@pytest.fixture
def closed() -> Callable[[], RagfoodApp]:
    """Makes apps whose services never open: for what needs no index."""

    async def open_never() -> Services:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return lambda: RagfoodApp(Settings(), open_never)
