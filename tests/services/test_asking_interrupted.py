"""What of a question is kept, and what is closed, when it does not come to its end."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply
from tests.services.asking_kitchen import SOUPS, Asked, Kitchen, ask, collect
from tui.core.errors import IndexCorrupt, StorageFull
from tui.core.events import AskEvent, Delta, Waiting
from tui.services.asking import UNEXPECTED, AskService
from tui.services.bundle import Services
from tui.services.recorder import TurnRecorder

ROOT = Path(__file__).parent.parent.parent


def saving_at_once(kitchen: Kitchen, services: Services) -> AskService:
    """The same service, but for the second that a growing answer may wait for the disk."""
    answerers = [*services.asking._models, services.asking._quoting]
    recorder = TurnRecorder(kitchen.paths.sessions, "session")
    return AskService(services.retrieval, answerers, recorder, kitchen.clock, save_every=0.0)


class TestBeforeTheEnd:
    async def test_a_question_is_on_disk_before_the_search_begins(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        async with aclosing(services.asking.ask(SOUPS)) as events:
            assert isinstance(await anext(events), Waiting)
            [recorded] = kitchen.recorded()
            assert (recorded["question"], recorded["state"]) == (SOUPS, "asked")
            assert not kitchen.paths.index_file.exists()

    async def test_the_prompt_is_on_disk_before_the_model_is_asked(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        async with aclosing(kitchen_with_model.services().asking.ask(SOUPS)) as events:
            async for event in events:
                if type(event).__name__ == "Writing":
                    break
            [recorded] = kitchen_with_model.recorded()
            assert recorded["state"] == "writing"
            assert "Sources:" in recorded["prompt"][-1][1]
            assert [hit["id"] for hit in recorded["hits"]] == ["pho", "ramen"]
            assert ollama.bodies("/api/chat") == []

    async def test_a_growing_answer_reaches_the_disk_while_the_model_is_silent(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " is"], after=2, hold=asyncio.Event()))
        asking = saving_at_once(kitchen_with_model, kitchen_with_model.services())
        async with aclosing(asking.ask(SOUPS)) as events:
            while True:
                event = await anext(events)
                if isinstance(event, Delta) and event.text == " is":
                    break
            await ollama.until(lambda: kitchen_with_model.recorded()[0]["answer"] == "Pho is")

    async def test_a_finished_turn_is_recorded_once_more_and_last(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " is", " soup"]))
        asking = saving_at_once(kitchen_with_model, kitchen_with_model.services())
        await collect(asking.ask(SOUPS), Asked())
        lines = kitchen_with_model.lines()
        assert [line["state"] for line in lines[:2]] == ["asked", "writing"]
        assert (lines[-1]["state"], lines[-1]["answer"]) == ("answered", "Pho is soup")
        assert "total" in lines[-1]["timings"]
        assert sum("total" in line["timings"] for line in lines) == 1


class TestStopping:
    async def test_by_closing_keeps_what_came_and_closes_the_connection(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " [1]", " and"], after=2, hold=asyncio.Event()))
        async with aclosing(kitchen_with_model.services().asking.ask(SOUPS)) as events:
            async for event in events:
                if isinstance(event, Delta) and event.text == " [1]":
                    break
        [recorded] = kitchen_with_model.recorded()
        assert (recorded["state"], recorded["answer"], recorded["error"]) == ("stopped", "Pho [1]", "")
        assert [citation["known"] for citation in recorded["citations"]] == [True]
        assert "total" in recorded["timings"]
        await ollama.until_disconnected("/api/chat", "stream")

    async def test_by_cancelling_does_the_same(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        ollama.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()))
        asked = Asked()
        task = asyncio.create_task(ask(kitchen_with_model.services(), into=asked))
        await ollama.until(lambda: asked.text == "Pho")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [recorded] = kitchen_with_model.recorded()
        assert (recorded["state"], recorded["answer"]) == ("stopped", "Pho")
        await ollama.until_disconnected("/api/chat", "stream")

    async def test_by_cancelling_again_and_again_loses_nothing(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()))
        asked = Asked()
        task = asyncio.create_task(ask(kitchen_with_model.services(), into=asked))
        await ollama.until(lambda: asked.text == "Pho")
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        [recorded] = kitchen_with_model.recorded()
        assert (recorded["state"], recorded["answer"]) == ("stopped", "Pho")

    async def test_while_the_model_loads_aborts_the_load(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        ollama.memory.load_gate = asyncio.Event()
        task = asyncio.create_task(ask(kitchen_with_model.services()))
        await ollama.until_requested("/api/chat")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ollama.until_disconnected("/api/chat", "load")
        assert kitchen_with_model.recorded()[0]["state"] == "stopped"

    async def test_while_waiting_for_the_rate_limit(self, kitchen: Kitchen, ollama: OllamaEmulator) -> None:
        services = kitchen.services(use_model=False)
        services.retrieval._limit._taken.extend([kitchen.clock.seconds] * 100)
        asked = Asked()
        task = asyncio.create_task(ask(services, into=asked))
        await ollama.until(services.retrieval._limit._turn.locked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asked.events == [Waiting("the first fill"), Waiting("the rate limit", 60.0)]
        assert kitchen.recorded()[0]["state"] == "stopped"

    async def test_after_the_answer_changes_nothing(self, kitchen: Kitchen) -> None:
        async with aclosing(kitchen.services(use_model=False).asking.ask(SOUPS)) as events:
            async for event in events:
                if type(event).__name__ == "Answered":
                    break
        assert kitchen.recorded()[0]["state"] == "answered"

    async def test_leaves_the_service_usable(self, kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
        ollama.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()), Reply(["Ramen"]))
        services = kitchen_with_model.services()
        async with aclosing(services.asking.ask(SOUPS)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    break
        assert (await ask(services)).turn.answer == "Ramen"


class TestFailing:
    async def test_an_index_that_cannot_be_opened_fails_the_turn(self, kitchen: Kitchen) -> None:
        kitchen.paths.index_file.parent.mkdir(parents=True)
        kitchen.paths.index_file.write_bytes(b"no database" * 1000)
        with pytest.raises(IndexCorrupt):
            await ask(kitchen.services(use_model=False))
        [recorded] = kitchen.recorded()
        assert recorded["state"] == "failed"
        assert recorded["error"]

    async def test_what_nobody_expected_is_recorded_as_failed(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        services.retrieval.top_k = None  # type: ignore[assignment]
        with pytest.raises(TypeError):
            await ask(services)
        [recorded] = kitchen.recorded()
        assert (recorded["state"], recorded["error"]) == ("failed", UNEXPECTED)

    async def test_a_question_that_cannot_be_saved_is_not_asked(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        kitchen.paths.sessions.write_text("a file where the folder should be")
        asked = Asked()
        with pytest.raises(StorageFull) as caught:
            await ask(services, into=asked)
        assert caught.value.hint
        assert asked.events == []

    async def test_a_full_disk_does_not_hide_what_failed_first(self, kitchen: Kitchen) -> None:
        kitchen.paths.index_file.parent.mkdir(parents=True)
        kitchen.paths.index_file.write_bytes(b"no database" * 1000)
        asking = kitchen.services(use_model=False).asking.ask(SOUPS)
        with pytest.raises(IndexCorrupt):
            await collect(asking, Asked(), watch=lambda _: kitchen.fill_disk())

    async def test_a_disk_that_fills_up_mid_answer_is_told(
        self, kitchen_with_model: Kitchen, ollama: OllamaEmulator
    ) -> None:
        gate = asyncio.Event()
        ollama.say(Reply(["Pho", " is", " soup"], after=1, hold=gate))
        asking = saving_at_once(kitchen_with_model, kitchen_with_model.services())
        asked = Asked()

        def fill_disk_after_the_first_word(event: AskEvent) -> None:
            if event == Delta("Pho"):
                kitchen_with_model.fill_disk()
                gate.set()

        with pytest.raises(StorageFull):
            await collect(asking.ask(SOUPS), asked, fill_disk_after_the_first_word)
        assert asked.text.startswith("Pho")


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
async def test_killed_mid_answer_the_session_can_be_read_with_what_came(
    kitchen_with_model: Kitchen, ollama: OllamaEmulator, tmp_path: Path
) -> None:
    ollama.say(Reply(["Pho", " is", " a", " soup"], after=3, hold=asyncio.Event()))
    arguments = ("-m", "tests.services.ask_child", str(tmp_path), ollama.host)
    child = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
    try:
        await ollama.until(lambda: [turn["answer"] for turn in kitchen_with_model.recorded()] == ["Pho is a"])
    finally:
        child.kill()
        await child.wait()
    [recorded] = kitchen_with_model.recorded()
    assert (recorded["state"], recorded["answer"], recorded["answerer"]) == ("writing", "Pho is a", "llama3.2")
    assert recorded["question"] == SOUPS
