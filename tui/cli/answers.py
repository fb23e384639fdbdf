"""The commands that ask the index: `ask`, `search` and `eval`."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.layout import describe_hit
from tui.cli.output import (
    AnswerText,
    StatusLine,
    hit_document,
    note,
    print_json,
    say,
    say_wrapped,
    terminal_width,
)
from tui.cli.running import FILE_PATH, current_run, filter_option, json_option, opened, run_async
from tui.core.errors import InvalidQuery
from tui.core.events import Answered, Degraded, Delta, Finished, Loading, Progress, Thinking, Writing
from tui.core.records import QueryMode
from tui.core.text import clean, clean_line
from tui.core.turns import Turn, TurnState

if TYPE_CHECKING:
    from tui.services.asking import AskOptions
    from tui.services.bundle import Services
    from tui.services.evaluation import Evaluation
    from tui.services.retrieval import Retrieval

_EXTRACTIVE = "extractive"


class _Relevance(click.FloatRange):
    """0 to 1; the range alone would let NaN through, which is neither below nor above anything."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        return self.fail(f"{value} is not a number.", param, ctx) if math.isnan(number) else number


_top_k = click.option(
    "--top-k", type=click.IntRange(1, 1000), metavar="N", help="How many records. Default: the setting, 3."
)


def _question(words: str) -> str:
    question = clean(words).strip()
    if not question:
        raise InvalidQuery("The question is empty.", hint='Ask something: ragfood ask "Which soups come with noodles?"')
    return question


@click.command()
@click.argument("question")
@_top_k
@filter_option
@click.option(
    "--min-relevance",
    type=_Relevance(0, 1),
    metavar="R",
    help="Lowest relevance of a source, 0 to 1. Default: the setting, calibrated.",
)
@click.option("--no-llm", is_flag=True, help="Answer with extracts of the sources instead of a model.")
@json_option
def ask(
    question: str, top_k: int | None, filter_: str, min_relevance: float | None, no_llm: bool, as_json: bool
) -> int:
    """Answer QUESTION from the index and show the sources."""
    run = current_run()
    from tui.services.asking import AskOptions

    question = _question(question)
    options = AskOptions(top_k=top_k, filter=filter_, min_relevance=min_relevance)

    async def work() -> Turn:
        async with opened(run, use_model=not no_llm) as services:
            await _fill(services)
            await _note_unfinished(services)
            return await _answer(services, question, options, shown=not as_json)

    turn = run_async(work)
    if as_json:
        print_json(_turn_document(turn))
    else:
        _show_turn(turn, filtered=bool(filter_))
    return 1 if turn.state is TurnState.FAILED else 0


async def _fill(services: Services) -> None:
    """Fills an index that was never written, with a line that counts, and names the rows that were refused."""
    from tui.cli.index import note_rejections

    with StatusLine() as line:
        async with contextlib.aclosing(services.filling.run()) as events:
            async for event in events:
                if isinstance(event, Progress):
                    line.count(event)
                elif isinstance(event, Finished):
                    line.clear()
                    note_rejections(event.plan, event.failed)


async def _note_unfinished(services: Services) -> None:
    """Says on stderr when the index holds only a part of what was to go in."""
    unfinished = (await services.index.info()).unfinished
    if unfinished is not None:
        note(f"{unfinished.sentence} {unfinished.hint}")


async def _answer(services: Services, question: str, options: AskOptions, *, shown: bool) -> Turn:
    """Runs one turn; `shown` prints the answer as it comes."""
    turn: Turn | None = None
    answer = AnswerText() if shown else None
    with StatusLine() as line:
        async with contextlib.aclosing(services.asking.ask(question, options=options)) as events:
            async for event in events:
                match event:
                    case Loading(model):
                        line.show(f"loading {clean_line(model)} …")
                    case Writing(model) if model != _EXTRACTIVE:
                        line.show(f"{clean_line(model)} reads the sources …")
                    case Thinking():
                        line.show("thinking …")
                    case Delta(text) if answer:
                        line.clear()
                        answer.add(text)
                    case Degraded(reason, hint):
                        line.clear()
                        note(f"{reason} {hint}".strip())
                    case Answered(answered):
                        turn = answered
    if turn is None:
        raise AssertionError("ask promises that Answered comes last")
    if answer and turn.answer:
        answer.end()
    return turn


