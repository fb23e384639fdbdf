"""The answerer without a model: it quotes the sentences of the sources that answer best, and adds nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.core.errors import AnswerInterrupted
from tui.embed.calibration import ABSENT_BELOW
from tui.embed.words import FUNCTION_WORDS, split_words, stem
from tui.llm.base import AnswerFinished, AnswerPart, Availability, Prompt, TextDelta

if TYPE_CHECKING:
    from tui.embed.evidence import Evidence
    from tui.llm.base import Passage

NAME: Final = "extractive"

MAX_SENTENCES: Final = 5
"""Sentences of an answer at most; more is reading the sources."""

PER_SOURCE: Final = 2
"""Sentences from one source at most; the second only where it covers what the first does not."""

_WORTH = 0.6
"""A sentence is quoted when it covers at least this share of what the best one covers."""

_GAP = re.compile(r"(?<=[.!?…])([\"'”’)\]]*)\s+(?=[\"'“‘(\[]*(\w))|\n+")
_ABBREVIATION = re.compile(r"(?:\b[A-Z]|\b(?:approx|ca|cf|dr|e\.g|i\.e|mr|mrs|ms|st|vs))\.\Z", re.IGNORECASE)
_LONGEST_ABBREVIATION = 8
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class _Quote:
    passage: Passage
    position: int
    sentence: str
    score: float
    covered: frozenset[int]


class ExtractiveAnswerer:
    """Quotes the sentences that cover the question best, at most two a source, each with its number."""

    name = NAME

    def __init__(self, evidence: Callable[[], Evidence]) -> None:
        """`evidence` is called when an answer is written, on a thread: it may have to load the built-in model."""
        self._evidence = evidence

    async def check(self) -> Availability:
        """Always ready: it needs nothing but the sources."""
        return Availability(ok=True)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart]:
        """Yields one quoted sentence after the other. Raises `AnswerInterrupted` when the sources hold no text."""
        quotes = await asyncio.to_thread(self._choose, prompt)
        if not quotes:
            raise AnswerInterrupted("The sources hold no text to quote.", hint="Ask something else.")
        for number, quote in enumerate(quotes):
            yield TextDelta(("\n" if number else "") + _worded(quote))
        yield AnswerFinished(reason="stop")

    async def aclose(self) -> None:
        """Holds nothing that has to be released."""

    def _choose(self, prompt: Prompt) -> list[_Quote]:
        """The quotes of an answer, in the order of the sources and within a source in its own."""
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
            _Quote(
                passage,
                position,
                sentence,
                score=float(score) + (0.1 if position == 0 else 0.0),
                covered=frozenset((strength >= ABSENT_BELOW).nonzero()[0].tolist()),
            )
            for (passage, position, sentence), score, strength in zip(candidates, scores, strengths, strict=True)
        ]
        return sorted(_best(quotes), key=lambda quote: (quote.passage.number, quote.position))


def sentences_of(text: str) -> list[str]:
    """Splits a text after sentence marks and at line ends; longer parts are cut at 400 characters."""
    parts: list[str] = []
    start = 0
    for gap in _GAP.finditer(text):
        closing, following = gap.groups()
        if following is not None and (following.islower() or _is_abbreviation(text, start, gap.start())):
            continue
        parts.append(text[start : gap.start()] + (closing or ""))
        start = gap.end()
    parts.append(text[start:])
    return [_cut(part.strip()) for part in parts if part.strip()]


def _is_abbreviation(text: str, start: int, end: int) -> bool:
    return _ABBREVIATION.search(text, max(start, end - _LONGEST_ABBREVIATION), end) is not None


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else sentence[:_LONGEST].rsplit(" ", 1)[0] + " …"


def _best(quotes: Sequence[_Quote]) -> list[_Quote]:
    """What is worth quoting: from each good source its best sentence, then what adds to it; the first source always."""
    ranked = sorted(quotes, key=lambda quote: -quote.score)
    leading: dict[int, _Quote] = {}
    for quote in ranked:
        leading.setdefault(quote.passage.number, quote)
    first = min(leading, default=0)
    worthy = [quote for quote in ranked if quote.score >= _WORTH * ranked[0].score]
    chosen = [quote for quote in leading.values() if quote in worthy or quote.passage.number == first]
    chosen.sort(key=lambda quote: quote.passage.number != first)
    taken = {quote.passage.number: 1 for quote in chosen}
    for quote in worthy:
        number = quote.passage.number
        adds = number in taken and not quote.covered <= leading[number].covered
        if adds and taken[number] < PER_SOURCE:
            taken[number] += 1
            chosen.append(quote)
    return chosen[:MAX_SENTENCES]


def _worded(quote: _Quote) -> str:
    """The sentence with its source's number, and with its subject when the sentence alone does not name it."""
    named = {stem(word) for word in split_words(quote.passage.heading) if word not in FUNCTION_WORDS}
    said = set(map(stem, split_words(quote.sentence)))
    subject = "" if not named or named & said else f"{quote.passage.heading}: "
    return f"{subject}{quote.sentence} [{quote.passage.number}]"
