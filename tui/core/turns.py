"""A question with everything that belongs to its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tui.core.records import Hit


class TurnState(StrEnum):
    """How far a turn came. The last four are final."""

    ASKED = "asked"
    WRITING = "writing"
    ANSWERED = "answered"
    REFUSED = "refused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Degradation:
    """Why an answer is less than it could be, and what to do about it."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """One ``[n]`` in an answer: `start` and `end` are its offsets in the answer, `number` the source it names.

    `known` is false when the turn has no source of that number.
    """

    number: int
    start: int
    end: int
    known: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with its frozen hits, exact prompt, answer, citations, timings and token counts.

    `asked_at` is ISO 8601 in UTC. `hits` are the sources shown to the answerer, numbered from 1 in this order;
    `dropped` are the candidates that the relevance gate held back. `prompt` holds (role, content) pairs exactly as
    sent, empty when nothing was asked of a model.
    `timings` maps phase names (``retrieve``, ``first_text``, ``total``) to seconds. `answerer` is a model's name,
    ``extractive`` or ``none``. `fallback` marks an answer written without any source.
    """

    id: str
    asked_at: str
    question: str
    state: TurnState = TurnState.ASKED
    hits: tuple[Hit, ...] = ()
    dropped: tuple[Hit, ...] = ()
    prompt: tuple[tuple[str, str], ...] = ()
    answer: str = ""
    thinking: str = ""
    answerer: str = "none"
    citations: tuple[Citation, ...] = ()
    degraded: tuple[Degradation, ...] = ()
    fallback: bool = False
    truncated: bool = False
    error: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    tokens_per_second: float | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
