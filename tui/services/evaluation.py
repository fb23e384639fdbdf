"""Measuring retrieval: recall@3, MRR and nDCG@10 of a question file, and what the relevance gate refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.core.errors import QuestionsFileError
from tui.core.text import clean_line, shorten
from tui.services.retrieval import split_by_gate

if TYPE_CHECKING:
    from pathlib import Path

    from tui.index.base import VectorIndex
    from tui.services.filling import FirstFill

DEPTH = 10
"""Hits looked at per question: what nDCG@10 needs."""

_AT = 3
_FORMAT_HINT = 'A line reads like: {"question": "Which soups come with noodles?", "relevant": ["pho", "ramen"]}'


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question with the ids that answer it; none of them marks it as off-topic."""

    question: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Miss:
    """A question whose first three hits lack something: what was `relevant`, what was `found` instead."""

    question: str
    relevant: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over the on-topic questions, shares of refused ones (None where there is no such question), and misses."""

    questions: int
    recall_at_3: float | None
    mrr: float | None
    ndcg_at_10: float | None
    refused_off_topic: float | None
    refused_on_topic: float | None
    misses: tuple[Miss, ...]


async def evaluate(
    index: VectorIndex, filling: FirstFill, questions: Sequence[LabelledQuestion], *, min_relevance: float
) -> Evaluation:
    """Asks the index every question. Ranking is measured without the gate; refusals with it.

    As bulk work it takes no turn of the rate limit. Raises what `VectorIndex.query` raises.
    """
    await filling.wait()
    rankings: list[tuple[LabelledQuestion, list[str]]] = []
    refused: dict[bool, list[bool]] = {True: [], False: []}
    for labelled in questions:
        hits = await index.query(labelled.question, top_k=DEPTH)
        kept, _ = split_by_gate(hits, min_relevance)
        refused[bool(labelled.relevant)].append(not kept)
        if labelled.relevant:
            rankings.append((labelled, [hit.id for hit in hits]))
    return Evaluation(
        questions=len(questions),
        recall_at_3=_mean([recall_at(ranking, labelled.relevant, _AT) for labelled, ranking in rankings]),
        mrr=_mean([reciprocal_rank(ranking, labelled.relevant) for labelled, ranking in rankings]),
        ndcg_at_10=_mean([ndcg_at(ranking, labelled.relevant, DEPTH) for labelled, ranking in rankings]),
        refused_off_topic=_mean(refused[False]),
        refused_on_topic=_mean(refused[True]),
        misses=tuple(
            Miss(labelled.question, tuple(sorted(labelled.relevant)), tuple(ranking[:_AT]))
            for labelled, ranking in rankings
            if recall_at(ranking, labelled.relevant, _AT) < 1
        ),
    )


def recall_at(ranking: Sequence[str], relevant: frozenset[str], k: int) -> float:
    """Relevant ids among the first `k`, over the most that could be there: min(k, len(relevant))."""
    return len(relevant.intersection(ranking[:k])) / min(k, len(relevant))


def reciprocal_rank(ranking: Sequence[str], relevant: frozenset[str]) -> float:
    """1 over the rank of the first relevant id, 0 when none was found."""
    return next((1 / rank for rank, id in enumerate(ranking, start=1) if id in relevant), 0.0)


def ndcg_at(ranking: Sequence[str], relevant: frozenset[str], k: int) -> float:
    """Binary nDCG: sum of 1/log2(rank + 1) over relevant ids in the first `k`, over the best such sum possible."""
    gained = sum(1 / math.log2(rank + 1) for rank, id in enumerate(ranking[:k], start=1) if id in relevant)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gained / best


def read_questions(path: Path) -> tuple[LabelledQuestion, ...]:
    """Reads a question file: JSON Lines of `question` and `relevant` (a list of ids, empty for an off-topic one).

    Raises `QuestionsFileError` naming the line and the field at fault.
    """
    name = shorten(str(path), 200)
    try:
        content = path.read_bytes()
        # Not `splitlines`: a separator such as U+2028 is allowed inside a JSON string.
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise QuestionsFileError(
            f"The question file {name} cannot be read: {error.strerror or error}.", hint="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise QuestionsFileError(f"{name}, line {line}: not UTF-8.", hint="Save it as UTF-8 and try again.") from error
    questions = tuple(
        _read_line(f"{name}, line {number}", line) for number, line in enumerate(lines, start=1) if line.strip()
    )
    if not questions:
        raise QuestionsFileError(f"The question file {name} has no questions.", hint=_FORMAT_HINT)
    return questions


def _read_line(where: str, line: str) -> LabelledQuestion:
    try:
        entry: Any = json.loads(line)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {error.pos + 1}"
        raise QuestionsFileError(f"{where}: not JSON ({reason}).", hint=_FORMAT_HINT) from error
    except (ValueError, RecursionError) as error:
        raise QuestionsFileError(f"{where}: a number too long, or nested too deeply.", hint=_FORMAT_HINT) from error
    if not isinstance(entry, dict):
        raise QuestionsFileError(f"{where}: not an object.", hint=_FORMAT_HINT)
    question, relevant = entry.get("question"), entry.get("relevant")
    if not isinstance(question, str) or not clean_line(question):
        raise QuestionsFileError(f"{where}: field question is missing or not a text.", hint=_FORMAT_HINT)
    if not isinstance(relevant, list) or not all(isinstance(id, str) for id in relevant):
        raise QuestionsFileError(f"{where}: field relevant is missing or not a list of ids.", hint=_FORMAT_HINT)
    return LabelledQuestion(clean_line(question), frozenset(relevant))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
