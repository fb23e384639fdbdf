"""Text in, hits out: what the embedded index adds to the bare parts it could have been made of.

    python -m benchmarks.text_queries [--records 10000]

One run, one process, one thread of arithmetic. The embedded index (embedding, both rankings, fusion, evidence, records
with metadata) against the bare parts on the same texts and questions: a numpy product with the ready vector of the
question, and SQLite's own full-text search (FTS5, bm25). Prints medians and ratios, and the speed of indexing from text
beside FTS5 and embedding alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import numpy as np

from benchmarks.memory import write_foods
from tui.core.paths import Paths
from tui.core.records import QueryMode
from tui.core.settings import Settings
from tui.embed.builtin import BuiltinEmbedder
from tui.embed.words import split_words
from tui.services.bundle import Services
from tui.services.evaluation import read_questions
from tui.wiring import build_services

QUESTIONS = Path(__file__).parent.parent / "tests" / "data" / "questions.jsonl"
ROUNDS = 3
FILTER = "region = 'Japan'"


def median_ms(calls: list[Callable[[], object]]) -> float:
    times = []
    for _ in range(ROUNDS):
        for call in calls:
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


async def median_index_ms(services: Services, questions: list[str], mode: QueryMode, filter: str = "") -> float:
    times = []
    for _ in range(ROUNDS):
        for question in questions:
            started = time.perf_counter()
            await services.index.query(question, top_k=10, mode=mode, filter=filter)
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def full_text(texts: list[str]) -> tuple[sqlite3.Connection, float]:
    """An FTS5 table of the texts, and the seconds it took."""
    connection = sqlite3.connect(":memory:")
    started = time.perf_counter()
    connection.execute("CREATE VIRTUAL TABLE foods USING fts5(text, tokenize='porter')")
    connection.executemany("INSERT INTO foods VALUES (?)", [(text,) for text in texts])
    connection.commit()
    return connection, time.perf_counter() - started


async def run(records: int, home: Path) -> None:
    file = home / "foods.json"
    write_foods(file, records)
    texts = [row["text"] for row in json.loads(file.read_text())]
    questions = [labelled.question for labelled in read_questions(QUESTIONS)]
    services = build_services(Settings(foods=file), Paths.below(home), use_model=False)

    started = time.perf_counter()
    async with aclosing(services.ingestion.upsert()) as events:
        async for _ in events:
            pass
    indexing = time.perf_counter() - started

    embedder = BuiltinEmbedder()
    started = time.perf_counter()
    matrix = embedder.embed_documents(texts)
    embedding = time.perf_counter() - started
    words, fts = full_text(texts)
    vectors = [embedder.embed_query(question) for question in questions]
    matches = [" OR ".join(f'"{word}"' for word in split_words(question)) for question in questions]

    def product(vector: np.ndarray) -> np.ndarray:
        scores = matrix @ vector
        best = np.argpartition(-scores, 10)[:10]
        return best[np.argsort(-scores[best])]

    bare_dense = median_ms([lambda vector=vector: product(vector) for vector in vectors])
    select = "SELECT rowid FROM foods WHERE foods MATCH ? ORDER BY rank LIMIT 10"
    bare_words = median_ms([lambda match=match: words.execute(select, (match,)).fetchall() for match in matches])

    print(f"{records:,} records from text, {len(questions)} questions x {ROUNDS}\n")
    print(f"indexing from text   {records / indexing:10,.0f} records/s")
    print(f"  embedding alone    {records / embedding:10,.0f} records/s   x{indexing / embedding:.1f} the time")
    print(f"  FTS5 alone         {records / fts:10,.0f} records/s   x{indexing / fts:.1f} the time\n")
    both = bare_dense + bare_words
    for name, mode, filter, bare in (
        ("dense", QueryMode.DENSE, "", bare_dense),
        ("dense, filtered", QueryMode.DENSE, FILTER, bare_dense),
        ("hybrid", QueryMode.HYBRID, "", both),
        ("hybrid, filtered", QueryMode.HYBRID, FILTER, both),
    ):
        measured = await median_index_ms(services, questions, mode, filter)
        print(f"{name:18} {measured:6.2f} ms   bare parts {bare:6.2f} ms   x{measured / bare:.2f}")
    await services.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(run(parser.parse_args().records, Path(home)))


if __name__ == "__main__":
    main()
