"""An emulator on a thread of its own, for tests that have no event loop or block the one they have."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.emulators.ollama import OllamaEmulator


@contextmanager
def emulator_thread(make: Callable[[], OllamaEmulator] = OllamaEmulator) -> Iterator[OllamaEmulator]:
    """Runs what `make` makes until the block ends. Its lists may be read from outside; its events may not be set."""
    ready = threading.Event()
    running: list[tuple[OllamaEmulator, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        async with make() as emulator:
            running.append((emulator, asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="ollama-emulator")
    thread.start()
    assert ready.wait(10), "the emulator did not start"
    emulator, loop, stop = running[0]
    try:
        yield emulator
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
