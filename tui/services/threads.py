"""Blocking work beside the event loop, with an end that the caller can rely on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def finish_in_thread(work: Callable[[], T]) -> T:
    """Returns what `work` returns, run on a thread of asyncio's pool.

    When the caller is cancelled, the cancellation goes on only after `work` has come to its end: what it used (an open
    file) can then be closed. Keep `work` short.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
