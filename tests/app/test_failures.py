from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.conftest import SOUPS, WAIT_SECONDS, Kitchen, panel_text, screen_text, send, text_of, until
from tui.app import MOST_FAILURES, RagfoodApp
from tui.core.errors import IndexCorrupt
from tui.core.paths import Paths
from tui.core.settings import Settings
from tui.screens.failure import Failure, where
from tui.services.bundle import Services
from tui.widgets.guarded import Unexpected


async def test_an_index_that_cannot_be_opened_is_explained_and_tried_again(kitchen: Kitchen) -> None:
    working = kitchen.open
    broken = True

    async def open_services() -> Services:
        if broken:
            raise IndexCorrupt("The index file is damaged.", hint="Move it away.")
        return await working()

    app = RagfoodApp(kitchen.settings, open_services)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.opening.filled.is_set() and "damaged" in panel_text(app))
        assert "Move it away." in screen_text(app)
        await send(app, pilot, SOUPS)
        await until(pilot, lambda: not app.chat.asking.busy)
        assert "not answered" in text_of(app, ".facts")
        broken = False
        await send(app, pilot, SOUPS)
        await until(pilot, lambda: not app.chat.asking.busy)
        assert app.chat.transcript.turns[1].answer
        await until(pilot, lambda: "4 records" in panel_text(app))
    assert not app.failures


async def test_a_damaged_index_file_is_explained(new_kitchen: Kitchen) -> None:
    new_kitchen.paths.data.mkdir(parents=True)
    new_kitchen.paths.index_file.write_bytes(b"this is no database" * 100)
    app = new_kitchen.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.opening.filled.is_set() and app.chat.query("Note.-error"))
        assert app.is_running
    assert not app.failures
    assert new_kitchen.paths.index_file.read_bytes() == b"this is no database" * 100


async def never() -> Services:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


class TestTheUnexpected:
    async def test_becomes_a_dialog_and_the_app_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        app = RagfoodApp(Settings(), never, log_file="/somewhere/ragfood.log")
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.chat.complete)
            # No input of ours makes a handler fail, so the test makes one.
            monkeypatch.setattr(app.chat, "action_peel", _fail)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, Failure))
            text = screen_text(app)
            assert "ZeroDivisionError" in text
            assert "/somewhere/ragfood.log" in text
            assert "Traceback" not in text
            assert "[bold]" in text
            await pilot.press("right", "enter")
            await until(pilot, lambda: "ZeroDivisionError" in app.clipboard)
            assert "secret" not in app.clipboard
            await pilot.press("escape")
            await pilot.press(*"still alive")
            assert app.chat.prompt.text == "still alive"

    async def test_too_often_ends_the_app_with_a_sentence(self) -> None:
        app = RagfoodApp(Settings(), never)
        async with app.run_test():
            for number in range(MOST_FAILURES):
                app.chat.post_message(Unexpected(ValueError(str(number))))
            async with asyncio.timeout(WAIT_SECONDS):
                await app._exception_event.wait()
        assert app.return_code == 1

    async def test_in_an_answer_ends_that_answer_only(self, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
        app = kitchen.app()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.opening.filled.is_set())
            monkeypatch.setattr(type(kitchen.opened[0].asking), "ask", _fail)
            await send(app, pilot, SOUPS)
            await until(pilot, lambda: isinstance(app.screen, Failure))
            assert "Something unexpected ended this answer" in text_of(app, "Note")

    def test_names_places_in_the_code_without_values(self) -> None:
        try:
            _fail("secret")
        except ZeroDivisionError as error:
            lines = where(error)
        assert "test_failures.py" in lines
        assert "secret" not in lines
        assert "/" not in lines.split(":")[0]


def _fail(*_: object) -> None:
    secret = "secret"  # noqa: F841 - what a traceback with variables would print
    raise ZeroDivisionError("[bold]one[/bold] by zero")


FATAL = """
import asyncio
import sys
from pathlib import Path
from textual.widgets import Static
from tui.app import RagfoodApp
from tui.core.log import setup_log
from tui.core.paths import Paths
from tui.core.settings import Settings

async def never():
    await asyncio.Event().wait()

class Bad(Static):
    def compose(self):
        secret = "hunter2"
        raise RuntimeError("[/broken]")

class Broken(RagfoodApp):
    def on_ready(self):
        self.chat.mount(Bad())

log = setup_log(Paths.below(Path(sys.argv[1])))
app = Broken(Settings(), never, log_file="ragfood.log")
app.run(headless=True)
raise SystemExit(app.return_code)
"""


def test_a_fatal_error_ends_with_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    script = tmp_path / "fatal.py"
    script.write_text(FATAL, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=60, env=environment
    )
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "ragfood had to stop" in " ".join(output.split())
    assert "Traceback" not in output
    assert "hunter2" not in output
    assert "[/broken]" in Paths.below(tmp_path).log_file.read_text(encoding="utf-8")


FIRST_PAINT = """
import asyncio, sys
from tui.app import RagfoodApp
from tui.core.settings import Settings

async def never():
    await asyncio.Event().wait()

async def main():
    app = RagfoodApp(Settings(), never)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.chat.prompt.region

asyncio.run(main())
heavy = {"numpy", "httpx", "msgspec", "orjson", "tokenizers", "wordllama", "upstash_vector", "sqlite3", "tui.wiring"}
print(sorted(heavy & set(sys.modules)))
"""


def test_the_first_paint_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PAINT], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]", done.stderr
