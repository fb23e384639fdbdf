from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import FOODS, Result, clean_environment, ragfood, write_foods
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_thread import emulator_thread
from tui.cli import run

Call = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture(scope="session")
def _filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    assert ragfood("search", "soup", home=folder / "home").code == 0
    assert ragfood("index", "upsert", home=folder / "home").code == 0
    return folder / "home"


@pytest.fixture
def filled(_filled_once: Path, home: Path) -> Path:
    """A home whose index holds the bundled foods."""
    shutil.copytree(_filled_once, home)
    return home


@pytest.fixture
def foods(tmp_path: Path) -> Path:
    """A small foods file."""
    return write_foods(tmp_path / "small.json", FOODS)


@pytest.fixture
def call(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process, which is as good as a process where nothing of one is looked at."""
    for name in list(os.environ):
        if name.startswith(("RAGFOOD_", "UPSTASH_", "OLLAMA_", "XDG_")):
            monkeypatch.delenv(name)
    for name, value in clean_environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Result:
        capfd.readouterr()
        code = run(list(arguments))
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return called


@pytest.fixture
def ollama() -> Iterator[OllamaEmulator]:
    with emulator_thread() as running:
        yield running
