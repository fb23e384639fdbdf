from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_models import EMBEDDER, LLAMA, THINKER
from tests.emulators.ollama_script import Canned, Reply
from tests.llm.ollama_helpers import Collected, Make, collect, prompt_of
from tui.core.errors import (
    AnswererUnavailable,
    SettingsError,
)
from tui.llm.base import AnswerFinished, ModelLoading, Prompt, TextDelta
from tui.llm.ollama_http import Timeouts
from tui.llm.ollama_wire import ChatOptions


class TestAnAnswer:
    async def test_comes_piece_by_piece_and_ends_with_its_numbers(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        numbers = {
            "load_duration": 2_000_000_000,
            "prompt_eval_count": 26,
            "eval_count": 4,
            "eval_duration": 500_000_000,
        }
        emulator.say(Reply(["Pho", " is", " soup", " [1]."], metrics=numbers))
        answer = await collect(make(emulator), prompt)
        assert answer.parts == [
            ModelLoading("llama3.2"),
            TextDelta("Pho"),
            TextDelta(" is"),
            TextDelta(" soup"),
            TextDelta(" [1]."),
            AnswerFinished("stop", 26, 4, load_seconds=2.0, answer_seconds=0.5),
        ]

    async def test_says_that_the_model_is_loading_only_when_it_is(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        answerer = make(emulator)
        await answerer.preload()
        emulator.say(Reply(["Pho"]))
        assert [type(part) for part in (await collect(answerer, prompt)).parts] == [TextDelta, AnswerFinished]

    async def test_is_not_held_up_by_a_server_that_does_not_tell_what_is_loaded(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.answer_next("/api/ps", Canned(hold=asyncio.Event()))
        emulator.say(Reply(["Pho"]))
        async with asyncio.timeout(2.0):
            assert (await collect(make(emulator), prompt)).parts[0] == TextDelta("Pho")

    async def test_has_thinking_apart_from_text(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.install(THINKER)
        emulator.say(Reply([" Pho."], thinking=["Let", " me", " see"]))
        answer = await collect(make(emulator, "qwen3:4b"), prompt)
        assert (answer.thinking, answer.text) == ("Let me see", " Pho.")

    async def test_keeps_text_on_the_final_object(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(["Pho"], trailing=" and more"))
        assert (await collect(make(emulator), prompt)).text == "Pho and more"

    async def test_ends_with_a_done_reason_alone(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(["Pho"], keys={"done": None}))
        assert isinstance((await collect(make(emulator), prompt)).parts[-1], AnswerFinished)

    async def test_copes_with_numbers_left_out(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        names = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count")
        emulator.say(Reply(["Pho"], metrics=dict.fromkeys((*names, "eval_duration"))))
        finished = (await collect(make(emulator), prompt)).parts[-1]
        assert isinstance(finished, AnswerFinished)
        assert (finished.prompt_tokens, finished.answer_tokens, finished.load_seconds) == (None, None, None)
        assert finished.answer_seconds is not None

    async def test_survives_numbers_of_the_wrong_type(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.say(Reply(["Pho"], keys={"eval_count": "many", "prompt_eval_count": True, "load_duration": -1}))
        finished = (await collect(make(emulator), prompt)).parts[-1]
        assert isinstance(finished, AnswerFinished)
        assert (finished.prompt_tokens, finished.answer_tokens, finished.load_seconds) == (None, None, None)

    async def test_tells_when_it_was_cut_at_the_limit(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.say(Reply([f" word{n}" for n in range(9)]))
        answer = await collect(make(emulator, options=ChatOptions(num_predict=3)), prompt)
        assert answer.text == " word0 word1 word2"
        assert isinstance(finished := answer.parts[-1], AnswerFinished)
        assert finished.reason == "length"

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    async def test_does_not_depend_on_how_its_bytes_are_cut(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, size: int
    ) -> None:
        emulator.rechunk = size
        emulator.say(Reply(["Phở", " 🍜", ' <b>"x"</b> \\n', " żurek\n", "\u4e2d\u6587"], blank_lines=True))
        assert (await collect(make(emulator), prompt)).text == 'Phở 🍜 <b>"x"</b> \\n żurek\n\u4e2d\u6587'

    async def test_may_have_a_line_of_a_megabyte(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(["é" * 500_000]))
        assert (await collect(make(emulator), prompt)).text == "é" * 500_000

    async def test_survives_a_restart_of_the_server_in_between(self, make: Make, prompt: Prompt) -> None:
        async with OllamaEmulator() as first:
            answerer = make(first)
            assert (await collect(answerer, prompt)).text
        async with OllamaEmulator(port=first.port):
            assert (await collect(answerer, prompt)).text

    async def test_ignores_an_error_that_is_none(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(["Pho"], keys={"error": ""}))
        assert (await collect(make(emulator), prompt)).text == "Pho"

    async def test_reuses_its_connection(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        answerer = make(emulator)
        emulator.say(Reply(["Pho"]), Reply(["Ramen"]))
        await collect(answerer, prompt)
        await collect(answerer, prompt)
        assert len(emulator._connections) == 1
        assert emulator.disconnects == []


class TestHostileText:
    @pytest.mark.parametrize(
        ("pieces", "text"),
        [
            (["a\x1b[31mred\x1b[0m"], "ared"),
            (["a\x1b", "[31", "mred"], "ared"),
            (["a\x9b31mred"], "ared"),
            (["a\x9b3", "1mred"], "ared"),
            (["one\r", "\ntwo"], "one\ntwo"),
            (["one\r", "two"], "one\ntwo"),
            (["one\u2028two\u0085three"], "one\ntwo\nthree"),
            (["\u202egnirts"], "gnirts"),
            (["<think>", "x", "</think>[@click=app.quit]y[/]"], "<think>x</think>[@click=app.quit]y[/]"),
            (["a\x07\x00\x7fb"], "ab"),
            (["end\r"], "end\n"),
            (["end\x1b"], "end"),
        ],
    )
    async def test_is_made_safe_however_it_was_cut(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, pieces: list[str], text: str
    ) -> None:
        emulator.say(Reply(pieces, thinking=pieces))
        answer = await collect(make(emulator), prompt)
        assert (answer.text, answer.thinking) == (text, text)

    async def test_halves_of_a_character_are_joined_and_lone_ones_replaced(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        lines = [rb'"\ud83c"', rb'"\udf5c"', rb'"a\udf5cb"', rb'"\ud83c"']
        body = b"".join(b'{"message":{"content":%b},"done":false}\n' % line for line in lines) + b'{"done":true}\n'
        emulator.answer_next("/api/chat", Canned(200, "application/x-ndjson", body))
        assert (await collect(make(emulator), prompt)).text == "🍜a\ufffdb\ufffd"

    async def test_in_errors_is_made_safe(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(error="bad \x1b]0;owned\x07 \x1b[2J\u202e thing"))
        with pytest.raises(AnswererUnavailable) as caught:
            await collect(make(emulator), prompt)
        assert "bad thing" in caught.value.message

    async def test_in_model_names_is_made_safe(self, emulator: OllamaEmulator, make: Make) -> None:
        body = json.dumps({"models": [{"name": "evil\x1b[31m\u202e:1b"}]}).encode()
        emulator.answer_next("/api/tags", Canned(200, "application/json", body))
        assert await make(emulator).models() == ("evil:1b",)


class TestStopping:
    async def test_by_closing_the_stream_closes_the_connection(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()))
        async with aclosing(make(emulator).stream(prompt)) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    break
        await emulator.until_disconnected("/api/chat", "stream")

    async def test_by_cancelling_while_the_model_loads_aborts_the_load(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.memory.load_gate = asyncio.Event()
        task = asyncio.create_task(collect(make(emulator), prompt))
        await emulator.until_requested("/api/chat")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await emulator.until_disconnected("/api/chat", "load")
        assert emulator.memory.loads == []

    async def test_by_cancelling_while_the_prompt_is_read_closes_the_connection(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.say(Reply(["Pho"], hold=asyncio.Event()))
        task = asyncio.create_task(collect(make(emulator), prompt))
        await emulator.until(lambda: bool(emulator.memory.loads))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await emulator.until_disconnected("/api/chat", "prompt")

    async def test_by_cancelling_between_two_words_closes_the_connection(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, collected: Collected
    ) -> None:
        emulator.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()))
        task = asyncio.create_task(collect(make(emulator), prompt, collected))
        await emulator.until(lambda: bool(collected.parts))
        await emulator.until_requested("/api/chat")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await emulator.until(lambda: bool(emulator.disconnects))

    async def test_leaves_the_answerer_usable(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        answerer = make(emulator)
        emulator.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()), Reply(["Ramen"]))
        async with aclosing(answerer.stream(prompt)) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    break
        assert (await collect(answerer, prompt)).text == "Ramen"

    async def test_closing_twice_is_safe(self, emulator: OllamaEmulator, make: Make) -> None:
        answerer = make(emulator)
        await answerer.models()
        await answerer.aclose()
        await answerer.aclose()


class TestWhatIsSent:
    async def test_has_right_types_and_asks_for_no_silent_cut(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        await collect(make(emulator), prompt)
        [body] = emulator.bodies("/api/chat")
        assert json.loads(body) == {
            "model": "llama3.2",
            "messages": [
                {"role": "system", "content": "Answer from the sources."},
                {"role": "user", "content": "Which soups come with noodles?"},
            ],
            "stream": True,
            "truncate": False,
            "shift": False,
            "options": {"num_predict": 1024, "temperature": 0.2},
        }

    async def test_after_a_preload_does_not_load_again(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        answerer = make(emulator, options=ChatOptions(num_ctx=8192, temperature=1, seed=7))
        await answerer.preload()
        await collect(answerer, prompt)
        assert emulator.memory.loads == [("llama3.2:latest", 8192)]

    async def test_a_switch_for_thinking_goes_only_to_models_that_can(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.install(THINKER)
        await collect(make(emulator, options=ChatOptions(think=True)), prompt)
        await collect(make(emulator, "qwen3:4b", options=ChatOptions(think=False)), prompt)
        bodies = [json.loads(body) for body in emulator.bodies("/api/chat")]
        assert [body.get("think") for body in bodies] == [None, False]
        assert [body["options"]["num_predict"] for body in bodies] == [1024, 4096]

    async def test_lone_surrogates_in_a_question_do_no_harm(self, emulator: OllamaEmulator, make: Make) -> None:
        emulator.say(Reply(["Pho"]))
        assert (await collect(make(emulator), prompt_of("soup \ud83c?"))).text == "Pho"


class TestCheck:
    async def test_is_fine_when_the_model_is_there(self, emulator: OllamaEmulator, make: Make) -> None:
        for name in (
            "llama3.2",
            "llama3.2:latest",
            "LLAMA3.2",
            "library/llama3.2",
            "registry.ollama.ai/library/llama3.2",
        ):
            assert (await make(emulator, name).check()).ok

    async def test_works_with_the_older_engine(self, old_emulator: OllamaEmulator, make: Make) -> None:
        assert (await make(old_emulator).check()).ok

    async def test_names_the_missing_model(self, emulator: OllamaEmulator, make: Make) -> None:
        availability = await make(emulator, "gemma3").check()
        assert not availability.ok
        assert "gemma3" in availability.reason
        assert "`ollama pull gemma3`" in availability.hint

    async def test_refuses_a_model_that_cannot_chat(self, emulator: OllamaEmulator, make: Make) -> None:
        availability = await make(emulator, EMBEDDER.name).check()
        assert (availability.ok, availability.reason) == (False, "mxbai-embed-large:latest cannot write answers.")

    async def test_says_when_nothing_runs(self, make: Make, unused_address: str) -> None:
        availability = await make(unused_address).check()
        assert availability.reason == f"Ollama is not running at {unused_address}."

    @pytest.mark.parametrize(
        "canned", [Canned(500, "text/plain", b"oops"), Canned(200, "text/html", b"<html>"), Canned(200, "", b"{}")]
    )
    async def test_says_when_it_is_not_ollama(self, emulator: OllamaEmulator, make: Make, canned: Canned) -> None:
        emulator.answer_next("/api/tags", canned)
        availability = await make(emulator).check()
        assert not availability.ok
        assert "is not Ollama" in availability.reason

    async def test_does_not_wait_for_a_silent_server(self, emulator: OllamaEmulator, make: Make) -> None:
        emulator.answer_next("/api/tags", Canned(hold=asyncio.Event()))
        availability = await make(emulator, timeouts=Timeouts(connect=1.0, reply=0.05)).check()
        assert not availability.ok
        assert "has not answered" in availability.reason

    async def test_finds_no_models_where_the_list_is_null(self, emulator: OllamaEmulator, make: Make) -> None:
        emulator.answer_next("/api/tags", Canned(200, "application/json", b'{"models":null}'))
        emulator.world.models.clear()
        availability = await make(emulator).check()
        assert "No model is installed yet." in availability.hint


class TestSecrets:
    async def test_the_key_goes_to_this_machine_and_shows_nowhere(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        answerer = make(emulator, api_key="sk-hidden-42")
        await collect(answerer, prompt)
        assert {request.headers["authorization"] for request in emulator.requests} == {"Bearer sk-hidden-42"}
        assert "sk-hidden-42" not in repr(answerer) + repr(vars(answerer)) + repr(vars(answerer._client))

    async def test_the_password_of_the_address_is_sent_as_basic_authentication(
        self, emulator: OllamaEmulator, make: Make
    ) -> None:
        await make(f"http://me:p%40ss@{emulator.host}").models()
        assert emulator.requests[0].headers["authorization"] == "Basic bWU6cEBzcw=="

    async def test_without_a_key_nothing_is_sent(self, emulator: OllamaEmulator, make: Make) -> None:
        await make(emulator).models()
        assert "authorization" not in emulator.requests[0].headers

    @pytest.mark.parametrize("key", ["sk hidden", "sk-hidden\n", "sk-hiddén"])
    def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(self, make: Make, key: str) -> None:
        with pytest.raises(SettingsError, match="OLLAMA_API_KEY") as caught:
            make("127.0.0.1", api_key=key)
        assert "hidd" not in caught.value.message + caught.value.hint


def test_start_up_does_not_import_httpx() -> None:
    code = "import sys, tui.llm.ollama; print(sorted({'httpx', 'numpy', 'ssl', 'textual'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['ssl']")


def test_the_model_of_the_emulator_is_the_default_one() -> None:
    assert LLAMA.name == "llama3.2:latest"
