"""The embedded engine beside ChromaDB, with the same vectors, each in processes of its own.

    python -m benchmarks.engine_vs_chroma [--sizes 100 10000 100000] [--noise 0.7] [--chroma-python PATH]

Vectors are clustered (500 centres, 256 dimensions, cosine), with a metadata row and a text each; queries lie near data
points. One process writes them in batches of 1,000, a second opens the files and asks. A ratio above 1 means that the
engine is ahead. ChromaDB takes part when the Python given can import it (extra `bench`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIMENSION = 256
CENTRES = 500
QUERIES = 200
BATCH = 1000
K = 10
SEED = 7

# Name, key, unit, digits, whether more is better.
FIGURES = [
    ("indexing", "rows_per_second", "rows/s", 0, True),
    ("open + first query", "open_ms", "ms", 1, False),
    ("query, median", "query_ms", "ms", 2, False),
    ("query, 95th percentile", "query_p95_ms", "ms", 2, False),
    ("filtered query, median", "filtered_ms", "ms", 2, False),
    ("recall@10", "recall", "", 4, True),
    ("recall@10, filtered", "filtered_recall", "", 4, True),
    ("memory, whole process", "memory_mb", "MB", 1, False),
    ("disk", "disk_mb", "MB", 1, False),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--noise", type=float, default=0.7, help="spread of the clusters; 1000 leaves none")
    parser.add_argument("--chroma-python", default=sys.executable, help="a Python that can import chromadb")
    parser.add_argument("--role", nargs=3, metavar=("ENGINE", "ROLE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        engine, role, folder = arguments.role
        print(json.dumps(ROLES[engine, role](Path(folder))))
        return
    chroma = can_import_chroma(arguments.chroma_python)
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            make_data(Path(folder), size, arguments.noise)
            ours = measure("engine", sys.executable, folder)
            theirs = measure("chroma", arguments.chroma_python, folder) if chroma else None
        print_table(size, ours, theirs)
    if not chroma:
        print("ChromaDB is not installed: pip install 'ragfood[bench]', or name a Python with --chroma-python.")


def can_import_chroma(python: str) -> bool:
    return subprocess.run([python, "-c", "import chromadb"], capture_output=True, check=False).returncode == 0


def measure(engine: str, python: str, folder: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    for role in ("write", "ask"):
        command = [python, __file__, "--role", engine, role, folder]
        environment = {**os.environ, "ANONYMIZED_TELEMETRY": "False"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        figures |= json.loads(done.stdout.splitlines()[-1])
    return figures


def make_data(folder: Path, size: int, noise: float) -> None:
    """Saves the vectors, the queries and the true neighbours, without and with the filter."""
    source = np.random.default_rng(SEED)
    centres = source.standard_normal((CENTRES, DIMENSION), dtype=np.float32)
    near = source.standard_normal((size, DIMENSION), dtype=np.float32)
    vectors = unit(centres[source.integers(0, CENTRES, size)] + np.float32(noise) * near)
    shift = 0.02 * source.standard_normal((QUERIES, DIMENSION), dtype=np.float32)
    queries = unit(vectors[source.integers(0, size, QUERIES)] + shift)
    similarities = queries @ vectors.T
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "truth.npy", np.argsort(-similarities, axis=1)[:, :K])
    np.save(folder / "filtered_truth.npy", np.argsort(-similarities[:, ::10], axis=1)[:, :K] * 10)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def metadata_of(number: int) -> dict[str, str]:
    return {"region": "Japan" if number % 10 == 0 else "Elsewhere", "type": "Soup"}


def text_of(number: int) -> str:
    return f"Food number {number} is a soup with noodles, broth and herbs."


def write_engine(folder: Path) -> dict[str, float]:
    from tui.engine.database import Database
    from tui.engine.records import IndexConfig, Row

    vectors = np.load(folder / "vectors.npy")
    rows = [Row(f"id-{n}", vector, None, text_of(n), metadata_of(n)) for n, vector in enumerate(vectors)]
    start = time.perf_counter()
    with Database.open(folder / "engine" / "index.db", IndexConfig(DIMENSION)) as database:
        for first in range(0, len(rows), BATCH):
            database.upsert("", rows[first : first + BATCH])
    return written(start, len(rows), folder / "engine")


def ask_engine(folder: Path) -> dict[str, float]:
    from tui.engine.database import Database

    queries = np.load(folder / "queries.npy")
    start = time.perf_counter()
    database = Database.open(folder / "engine" / "index.db")
    database.query("", vector=queries[0], top_k=K)
    opened = time.perf_counter() - start

    def ask(query: np.ndarray, filtered: bool) -> list[str]:
        found = database.query("", vector=query, top_k=K, filter="region = 'Japan'" if filtered else "")
        return [hit.id for hit in found]

    return {"open_ms": opened * 1000, **asked(folder, queries, ask)}


def write_chroma(folder: Path) -> dict[str, float]:
    import chromadb

    vectors = np.load(folder / "vectors.npy")
    size = len(vectors)
    ids, texts = [f"id-{n}" for n in range(size)], [text_of(n) for n in range(size)]
    metadata = [metadata_of(n) for n in range(size)]
    start = time.perf_counter()
    client = chromadb.PersistentClient(str(folder / "chroma"))
    collection = client.create_collection("bench", metadata={"hnsw:space": "cosine"})
    for first in range(0, size, BATCH):
        piece = slice(first, first + BATCH)
        collection.upsert(ids=ids[piece], embeddings=vectors[piece], documents=texts[piece], metadatas=metadata[piece])
    return written(start, size, folder / "chroma")


def ask_chroma(folder: Path) -> dict[str, float]:
    import chromadb

    queries = np.load(folder / "queries.npy")
    start = time.perf_counter()
    collection = chromadb.PersistentClient(str(folder / "chroma")).get_collection("bench")
    collection.query(query_embeddings=[queries[0]], n_results=K)
    opened = time.perf_counter() - start

    def ask(query: np.ndarray, filtered: bool) -> list[str]:
        where: dict[str, Any] = {"where": {"region": "Japan"}} if filtered else {}
        return list(collection.query(query_embeddings=[query], n_results=K, **where)["ids"][0])

    return {"open_ms": opened * 1000, **asked(folder, queries, ask)}


def written(start: float, size: int, folder: Path) -> dict[str, float]:
    seconds = time.perf_counter() - start
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"rows_per_second": size / seconds, "disk_mb": disk / 1e6}


def asked(folder: Path, queries: np.ndarray, ask: Callable[[np.ndarray, bool], list[str]]) -> dict[str, float]:
    """Times every query without and with the filter, and compares the answers with the truth."""
    figures: dict[str, float] = {}
    for name, filtered in (("", False), ("filtered_", True)):
        seconds, hits = [], 0
        truth = np.load(folder / f"{name}truth.npy")
        for query, expected in zip(queries, truth, strict=True):
            start = time.perf_counter()
            found = ask(query, filtered)
            seconds.append(time.perf_counter() - start)
            hits += len(set(found) & {f"id-{n}" for n in expected})
        figures[f"{name}recall"] = hits / truth.size
        figures["filtered_ms" if filtered else "query_ms"] = float(np.median(seconds)) * 1000
        if not filtered:
            figures["query_p95_ms"] = float(np.percentile(seconds, 95)) * 1000
    figures["memory_mb"] = peak_memory() / 1e6
    return figures


def peak_memory() -> int:
    """Returns the most bytes this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it started this process
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


ROLES: dict[tuple[str, str], Callable[[Path], dict[str, float]]] = {
    ("engine", "write"): write_engine,
    ("engine", "ask"): ask_engine,
    ("chroma", "write"): write_chroma,
    ("chroma", "ask"): ask_chroma,
}


def print_table(size: int, ours: dict[str, float], theirs: dict[str, float] | None) -> None:
    print(f"\n{size:,} records, {DIMENSION} dimensions")
    print(f"{'':32}{'engine':>14}{'ChromaDB':>14}{'ratio':>9}")
    for name, key, unit, digits, more_is_better in FIGURES:
        line = f"{f'{name} ({unit})' if unit else name:32}{ours[key]:>14,.{digits}f}"
        if theirs is not None:
            ratio = ours[key] / theirs[key] if more_is_better else theirs[key] / ours[key]
            line += f"{theirs[key]:>14,.{digits}f}{ratio:>8.2f}×"
        print(line)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
