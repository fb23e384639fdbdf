"""From a question to an answer with its sources, as a stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Final

from tui.core.errors import AnswererError, RagfoodError, StorageFull
from tui.core.events import Answered, AskEvent, Degraded, Delta, Loading, Retrieved, Retrieving, Thinking, Writing
from tui.core.records import QueryMode
from tui.core.text import clean
from tui.core.turns import Degradation, Turn, TurnState
from tui.llm.base import AnswerFinished, ModelLoading, TextDelta, ThinkingDelta
from tui.services.prompting import build_prompt, find_citations
from tui.services.threads import finish

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.llm.base import Answerer, AnswerPart, Prompt
    from tui.services.recorder import TurnRecorder
    from tui.services.retrieval import Retrieval, Retriever

NOTHING_FITS: Final = "Nothing in the index is close enough to this question to answer from."
NOTHING_INDEXED: Final = (
    "The index is empty, so there is nothing to answer from. Fill it with `ragfood index upsert`, or bring a snapshot "
    "back with `ragfood index restore`."
)
UNEXPECTED: Final = "Something unexpected ended this answer."

SAVE_EVERY: Final = 1.0
"""Seconds within which a piece of an answer is on disk: what a kill can cost at most."""

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
    """Answers questions with the first answerer that can write.

    The turn belongs to the service: it is recorded before the search, as it grows, and once more when it ends, whether
    the answer is complete, stopped or failed. Events are its view.
    """

    def __init__(
        self,
        retriever: Retriever,
        answerers: Sequence[Answerer],
        recorder: TurnRecorder,
        clock: Clock,
        *,
        save_every: float = SAVE_EVERY,
    ) -> None:
        """`answerers` are in order of preference; all but the last are models, and the last quotes the sources.

        `save_every` is in seconds.
        """
        self._retriever = retriever
        *self._models, self._quoting = answerers
        self._recorder = recorder
        self._clock = clock
        self._save_every = save_every

    async def ask(
        self, question: str, *, history: Sequence[Turn] = (), options: AskOptions | None = None
    ) -> AsyncGenerator[AskEvent]:
        """Yields the events of one turn, `Answered` last.

        Closing the generator or cancelling its task stops the answer, closes the connection to the model and records
        what came as stopped. Raises `RagfoodError` when the search fails or the turn cannot be saved; it is then
        recorded as failed, where it can be. When only the answer fails, the turn of `Answered` says so.
        """
        draft = _Draft(self._clock, self._recorder, self._save_every, clean(question).strip())
        try:
            await draft.save()
            async with contextlib.aclosing(self._answer(draft, history, options or AskOptions())) as events:
                async for event in events:
                    yield event
        except BaseException as error:
            await finish(draft.break_off(error))
            raise
        await finish(draft.end())
        yield Answered(draft.turn)

    async def _answer(self, draft: _Draft, history: Sequence[Turn], options: AskOptions) -> AsyncGenerator[AskEvent]:
        if not options.ungrounded:
            async with contextlib.aclosing(self._retriever.admit()) as waits:
                async for waiting in waits:
                    yield waiting
            yield Retrieving(draft.turn.question)
            found = await self._retriever.search(
                draft.turn.question,
                top_k=options.top_k,
                filter=options.filter,
                mode=options.mode,
                min_relevance=options.min_relevance,
            )
            draft.take(found)
            yield Retrieved(found.hits, found.dropped, found.total, found.seconds)
            if not found.hits:
                draft.refuse(NOTHING_FITS if found.total else NOTHING_INDEXED)
                yield Delta(draft.turn.answer)
                return
        draft.change(fallback=options.ungrounded, state=TurnState.WRITING)
        prompt = build_prompt(draft.turn.question, draft.turn.hits, history)
        async with contextlib.aclosing(self._write(draft, prompt)) as events:
            async for event in events:
                yield event

    async def _write(self, draft: _Draft, prompt: Prompt) -> AsyncGenerator[AskEvent]:
        """Tries the answerers in turn; once one has written text, its failure ends the turn."""
        answerers = [*self._models, self._quoting] if prompt.passages else self._models
        if not answerers:
            draft.fail(AnswererError("Without sources only a model can answer, and none is in use."))
        for answerer in answerers:
            try:
                async with contextlib.aclosing(self._stream(draft, answerer, prompt)) as events:
                    async for event in events:
                        yield event
            except AnswererError as error:
                log.info("%s could not answer: %s", answerer.name, error.message)
                if draft.turn.answer or answerer is answerers[-1]:
                    draft.fail(error)
                    return
                draft.degrade(error)
                yield Degraded(error.message, error.hint)
            else:
                draft.change(state=TurnState.ANSWERED)
                return

    async def _stream(self, draft: _Draft, answerer: Answerer, prompt: Prompt) -> AsyncGenerator[AskEvent]:
        messages = () if answerer is self._quoting else prompt.messages
        draft.change(answerer=answerer.name, prompt=tuple((message.role, message.content) for message in messages))
        await draft.save()
        yield Writing(answerer.name)
        async with contextlib.aclosing(_parts(answerer, prompt)) as parts:
            async for part in parts:
                match part:
                    case ModelLoading(model):
                        yield Loading(model)
                    case ThinkingDelta(text):
                        draft.grow(thinking=text)
                        yield Thinking(text)
                    case TextDelta(text):
                        draft.grow(answer=text)
                        yield Delta(text)
                    case AnswerFinished():
                        draft.finish(part)


async def _parts(answerer: Answerer, prompt: Prompt) -> AsyncGenerator[AnswerPart]:
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

    def __init__(self, clock: Clock, recorder: TurnRecorder, save_every: float, question: str) -> None:
        self._clock = clock
        self._recorder = recorder
        self._save_every = save_every
        self._saving: asyncio.Task[None] | None = None
        self._started = clock.monotonic()
        self.turn = Turn(id=clock.new_id(), asked_at=clock.now().isoformat(), question=question)

    def change(self, **fields: Any) -> None:
        self.turn = dataclasses.replace(self.turn, **fields)

    def take(self, found: Retrieval) -> None:
        """Freezes what the search found."""
        self.change(hits=found.hits, dropped=found.dropped)
        self._time("retrieve", found.seconds)

    def refuse(self, reason: str) -> None:
        """Says in the place of an answer why there is none."""
        self.change(answer=reason, state=TurnState.REFUSED)

    def degrade(self, error: AnswererError) -> None:
        """Remembers why the next answerer has to do, and forgets what this one thought."""
        self.change(degraded=(*self.turn.degraded, Degradation(error.message, error.hint)), thinking="")

    def fail(self, error: RagfoodError) -> None:
        self.change(state=TurnState.FAILED, error=f"{error.message} {error.hint}".strip())

    def grow(self, *, answer: str = "", thinking: str = "") -> None:
        """Adds to the answer, and sees to it that it is on disk within `save_every` seconds.

        Raises `StorageFull` when what came before could not be saved.
        """
        if answer and not self.turn.answer:
            self._time("first_text", self._elapsed())
        self.change(answer=self.turn.answer + answer, thinking=self.turn.thinking + thinking)
        if self._saving is not None and self._saving.done():
            self._saving.result()
            self._saving = None
        if self._saving is None:
            self._saving = asyncio.create_task(self._save_later(), name="save-growing-answer")

    def finish(self, part: AnswerFinished) -> None:
        """Takes over the numbers of a complete answer."""
        speed = None
        if part.answer_tokens and part.answer_seconds:
            speed = part.answer_tokens / part.answer_seconds
        self.change(
            prompt_tokens=part.prompt_tokens,
            answer_tokens=part.answer_tokens,
            tokens_per_second=speed,
            truncated=part.truncated,
        )

    async def save(self) -> None:
        await self._recorder.record(self.turn)

    async def end(self) -> None:
        """Settles citations and total time, and records the turn for the last time."""
        if self.turn.state is not TurnState.REFUSED:
            self.change(citations=find_citations(self.turn.answer, len(self.turn.hits)))
        self._time("total", self._elapsed())
        await self._stop_saving()
        await self.save()

    async def break_off(self, error: BaseException) -> None:
        """Ends a turn that `error` cut off. A disk that cannot be written does not hide what came first."""
        if isinstance(error, RagfoodError):
            self.fail(error)
        elif isinstance(error, Exception):
            self.fail(RagfoodError(UNEXPECTED))
        elif self.turn.state in (TurnState.ASKED, TurnState.WRITING):
            self.change(state=TurnState.STOPPED)
        try:
            await self.end()
        except StorageFull as full:
            log.warning("A turn was not recorded to its end: %s", full.message)

    async def _save_later(self) -> None:
        await asyncio.sleep(self._save_every)
        await self.save()

    async def _stop_saving(self) -> None:
        """Ends the saving of a growing turn; why it failed, if it did, the last save tells as well."""
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._started

    def _time(self, phase: str, seconds: float) -> None:
        self.change(timings={**self.turn.timings, phase: seconds})
