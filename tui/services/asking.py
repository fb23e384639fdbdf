"""From a question to an answer with its sources, as a stream of events."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from tui.core.errors import AnswererError, RagfoodError
from tui.core.events import Answered, AskEvent, Degraded, Delta, Loading, Retrieved, Retrieving, Thinking, Writing
from tui.core.records import QueryMode
from tui.core.text import clean
from tui.core.turns import Degradation, Turn, TurnState
from tui.llm.base import AnswerFinished, ModelLoading, Prompt, TextDelta, ThinkingDelta
from tui.services.prompting import build_prompt, find_citations

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.llm.base import Answerer
    from tui.services.recorder import TurnRecorder
    from tui.services.retrieval import Retrieval, Retriever

NOTHING_FITS = "Nothing in the index is close enough to this question to answer from."
NOTHING_INDEXED = "The index is empty, so there is nothing to answer from."

_SAVE_EVERY = 1.0
"""Seconds between saves of a growing answer: what a kill can cost at most."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class AskOptions:
    """What one question may change: None keeps the setting. `ungrounded` skips the search and asks the model alone."""

    top_k: int | None = None
    filter: str = ""
    mode: QueryMode = QueryMode.HYBRID
    min_relevance: float | None = None
    ungrounded: bool = False


class AskService:
    """Answers questions with the first answerer that can write; the last one must always be able to.

    The turn belongs to the service: it is recorded before the search, as it grows, and once more when it ends, whether
    the answer is complete, stopped or failed. Events are its view.
    """

    def __init__(
        self, retriever: Retriever, answerers: Sequence[Answerer], recorder: TurnRecorder, clock: Clock
    ) -> None:
        self._retriever = retriever
        self._answerers = answerers
        self._recorder = recorder
        self._clock = clock

    async def ask(
        self, question: str, *, history: Sequence[Turn] = (), options: AskOptions | None = None
    ) -> AsyncGenerator[AskEvent]:
        """Yields the events of one turn, `Answered` last.

        Closing the generator or cancelling its task stops the answer, closes the connection to the model and records
        what came as stopped. Raises `RagfoodError` when the search fails; the turn is then recorded as failed.
        """
        draft = _Draft(self._clock, self._recorder, clean(question).strip())
        await draft.save()
        try:
            async with contextlib.aclosing(self._answer(draft, history, options or AskOptions())) as events:
                async for event in events:
                    yield event
        except RagfoodError as error:
            draft.change(state=TurnState.FAILED, error=error.message)
            raise
        finally:
            draft.end()
            await draft.save()
        yield Answered(draft.turn)

    async def _answer(self, draft: _Draft, history: Sequence[Turn], options: AskOptions) -> AsyncGenerator[AskEvent]:
        if not options.ungrounded:
            yield Retrieving(draft.turn.question)
            found = await self._retriever.retrieve(
                draft.turn.question,
                top_k=options.top_k,
                filter=options.filter,
                mode=options.mode,
                min_relevance=options.min_relevance,
            )
            draft.change(hits=found.hits, dropped=found.dropped)
            draft.time("retrieve", found.seconds)
            yield Retrieved(found.hits, found.dropped, found.total, found.seconds)
            if not found.hits:
                for event in draft.refuse(found):
                    yield event
                return
        draft.change(fallback=options.ungrounded, state=TurnState.WRITING)
        prompt = build_prompt(draft.turn.question, draft.turn.hits, history)
        async with contextlib.aclosing(self._write(draft, prompt)) as events:
            async for event in events:
                yield event

    async def _write(self, draft: _Draft, prompt: Prompt) -> AsyncGenerator[AskEvent]:
        """Tries the answerers in turn; once one has written text, its failure ends the turn."""
        for position, answerer in enumerate(self._answerers):
            if position == len(self._answerers) - 1 and draft.turn.fallback and self._answerers[:-1]:
                draft.fail_without_model()
                return
            try:
                async with contextlib.aclosing(self._stream(draft, answerer, prompt)) as events:
                    async for event in events:
                        yield event
            except AnswererError as error:
                log.info("%s could not answer: %s", answerer.name, error.message)
                if draft.turn.answer:
                    draft.change(state=TurnState.FAILED, error=f"{error.message} {error.hint}".strip())
                    return
                draft.change(thinking="")
                draft.degrade(error.message, error.hint)
                yield Degraded(error.message, error.hint)
            else:
                draft.change(state=TurnState.ANSWERED)
                return
        draft.change(state=TurnState.FAILED, error="Nobody could write an answer.")

    async def _stream(self, draft: _Draft, answerer: Answerer, prompt: Prompt) -> AsyncGenerator[AskEvent]:
        sent = tuple((message.role, message.content) for message in prompt.messages)
        draft.change(answerer=answerer.name, prompt=sent)
        await draft.save()
        yield Writing(answerer.name)
        async with contextlib.aclosing(_parts(answerer, prompt)) as parts:
            async for part in parts:
                match part:
                    case ModelLoading(model):
                        yield Loading(model)
                    case ThinkingDelta(text):
                        draft.change(thinking=draft.turn.thinking + text)
                        yield Thinking(text)
                    case TextDelta(text):
                        await draft.grow(text)
                        yield Delta(text)
                    case AnswerFinished():
                        draft.finish(part)


