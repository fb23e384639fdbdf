"""The commands that ask the index: `ask`, `search` and `eval`."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.output import (
    ProgressLine,
    current_run,
    describe_hit,
    hit_document,
    json_option,
    note,
    opened,
    print_json,
    run_async,
    say,
)
from tui.core.errors import InvalidQuery
from tui.core.events import Answered, Degraded, Delta, Progress
from tui.core.records import QueryMode
from tui.core.text import clean
from tui.core.turns import Turn, TurnState

if TYPE_CHECKING:
    from tui.services.bundle import Services
    from tui.services.evaluation import Evaluation
    from tui.services.retrieval import Retrieval

_top_k = click.option("--top-k", type=click.IntRange(1, 1000), help="How many sources. Default: 3.")
_filter = click.option("--filter", "filter_", default="", help="Only records that match, e.g. \"region = 'Japan'\".")


def _question(words: str) -> str:
    question = clean(words).strip()
    if not question:
        raise InvalidQuery("The question is empty.", hint='Ask something: ragfood ask "Which soups come with noodles?"')
    return question


@click.command()
@click.argument("question")
@_top_k
@_filter
@click.option("--min-relevance", type=click.FloatRange(0, 1), help="Lowest relevance of a source. Default: calibrated.")
@click.option("--no-llm", is_flag=True, help="Answer with extracts of the sources instead of a model.")
@json_option
def ask(
    question: str, top_k: int | None, filter_: str, min_relevance: float | None, no_llm: bool, as_json: bool
) -> int:
    """Answer QUESTION from the index and show the sources."""
    from tui.services.asking import AskOptions

    question = _question(question)
    options = AskOptions(top_k=top_k, filter=filter_, min_relevance=min_relevance)
    run = current_run()

    async def work() -> Turn:
        async with opened(run, use_model=not no_llm) as services:
            await _fill(services)
            return await _answer(services, question, options, stream=not as_json)

    turn = run_async(work)
    if as_json:
        print_json(_turn_document(turn))
    else:
        _show_turn(turn, asked_without_model=no_llm)
    return 1 if turn.state is TurnState.FAILED else 0


async def _fill(services: Services) -> None:
    """Fills an index that was never written, with a line that counts."""
    line = ProgressLine()
    async with contextlib.aclosing(services.filling.run()) as events:
        async for event in events:
            if isinstance(event, Progress):
                line.show(event)
    line.end()


async def _answer(services: Services, question: str, options: Any, *, stream: bool) -> Turn:
    """Runs one turn; `stream` prints the answer as it comes."""
    turn: Turn | None = None
    async with contextlib.aclosing(services.asking.ask(question, options=options)) as events:
        async for event in events:
            match event:
                case Delta(text) if stream:
                    click.echo(text, nl=False)
                case Degraded(reason, hint):
                    note(f"{reason} {hint}".strip())
                case Answered(answered):
                    turn = answered
    assert turn is not None  # noqa: S101 - `ask` promises that Answered comes last
    return turn


def _show_turn(turn: Turn, *, asked_without_model: bool) -> None:
    say("\n" if turn.answer else "")
    if turn.error:
        note(turn.error)
    if turn.state is TurnState.REFUSED:
        for number, hit in enumerate(turn.dropped, start=1):
            say(describe_hit(number, hit).replace("[", "(", 1).replace("]", ")", 1))
        if turn.dropped:
            say("\nThe closest records are above, all below the lowest relevance. --min-relevance 0 uses them anyway.")
        return
    for number, hit in enumerate(turn.hits, start=1):
        say(describe_hit(number, hit))
    say("\n" + _facts(turn, asked_without_model=asked_without_model))
    for citation in turn.citations:
        if not citation.known:
            note(f"The answer cites [{citation.number}], but there is no such source.")


def _facts(turn: Turn, *, asked_without_model: bool) -> str:
    """The line of facts under an answer."""
    facts = [turn.answerer]
    if turn.answerer == "extractive":
        why = "--no-llm" if asked_without_model else " ".join(degraded.reason for degraded in turn.degraded)
        facts = [f"extractive: sentences of the sources, no model ({why})" if why else "extractive"]
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
        "citations": [dataclasses.asdict(citation) for citation in turn.citations],
        "timings": {phase: round(seconds, 6) for phase, seconds in turn.timings.items()},
    }


@click.command()
@click.argument("text")
@_top_k
@_filter
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
    text = _question(text)
    run = current_run()

    async def work() -> Retrieval:
        async with opened(run, use_model=False) as services:
            await _fill(services)
            return await services.retrieval.retrieve(
                text, top_k=top_k, filter=filter_, mode=QueryMode(mode), min_relevance=0.0
            )

    found = run_async(work)
    if as_json:
        hits = [hit_document(hit) for hit in found.hits]
        print_json({"query": found.query, "mode": mode, "hits": hits, "seconds": round(found.seconds, 6)})
        return
    for number, hit in enumerate(found.hits, start=1):
        say(describe_hit(number, hit))
    note(f"{len(found.hits)} of {found.total:,} records · {found.seconds * 1000:.1f} ms")


@click.command("eval")
@click.argument("questions", type=click.Path(path_type=Path))
@json_option
def evaluate(questions: Path, as_json: bool) -> None:
    """Measure retrieval with a question file.

    QUESTIONS is JSON Lines of "question" and "relevant" (ids; an empty list marks a question that nothing answers).
    """
    from tui.services import evaluation

    run = current_run()
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

    say(f"questions          {measured.questions:6}")
    say(f"recall@3           {shown(measured.recall_at_3)}")
    say(f"MRR                {shown(measured.mrr)}")
    say(f"nDCG@10            {shown(measured.ndcg_at_10)}")
    say(f"refused, off-topic {shown(measured.refused_off_topic)}")
    say(f"refused, on-topic  {shown(measured.refused_on_topic)}")
    for miss in measured.misses:
        say(
            f"\nmissed: {miss.question}\n  wants {', '.join(miss.relevant)}\n  found {', '.join(miss.found) or 'nothing'}"
        )
