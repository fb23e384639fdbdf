"""The parts of `stream.py` that run in processes of their own: the texts, the server that sends them, the app."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import ClassVar

import httpx  # noqa: F401 - so that it is not loaded while the first answer streams
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Header, Static, TextArea

from tui.core.clock import SystemClock
from tui.core.foods import bundled_foods_path
from tui.llm.base import Message, Prompt, TextDelta
from tui.llm.ollama import OllamaAnswerer
from tui.llm.ollama_wire import ChatOptions
from tui.widgets.streamed_markdown import StreamedMarkdown

WORDS = 5_000
MOST_TOKENS = 20_000
DONE = "stream complete"
START_KEY = "f5"
SHAPES = ("mixed", "paragraph", "list", "code")


def words(count: int) -> list[str]:
    """Words of foods.json, with the Markdown that models sprinkle over them."""
    plain = " ".join(food["text"] for food in json.loads(bundled_foods_path().read_text("utf-8"))).split()
    said = [plain[place % len(plain)] for place in range(count)]
    for place in range(0, count - 4, 23):
        said[place] = f"**{said[place]}**"
        said[place + 1] = f"*{said[place + 1]}"
        said[place + 2] = f"{said[place + 2]}*"
        said[place + 3] += f" [{place % 3 + 1}]"
        said[place + 4] = f"`{said[place + 4]}`"
    return said


def document(shape: str) -> str:
    """5,000 words in one of the shapes."""
    said = words(WORDS)
    rows = [" ".join(said[start : start + 15]) for start in range(0, WORDS, 15)]
    if shape == "paragraph":
        return " ".join(said)
    if shape == "list":
        return "".join(f"- {row}\n" for row in rows[:330])
    if shape == "code":
        return "```python\n" + "".join(f"    cook('{row[:40]}')  # {row[40:]}\n" for row in rows)
    return "".join(_block(place, row) for place, row in enumerate(rows))


def _block(place: int, row: str) -> str:
    kinds = (
        f"## {row[:40]}\n\n{row}\n\n",
        f"{row}\n{row[:30]}\n\n",
        f"- {row}\n- {row[:50]}\n    - {row[50:]}\n\n",
        f"{place}. {row}\n",
        f"\n> {row}\n\n",
        f"| Dish | Origin |\n|:--|--:|\n| {row[:30]} | {row[30:]} |\n\n",
        f"```python\ndef cook():\n    return {row!r}\n```\n\n",
        f"See [{row[:20]}](https://example.com/{place}) and {row[20:]}\n\n---\n\n",
    )
    return kinds[place % len(kinds)]


async def serve(shape: str, rounds: int) -> None:
    """An emulator of Ollama that sends the document as fast as it can, token by token, `rounds` times."""
    from tests.emulators.ollama import OllamaEmulator
    from tests.emulators.ollama_script import Reply, tokens

    async with OllamaEmulator() as emulator:
        emulator.say(*[Reply(pieces=tokens(document(shape)))] * rounds)
        print(emulator.host, flush=True)
        await asyncio.Event().wait()


class StreamApp(App[None]):
    """A transcript, a prompt and a line that says when everything is on the screen. Without a host, nothing streams.

    Asks `rounds` times, one answer after the other, and writes a report when the last is on the screen.
    """

    CSS = """
    VerticalScroll { height: 1fr; layout: stream; }
    TextArea { height: 6; }
    #state { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding(START_KEY, "start", "Start", priority=True)]

    def __init__(self, host: str, rounds: int, report: Path) -> None:
        super().__init__()
        self._host = host
        self._rounds = rounds
        self._report = report
        self._answers: list[dict[str, object]] = []
        self._settled = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Header()
        yield VerticalScroll()
        yield Static(Content("ready"), id="state")
        yield TextArea(id="prompt")
        yield Footer()

    def on_ready(self) -> None:
        """What was loaded at the start stays: looking through it for garbage takes 25 ms each time."""
        gc.freeze()

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()
        self.query_one(VerticalScroll).anchor()

    def action_start(self) -> None:
        if self._host:
            self._stream()

    @work
    async def _stream(self) -> None:
        answerer = OllamaAnswerer(
            self._host,
            "llama3.2",
            clock=SystemClock(),
            options=ChatOptions(num_predict=MOST_TOKENS, num_ctx=2 * MOST_TOKENS),
        )
        for _ in range(self._rounds):
            await self._ask(answerer)
        await answerer.aclose()
        self._report.write_text(json.dumps(self._answers))
        self.query_one("#state", Static).update(Content(DONE))

    async def _ask(self, answerer: OllamaAnswerer) -> None:
        began, cpu = time.monotonic(), time.process_time()
        answer = StreamedMarkdown(citations=3)
        await self.query_one(VerticalScroll).mount(answer)
        prompt = Prompt("?", (), (Message("user", "?"),))
        async for part in answerer.stream(prompt):
            if isinstance(part, TextDelta):
                answer.append(part.text)
                await answer.drain()
        received = time.monotonic() - began
        answer.finish()
        await self._settled.wait()
        self._settled.clear()
        told = {"seconds": time.monotonic() - began, "received": received, "cpu": time.process_time() - cpu}
        self._answers.append({**told, "plain": answer.plain, "source": answer.source})

    @on(StreamedMarkdown.Settled)
    def _on_settled(self) -> None:
        self.call_after_refresh(self._settled.set)


def main() -> None:
    """``serve SHAPE ROUNDS`` or ``app HOST ROUNDS REPORT``."""
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
    else:
        StreamApp(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])).run()


if __name__ == "__main__":
    main()
