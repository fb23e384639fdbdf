"""Work beside the event loop, with an end that the caller can rely on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Returns what `work` returns, and carries it out to its end however often the caller is cancelled meanwhile.

    The cancellation goes on only then. Keep `work` short.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def finish_in_thread(work: Callable[[], T]) -> T:
    """Returns what `work` returns, run on a thread of asyncio's pool, and finished as by `finish`.

    What it used (an open file) can be closed afterwards.
    """
    return await finish(asyncio.to_thread(work))