async def _parts(answerer: Answerer, prompt: Prompt) -> AsyncGenerator[Any]:
    """The answerer's stream as a generator that can be closed; closing it closes the stream."""
    stream = answerer.stream(prompt)
    try:
        async for part in stream:
            yield part
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


class _Draft:
    """A turn that grows, and its way to the recorder."""

    def __init__(self, clock: Clock, recorder: TurnRecorder, question: str) -> None:
        self._clock = clock
        self._recorder = recorder
        self._started = clock.monotonic()
        self._saved = self._started
        self._timings: dict[str, float] = {}
        self.turn = Turn(id=clock.new_id(), asked_at=clock.now().isoformat(), question=question)

    def change(self, **fields: Any) -> None:
        self.turn = dataclasses.replace(self.turn, **fields)

    def time(self, phase: str, seconds: float) -> None:
        self._timings[phase] = seconds
        self.change(timings=dict(self._timings))

    def degrade(self, reason: str, hint: str) -> None:
        self.change(degraded=(*self.turn.degraded, Degradation(reason, hint)))

    async def save(self) -> None:
        self._saved = self._clock.monotonic()
        await self._recorder.record(self.turn)

    async def grow(self, text: str) -> None:
        now = self._clock.monotonic()
        if not self.turn.answer:
            self.time("first_text", now - self._started)
        self.change(answer=self.turn.answer + text)
        if now - self._saved >= _SAVE_EVERY:
            await self.save()

    def refuse(self, found: Retrieval) -> Sequence[AskEvent]:
        """Ends the turn without an answer, and says so in its place."""
        self.change(answer=NOTHING_FITS if found.total else NOTHING_INDEXED, state=TurnState.REFUSED)
        return [Delta(self.turn.answer)]

    def fail_without_model(self) -> None:
        reason = self.turn.degraded[-1] if self.turn.degraded else Degradation("No model can be asked.")
        self.change(state=TurnState.FAILED, error=f"{reason.reason} {reason.hint}".strip())

    def finish(self, part: AnswerFinished) -> None:
        speed = None
        if part.answer_tokens and part.answer_seconds:
            speed = part.answer_tokens / part.answer_seconds
        self.change(
            prompt_tokens=part.prompt_tokens,
            answer_tokens=part.answer_tokens,
            tokens_per_second=speed,
            truncated=part.truncated,
        )

    def end(self) -> None:
        """Settles the state of a turn that was cut off, its citations and its total time."""
        if self.turn.state in (TurnState.ASKED, TurnState.WRITING):
            self.change(state=TurnState.STOPPED)
        if self.turn.state is not TurnState.REFUSED:
            self.change(citations=find_citations(self.turn.answer, len(self.turn.hits)))
        self.time("total", self._clock.monotonic() - self._started)
