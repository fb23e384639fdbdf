"""Settings in, services out: the only place that knows every concrete class.

Checking settings comes before the first paint, so the classes are imported when they are made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import SettingsError
from tui.core.records import IndexKind

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.core.paths import Paths
    from tui.core.settings import Settings
    from tui.embed.bm25 import Bm25Embedder
    from tui.embed.builtin import BuiltinEmbedder
    from tui.embed.relevance import Relevance
    from tui.index.embedded import EmbeddedIndex
    from tui.llm.base import Answerer
    from tui.services.asking import AskService
    from tui.services.bundle import Services
    from tui.services.retrieval import Retriever

_BUILTIN = "builtin"


def check_settings(settings: Settings) -> None:
    """Refuses settings that ask for what this version cannot do, before anything is opened.

    Raises `SettingsError`, also for an OLLAMA_HOST that can never be an address.
    """
    from tui.llm.ollama_host import parse_ollama_host

    parse_ollama_host(settings.ollama_host)
    kind = settings.index_kind
    if kind is not IndexKind.EMBEDDED:
        asked = settings.source_of("index" if settings.index is not IndexKind.AUTO else "upstash_url")
        raise SettingsError(
            f"The {kind.value} index is asked for ({asked}), but this version of ragfood has the embedded index only.",
            hint="Use --index embedded, or set RAGFOOD_INDEX=embedded.",
        )
    if settings.embed_model != _BUILTIN:
        raise SettingsError(
            f'RAGFOOD_EMBED_MODEL is "{settings.embed_model}" ({settings.source_of("embed_model")}), but the embedded '
            "index of this version embeds with the built-in model only.",
            hint="Unset it, or set RAGFOOD_EMBED_MODEL=builtin.",
        )
    if settings.redact:
        raise SettingsError(
            f"RAGFOOD_REDACT is on ({settings.source_of('redact')}), but this version of ragfood cannot mask personal "
            "data yet, and will not pretend to.",
            hint="Set RAGFOOD_REDACT=off, and remove personal data from the file yourself.",
        )


def foods_file(settings: Settings) -> Path:
    """The data file that is meant: the setting, else the bundled foods.json."""
    from tui.core.foods import bundled_foods_path

    return settings.foods or bundled_foods_path()


def build_services(
    settings: Settings,
    paths: Paths,
    *,
    use_model: bool = True,
    clock: Clock | None = None,
    checkpoint: Checkpoint = no_checkpoint,
) -> Services:
    """Makes the services of one run. Opens no file and no connection: each part does so when it is first needed.

    `use_model` false leaves Ollama out and answers with extracts. Raises `ConfigurationError` for settings that cannot
    work and for folders that cannot be used.
    """
    from tui.core.clock import SystemClock
    from tui.core.paths import ensure_directory
    from tui.services.bundle import Services
    from tui.services.filling import FirstFill
    from tui.services.ingestion import IngestService
    from tui.services.rate_limit import SlidingWindow
    from tui.services.retrieval import Retriever
    from tui.services.transfer import TransferService

    check_settings(settings)
    ensure_directory(paths.data)
    clock = clock or SystemClock()
    models = _Models()
    index = _embedded_index(settings, paths, models, checkpoint)
    ingestion = IngestService(index, foods_file(settings), clock, checkpoint=checkpoint)
    filling = FirstFill(index, ingestion, checkpoint=checkpoint)
    limit = SlidingWindow(settings.rate_limit.count, settings.rate_limit.seconds, clock)
    retrieval = Retriever(index, filling, limit, clock, top_k=settings.top_k, min_relevance=gate(settings))
    answerers = _answerers(settings, models, clock, use_model=use_model)
    return Services(
        settings=settings,
        index=index,
        answerer=answerers[0],
        retrieval=retrieval,
        asking=_asking(retrieval, answerers, paths, clock),
        ingestion=ingestion,
        filling=filling,
        transfer=TransferService(index, paths, clock, checkpoint=checkpoint),
    )


def _embedded_index(settings: Settings, paths: Paths, models: _Models, checkpoint: Checkpoint) -> EmbeddedIndex:
    from tui.index.embedded import EmbeddedIndex

    return EmbeddedIndex(
        paths.index_file,
        namespace=settings.namespace,
        dense=models.dense,
        sparse=models.sparse,
        relevance=models.relevance,
        checkpoint=checkpoint,
    )


def _answerers(settings: Settings, models: _Models, clock: Clock, *, use_model: bool) -> list[Answerer]:
    """Who writes answers, best first; the last one always can."""
    from tui.llm.extractive import ExtractiveAnswerer

    extractive = ExtractiveAnswerer(lambda: models.relevance().evidence)
    if not use_model:
        return [extractive]
    from tui.llm.ollama import OllamaAnswerer

    key = settings.ollama_api_key or None
    return [OllamaAnswerer(settings.ollama_host, settings.model, api_key=key, clock=clock), extractive]


def _asking(retrieval: Retriever, answerers: list[Answerer], paths: Paths, clock: Clock) -> AskService:
    from tui.services.asking import AskService
    from tui.services.recorder import TurnRecorder

    session = f"{clock.now():%Y%m%dT%H%M%S}-{clock.new_id()}"
    return AskService(retrieval, answerers, TurnRecorder(paths.sessions, session), clock)


def gate(settings: Settings) -> float:
    """The lowest relevance of a source: the setting, else the one calibrated with the embedder."""
    if settings.min_relevance is not None:
        return settings.min_relevance
    from tui.embed.calibration import GATE

    return GATE


class _Models:
    """The built-in model, loaded once, when somebody first needs it."""

    def __init__(self) -> None:
        self._dense: BuiltinEmbedder | None = None
        self._relevance: Relevance | None = None

    def dense(self) -> BuiltinEmbedder:
        if self._dense is None:
            from tui.embed.builtin import BuiltinEmbedder

            self._dense = BuiltinEmbedder()
        return self._dense

    def sparse(self) -> Bm25Embedder:
        from tui.embed.bm25 import Bm25Embedder

        return Bm25Embedder()

    def relevance(self) -> Relevance:
        if self._relevance is None:
            from tui.embed.evidence import Evidence
            from tui.embed.lexicon import food_lexicon
            from tui.embed.relevance import Relevance

            self._relevance = Relevance(Evidence(self.dense(), food_lexicon()))
        return self._relevance
