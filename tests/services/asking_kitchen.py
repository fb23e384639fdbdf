"""A home folder, a foods file, an address of Ollama and a clock that stands still, for tests of asking."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tui.core.events import Answered, AskEvent, Delta
from tui.core.paths import Paths
from tui.core.settings import Settings
from tui.core.turns import Turn
from tui.services.bundle import Services
from tui.services.recorder import read_session
from tui.wiring import build_services

SOUPS = "Which soups come with noodles?"
OFF_TOPIC = "Who won the football cup yesterday?"

FOODS: tuple[dict[str, Any], ...] = (
    {
        "id": "pho",
        "name": "Pho",
        "text": "Pho is a noodle soup with beef broth, rice noodles and herbs. It is eaten for breakfast.",
        "region": "Vietnam",
        "type": "Soup",
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
)


class StillClock:
    """Time that passes only when a test says so, and ids that count."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.ids = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def new_id(self) -> str:
        self.ids += 1
        return f"{self.ids:012x}"

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Kitchen:
    """Makes services over one home; `close` ends them."""

    def __init__(self, folder: Path, ollama_host: str) -> None:
        self.paths = Paths.below(folder / "home")
        self.foods = folder / "foods.json"
        self.ollama_host = ollama_host
        self.clock = StillClock()
        self._opened: list[Services] = []
        self.write_foods(FOODS)

    def write_foods(self, foods: object) -> None:
        self.foods.write_text(json.dumps(foods), encoding="utf-8")

    def settings(self, **changes: Any) -> Settings:
        return Settings(**{"foods": self.foods, "ollama_host": self.ollama_host, **changes})

    def services(self, *, use_model: bool = True, **settings: Any) -> Services:
        made = build_services(self.settings(**settings), self.paths, use_model=use_model, clock=self.clock)
        self._opened.append(made)
        return made

    async def close(self) -> None:
        for services in self._opened:
            await services.aclose()

    def recorded(self) -> list[dict[str, Any]]:
        """The last state of every turn on disk."""
        return [turn for file in sorted(self.paths.sessions.glob("*.jsonl")) for turn in read_session(file)]

    def fill_disk(self) -> None:
        """Lets every further line of the session meet a full disk."""
        [session] = self.paths.sessions.glob("*.jsonl")
        session.unlink()
        session.symlink_to("/dev/full")

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the session, without its header."""
        [file] = self.paths.sessions.glob("*.jsonl")
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[1:]]


@dataclass
class Asked:
    """The events of a question, as far as they came."""

    events: list[AskEvent] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """The names of the events, runs of equal ones once."""
        names = [type(event).__name__ for event in self.events]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]

    @property
    def turn(self) -> Turn:
        assert isinstance(self.events[-1], Answered)
        return self.events[-1].turn

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Delta))

    def only(self, kind: type[Event]) -> Event:
        [found] = [event for event in self.events if isinstance(event, kind)]
        return found


Event = TypeVar("Event")


async def ask(services: Services, question: str = SOUPS, *, into: Asked | None = None, **options: Any) -> Asked:
    """Asks and collects the events to the end."""
    return await collect(services.asking.ask(question, **options), into or Asked())


async def collect(
    asking: AsyncGenerator[AskEvent], into: Asked, watch: Callable[[AskEvent], None] = lambda _: None
) -> Asked:
    """Collects the events to the end; `watch` is called with each as it comes."""
    async with aclosing(asking) as events:
        async for event in events:
            into.events.append(event)
            watch(event)
    return into