def _show_turn(turn: Turn, *, filtered: bool) -> None:
    """What follows an answer: its sources, or what came closest, and the facts."""
    width = terminal_width(sys.stdout)
    if turn.error:
        note(turn.error)
    if turn.state is TurnState.REFUSED:
        if turn.dropped:
            say("\nThe closest records, all below the lowest relevance:")
        for number, hit in enumerate(turn.dropped, start=1):
            say(describe_hit(number, hit, whole=False, width=width, cited=False))
        if turn.dropped:
            note("--min-relevance 0 uses them anyway.")
        elif filtered:
            note("Perhaps no record matches the filter: ragfood index list --filter shows those that do.")
        return
    if turn.hits:
        say("\nSources" if turn.answer else "Sources")
    for number, hit in enumerate(turn.hits, start=1):
        say(describe_hit(number, hit, whole=False, width=width))
    say_wrapped("\n" + _facts(turn))
    for number in sorted({citation.number for citation in turn.citations if not citation.known}):
        note(f"The answer cites [{number}], but there is no such source.")


def _facts(turn: Turn) -> str:
    """The line of facts under an answer."""
    facts = [turn.answerer]
    if turn.answerer == _EXTRACTIVE:
        facts = ["extractive: sentences of the sources, no model"]
    facts.append(f"{len(turn.hits)} source{'s' if len(turn.hits) != 1 else ''}")
    if turn.tokens_per_second:
        facts.append(f"{turn.tokens_per_second:.0f} tok/s")
    facts.append(f"{turn.timings.get('total', 0):.1f} s")
    if turn.truncated:
        facts.append("the model saw only a part of the sources")
    return " · ".join(facts)


def _turn_document(turn: Turn) -> dict[str, Any]:
    reasons = [f"{degraded.reason} {degraded.hint}".strip() for degraded in turn.degraded]
    return {
        "question": turn.question,
        "answer": turn.answer,
        "answerer": turn.answerer,
        "degraded": " ".join(reasons) or None,
        "refused": turn.state is TurnState.REFUSED,
        "error": turn.error or None,
        "sources": [hit_document(hit) for hit in turn.hits],
        "dropped": [hit_document(hit) for hit in turn.dropped],
        "citations": [dataclasses.asdict(citation) for citation in turn.citations],
        "timings": {phase: round(seconds, 6) for phase, seconds in turn.timings.items()},
    }


@click.command()
@click.argument("text")
@_top_k
@filter_option
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in QueryMode]),
    default=QueryMode.HYBRID.value,
    show_default=True,
    help="Which evidence counts: meaning (dense), words (sparse), or both.",
)
@json_option
def search(text: str, top_k: int | None, filter_: str, mode: str, as_json: bool) -> None:
    """Find the records closest to TEXT. Nothing is held back."""
    run = current_run()
    text = _question(text)

    async def work() -> Retrieval:
        async with opened(run, use_model=False) as services:
            await _fill(services)
            await _note_unfinished(services)
            return await services.retrieval.retrieve(
                text, top_k=top_k, filter=filter_, mode=QueryMode(mode), min_relevance=0.0
            )

    found = run_async(work)
    if as_json:
        hits = [hit_document(hit) for hit in found.hits]
        print_json({"query": found.query, "mode": mode, "hits": hits, "seconds": round(found.seconds, 6)})
        return
    width = terminal_width(sys.stdout)
    for number, hit in enumerate(found.hits, start=1):
        say(describe_hit(number, hit, whole=True, width=width, cited=False))
    note(f"{len(found.hits):,} of {found.total:,} records · {found.seconds * 1000:.1f} ms")


@click.command("eval")
@click.argument("questions", type=FILE_PATH)
@json_option
def evaluate(questions: Path, as_json: bool) -> None:
    """Measure retrieval with a question file.

    QUESTIONS is JSON Lines of "question" and "relevant" (ids; an empty list marks a question that nothing answers).
    """
    run = current_run()
    from tui.services import evaluation

    labelled = evaluation.read_questions(questions)

    async def work() -> Evaluation:
        async with opened(run, use_model=False) as services:
            await _fill(services)
            gate = services.retrieval.min_relevance
            return await evaluation.evaluate(services.index, services.filling, labelled, min_relevance=gate)

    measured = run_async(work)
    if as_json:
        print_json(dataclasses.asdict(measured))
        return
    _show_evaluation(measured)


def _show_evaluation(measured: Evaluation) -> None:
    def shown(value: float | None) -> str:
        return "  none" if value is None else f"{value:6.3f}"

    say(f"questions          {measured.questions:6,}")
    say(f"recall@3           {shown(measured.recall_at_3)}")
    say(f"MRR                {shown(measured.mrr)}")
    say(f"nDCG@10            {shown(measured.ndcg_at_10)}")
    say(f"refused, off-topic {shown(measured.refused_off_topic)}")
    say(f"refused, on-topic  {shown(measured.refused_on_topic)}")
    for miss in measured.misses:
        say_wrapped(f"\nmissed: {miss.question}")
        say_wrapped(f"wants {', '.join(miss.relevant)}", "  ")
        say_wrapped(f"found {', '.join(miss.found) or 'nothing'}", "  ")
