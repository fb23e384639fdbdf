from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_models import LLAMA
from tests.emulators.ollama_script import HOST_GUARD, PROXY_PAGE, Canned, Reply
from tests.llm.ollama_helpers import Collected, Make, collect, prompt_of
from tui.core.errors import (
    AnswererBusy,
    AnswererUnavailable,
    AnswerInterrupted,
    ModelMissing,
    PromptTooLong,
)
from tui.llm.base import AnswerFinished, Prompt
from tui.llm.ollama_http import Timeouts


class TestAnUnfinishedAnswer:
    @pytest.mark.parametrize(
        "reply",
        [
            Reply(["Pho", " is", " good"], after=2, eof=True),
            Reply(["Pho", " is", " good"], after=2, drop=True),
            Reply(["Pho", " is", " good"], after=2, error="an error was encountered while running the model: EOF"),
            Reply(["Pho", " is", " good"], after=2, error='{"error":{"code":500,"message":"slot lost"}}'),
        ],
        ids=["eof", "drop", "error line", "nested error line"],
    )
    async def test_keeps_what_came_before(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, collected: Collected, reply: Reply
    ) -> None:
        emulator.say(reply)
        with pytest.raises(AnswerInterrupted):
            await collect(make(emulator), prompt, collected)
        assert collected.text == "Pho is"

    async def test_is_what_a_model_leaves_that_repeats_itself(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, collected: Collected
    ) -> None:
        emulator.say(Reply([" again"] * 50))
        with pytest.raises(AnswerInterrupted, match="without saying that it was done"):
            await collect(make(emulator), prompt, collected)
        assert collected.text.count("again") == 31

    async def test_has_the_reason_of_newer_servers_for_a_repeat(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.world.repeat_error = True
        emulator.say(Reply([" again"] * 50))
        with pytest.raises(AnswerInterrupted, match="token repeat limit reached"):
            await collect(make(emulator), prompt)

    async def test_ends_when_the_server_stalls(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, collected: Collected
    ) -> None:
        emulator.say(Reply(["Pho", " is"], after=1, hold=asyncio.Event()))
        answerer = make(emulator, timeouts=Timeouts(connect=2.0, stall=0.05))
        with pytest.raises(AnswerInterrupted, match="has written nothing"):
            await collect(answerer, prompt, collected)
        assert collected.text == "Pho"
        await emulator.until_disconnected("/api/chat", "stream")

    async def test_of_reasoning_only_is_reported(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(thinking=["Hmm", "…"], done_reason="length"))
        with pytest.raises(AnswerInterrupted, match="only reasoned until its limit of tokens was used up"):
            await collect(make(emulator), prompt)

    async def test_for_want_of_room_is_reported(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(done_reason="length"))
        with pytest.raises(PromptTooLong, match="no room in its context window"):
            await collect(make(emulator), prompt)

    async def test_of_nothing_is_reported(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.say(Reply(["\n", " "]))
        with pytest.raises(AnswerInterrupted, match="without writing anything"):
            await collect(make(emulator), prompt)


class TestErrorsSayWhatToDo:
    async def test_not_running(self, make: Make, prompt: Prompt, unused_address: str) -> None:
        with pytest.raises(AnswererUnavailable) as caught:
            await collect(make(unused_address), prompt)
        assert caught.value.message == f"Ollama is not running at {unused_address}."
        assert "`ollama serve`" in caught.value.hint

    async def test_model_missing(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        with pytest.raises(ModelMissing) as caught:
            await collect(make(emulator, "gemma3"), prompt)
        assert "does not have the model gemma3" in caught.value.message
        assert "`ollama pull gemma3`" in caught.value.hint
        assert "Installed: llama3.2:latest, mxbai-embed-large:latest." in caught.value.hint

    async def test_model_missing_under_this_tag_only(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        with pytest.raises(ModelMissing) as caught:
            await collect(make(emulator, "llama3.2:3b"), prompt)
        assert "RAGFOOD_MODEL=llama3.2:latest" in caught.value.hint

    async def test_queue_full(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.memory.max_queue = 0
        with pytest.raises(AnswererBusy, match="maximum pending requests exceeded"):
            await collect(make(emulator), prompt)

    @pytest.mark.parametrize(
        ("status", "message", "kind", "said"),
        [
            (
                500,
                "model requires more system memory (5.6 GiB) than is available (2.1 GiB)",
                AnswererUnavailable,
                "5.6 GiB",
            ),
            (500, "llama-server reported out-of-memory during startup: x", AnswererUnavailable, "out-of-memory"),
            (500, "llama runner process has terminated: exit status 2", AnswererUnavailable, "exit status 2"),
            (429, "too many requests", AnswererBusy, "too many requests"),
            (503, "Server overloaded, please retry shortly (ref: x)", AnswererBusy, "overloaded"),
            (400, '"llama3.2" does not support thinking', AnswererUnavailable, "does not support thinking"),
            (400, "the input length exceeds the context length", PromptTooLong, "does not fit"),
            (401, "unauthorized", AnswererUnavailable, "refuses: unauthorized"),
            (403, "ollama cloud is disabled", AnswererUnavailable, "refuses: ollama cloud is disabled"),
        ],
    )
    async def test_refused_with_a_reason(
        self,
        emulator: OllamaEmulator,
        make: Make,
        prompt: Prompt,
        status: int,
        message: str,
        kind: type[AnswererUnavailable],
        said: str,
    ) -> None:
        emulator.say(Reply(error=message, status=status))
        with pytest.raises(kind) as caught:
            await collect(make(emulator), prompt)
        assert said in caught.value.message
        assert caught.value.hint

    async def test_a_first_error_with_status_200_is_one_too(self, make: Make, prompt: Prompt) -> None:
        async with OllamaEmulator(version="0.12.5") as emulator:
            emulator.say(Reply(error="llama runner process has terminated: exit status 2"))
            with pytest.raises(AnswererUnavailable, match="exit status 2"):
                await collect(make(emulator), prompt)

    async def test_an_error_inside_a_json_text_is_unwrapped(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.say(Reply(error='{"error":"{\\"error\\":{\\"message\\":\\"deep down\\"}}"}'))
        with pytest.raises(AnswererUnavailable, match="deep down"):
            await collect(make(emulator), prompt)

    @pytest.mark.parametrize(
        ("canned", "said"),
        [
            (PROXY_PAGE, "cannot reach it (status 502)"),
            (Canned(401, "text/html", b"<html>"), "asks for a login"),
            (Canned(200, "text/html", b"<!doctype html><title>Router</title>"), "is not Ollama"),
            (Canned(200, "application/json", b'{"hello":"world"}'), "is not Ollama"),
            (Canned(200, "application/json", b"[1]"), "is not Ollama"),
            (Canned(404, "text/plain", b"404 page not found"), "is not Ollama: status 404"),
            (Canned(500, "application/json", b"[" * 100_000), "is not Ollama: status 500"),
            (HOST_GUARD, "refuses requests under that name"),
            (Canned(307, "", b"", {"Location": "http://example.com/"}), "redirects to another address"),
            (Canned(drop=True), "broke off"),
        ],
    )
    async def test_something_else_answers(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, canned: Canned, said: str
    ) -> None:
        emulator.answer_next("/api/chat", canned)
        with pytest.raises(AnswererUnavailable) as caught:
            await collect(make(emulator), prompt)
        assert said in caught.value.message
        assert caught.value.hint

    async def test_a_cloud_model_needs_a_sign_in(self, emulator: OllamaEmulator, make: Make, prompt: Prompt) -> None:
        emulator.install(replace(LLAMA, name="gpt-oss:120b-cloud", remote_host="https://ollama.com:443"))
        with pytest.raises(AnswererUnavailable) as caught:
            await collect(make(emulator, "gpt-oss:120b-cloud"), prompt)
        assert caught.value.message == f"Ollama at {emulator.host} refuses: unauthorized."
        assert "`ollama signin`" in caught.value.hint

    async def test_a_missing_path_is_not_a_missing_model(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.answer_next("/api/chat", Canned(404, "application/json", b'{"error":"no such route"}'))
        with pytest.raises(AnswererUnavailable, match="no such route"):
            await collect(make(emulator), prompt)

    async def test_an_empty_reply_is_an_interruption(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt
    ) -> None:
        emulator.answer_next("/api/chat", Canned(200, "application/x-ndjson", b""))
        with pytest.raises(AnswerInterrupted):
            await collect(make(emulator), prompt)

    async def test_a_line_without_end_is_given_up(
        self, emulator: OllamaEmulator, make: Make, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        emulator.answer_next("/api/chat", Canned(200, "application/x-ndjson", b'{"x":"' + b"y" * (17 << 20)))
        with pytest.raises(AnswererUnavailable, match="a line without end"):
            await collect(make(emulator), prompt)


class TestLongPrompts:
    async def test_are_refused_with_their_size(self, emulator: OllamaEmulator, make: Make) -> None:
        with pytest.raises(PromptTooLong, match=r"of llama3\.2: \d,\d{3} tokens for a window of 4,096"):
            await collect(make(emulator), prompt_of("soup " * 6000))

    async def test_are_refused_by_the_older_engine_too(self, old_emulator: OllamaEmulator, make: Make) -> None:
        with pytest.raises(PromptTooLong, match="does not fit the context window"):
            await collect(make(old_emulator), prompt_of("soup " * 6000))

    async def test_that_an_old_server_cuts_are_flagged(self, make: Make) -> None:
        async with OllamaEmulator(version="0.9.0") as emulator:
            finished = (await collect(make(emulator), prompt_of("noodles " * 6000))).parts[-1]
        assert isinstance(finished, AnswerFinished)
        assert finished.prompt_tokens == 4096
        assert finished.truncated

    async def test_cut_to_half_the_window_are_flagged(self, emulator: OllamaEmulator, make: Make) -> None:
        emulator.memory.default_num_ctx = 65_536
        emulator.say(Reply(["Pho"], metrics={"prompt_eval_count": 32_770}))
        finished = (await collect(make(emulator), prompt_of("noodles " * 30_000))).parts[-1]
        assert isinstance(finished, AnswerFinished)
        assert finished.truncated

    async def test_that_fit_are_not(self, emulator: OllamaEmulator, make: Make) -> None:
        finished = (await collect(make(emulator), prompt_of("noodles " * 1500))).parts[-1]
        assert isinstance(finished, AnswerFinished)
        assert not finished.truncated

    async def test_that_were_cached_are_not(self, emulator: OllamaEmulator, make: Make) -> None:
        # v0.30.0 counts only the tokens that were not in its cache.
        emulator.say(Reply(["Pho"], metrics={"prompt_eval_count": 12}))
        finished = (await collect(make(emulator), prompt_of("noodles " * 900))).parts[-1]
        assert isinstance(finished, AnswerFinished)
        assert not finished.truncated
