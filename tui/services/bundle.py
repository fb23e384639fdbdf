"""Everything the app can do, in one value that the front door hands to a screen or a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.core.settings import Settings
    from tui.index.base import VectorIndex
    from tui.llm.base import Answerer
    from tui.services.asking import AskService
    from tui.services.filling import FirstFill
    from tui.services.ingestion import IngestService
    from tui.services.retrieval import Retriever
    from tui.services.transfer import TransferService


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one run, bound to one index and namespace. Closing it closes everything below."""

    settings: Settings
    index: VectorIndex
    answerer: Answerer
    retrieval: Retriever
    asking: AskService
    ingestion: IngestService
    filling: FirstFill
    transfer: TransferService

    async def aclose(self) -> None:
        """Closes the answerer and the index; what is under way must have been cancelled before."""
        try:
            await self.answerer.aclose()
        finally:
            await self.index.aclose()
