"""The answerer without a model: it quotes the sentences of the sources that answer best, and adds nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.embed.words import FUNCTION_WORDS, split_words, stem
from tui.llm.base import AnswerFinished, AnswerPart, Availability, Prompt, TextDelta

if TYPE_CHECKING:
    from tui.embed.evidence import Evidence
    from tui.llm.base import Passage

NAME: Final = "extractive"

MAX_SENTENCES: Final = 5
"""Sentences of an answer at most; more is reading the sources."""

PER_SOURCE: Final = 2
"""Sentences from one source at most."""

_WORTH = 0.6
"""A sentence is quoted when it covers at least this share of what the best one covers."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z0-9])|\n+")
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class _Quote:
    passage: Passage
    position: int
    sentence: str
    score: float


class ExtractiveAnswerer:
    """Quotes the sentences that cover the question best, at most two a source, each with its number.

    `evidence` is made at the first answer, since it loads the built-in model.
    """

    name = NAME

    def __init__(self, evidence: Callable[[], Evidence]) -> None:
        self._evidence = evidence

    async def check(self) -> Availability:
        """Always ready: it needs nothing but the sources."""
        return Availability(ok=True)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart]:
        """Yields one quoted sentence after the other."""
        quotes = await asyncio.to_thread(self._choose, prompt)
        for number, quote in enumerate(quotes):
            yield TextDelta(("\n" if number else "") + _worded(quote))
        yield AnswerFinished(reason="stop")

    async def aclose(self) -> None:
        """Holds nothing that has to be released."""

    def _choose(self, prompt: Prompt) -> list[_Quote]:
        """The quotes of an answer: the best source first, the sentences of one source in their own order."""
        evidence = self._evidence()
        candidates = [
            (passage, position, sentence)
            for passage in prompt.passages
            for position, sentence in enumerate(sentences_of(passage.text))
        ]
        question = evidence.read(prompt.question, lambda _: ({}, 0))
        strengths = evidence.cover(question, [sentence for _, _, sentence in candidates])
        scores = strengths.mean(axis=1) if strengths.shape[1] else strengths.sum(axis=1)
        quotes = [
            # An opening sentence says what the thing is: of two that cover as much, it is the better answer.
            _Quote(passage, position, sentence, float(score) + (0.1 if position == 0 else 0.0))
            for (passage, position, sentence), score in zip(candidates, scores, strict=True)
        ]
        best = max((quote.score for quote in quotes), default=0.0)
        worthy = [quote for quote in quotes if quote.score >= _WORTH * best]
        return _arrange(worthy)


def sentences_of(text: str) -> list[str]:
    """Splits a text after sentence marks and at line ends; longer parts are cut at 400 characters."""
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return [part if len(part) <= _LONGEST else part[:_LONGEST].rsplit(" ", 1)[0] + " …" for part in parts if part]


def _arrange(quotes: Sequence[_Quote]) -> list[_Quote]:
    by_source: dict[int, list[_Quote]] = {}
    for quote in sorted(quotes, key=lambda quote: -quote.score):
        chosen = by_source.setdefault(quote.passage.number, [])
        if len(chosen) < PER_SOURCE:
            chosen.append(quote)
    arranged: list[_Quote] = []
    for number in sorted(by_source):
        arranged += sorted(by_source[number], key=lambda quote: quote.position)
    return arranged[:MAX_SENTENCES]


def _worded(quote: _Quote) -> str:
    """The sentence with its source's number, and with its subject when the sentence alone does not name it."""
    named = {stem(word) for word in split_words(quote.passage.heading) if word not in FUNCTION_WORDS}
    said = set(map(stem, split_words(quote.sentence)))
    subject = "" if not named or named & said else f"{quote.passage.heading}: "
    return f"{subject}{quote.sentence} [{quote.passage.number}]"
