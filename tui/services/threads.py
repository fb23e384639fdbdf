"""Work beside the event loop, with an end that the caller can rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tui.core.cancelling import settled

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Returns what `work` returns, and carries it out to its end however often the caller is cancelled meanwhile.

    The cancellation goes on only then. Keep `work` short.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await settled(task)
        raise


async def finish_in_thread(work: Callable[[], T]) -> T:
    """Returns what `work` returns, run on a thread of asyncio's pool, and finished as by `finish`.

    What it used (an open file) can be closed afterwards.
    """
    return await finish(asyncio.to_thread(work))
