"""The contract of every answerer: a prompt in, parts of an answer out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered source as the model sees it. `number` starts at 1 and is what ``[n]`` in an answer refers to."""

    number: int
    id: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `role` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything an answerer gets: the exact chat `messages`, and the parts they were built from."""

    question: str
    passages: tuple[Passage, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class ModelLoading:
    """The model is not in memory yet and is being loaded."""

    model: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of the model's reasoning, not of its answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerFinished:
    """The last part of a complete answer.

    `reason` is Ollama's ``done_reason`` (``stop``, ``length``, ...) or empty. Token counts are None when not reported;
    durations are in seconds. `truncated` is true when the server dropped part of the prompt.
    """

    reason: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    load_seconds: float | None = None
    answer_seconds: float | None = None
    truncated: bool = False


AnswerPart = ModelLoading | ThinkingDelta | TextDelta | AnswerFinished


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an answerer can write now; when it cannot, `reason` says why and `hint` what to do."""

    ok: bool
    reason: str = ""
    hint: str = ""


class Answerer(Protocol):
    """Who writes: Ollama or the extractive answerer."""

    @property
    def name(self) -> str:
        """What people and scripts read: the model's name, or ``extractive``."""
        ...

    async def check(self) -> Availability:
        """Tells within a few seconds whether an answer can be expected. Raises nothing."""
        ...

    def stream(self, prompt: Prompt) -> AsyncIterator[AnswerPart]:
        """Yields the parts of one answer, `AnswerFinished` last.

        Closing the iterator or cancelling the task ends the generation at once. Raises a subclass of `AnswererError`;
        parts that came before it are valid.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections. Safe to call twice."""
        ...
