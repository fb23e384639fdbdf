"""Asks one question in a process of its own, for a test that kills it: arguments are a folder and Ollama's address."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.services.asking_kitchen import Kitchen, ask


async def main(folder: str, ollama_host: str) -> None:
    await ask(Kitchen(Path(folder), ollama_host).services())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
