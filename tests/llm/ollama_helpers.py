"""What the tests of the Ollama answerer share."""

from __future__ import annotations

from collections.abc import Callable

from tui.llm.base import AnswerPart, Message, Passage, Prompt, TextDelta, ThinkingDelta
from tui.llm.ollama import OllamaAnswerer

Make = Callable[..., OllamaAnswerer]


def prompt_of(text: str = "Which soups come with noodles?", system: str = "Answer from the sources.") -> Prompt:
    return Prompt(
        question=text,
        passages=(Passage(1, "pho-1", "Pho", "Pho is a noodle soup."),),
        messages=(Message("system", system), Message("user", text)),
    )


def text_of(parts: list[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def thinking_of(parts: list[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, ThinkingDelta))


class Collected:
    """What a stream yielded, and the error that ended it."""

    def __init__(self) -> None:
        self.parts: list[AnswerPart] = []

    @property
    def text(self) -> str:
        return text_of(self.parts)

    @property
    def thinking(self) -> str:
        return thinking_of(self.parts)


async def collect(answerer: OllamaAnswerer, prompt: Prompt, into: Collected | None = None) -> Collected:
    into = into or Collected()
    async for part in answerer.stream(prompt):
        into.parts.append(part)
    return into
