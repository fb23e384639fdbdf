"""Waiting for work that must end although its caller is cancelled."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


async def settled(future: asyncio.Future[Any]) -> None:
    """Waits until `future` is done, however often the caller is cancelled meanwhile; its outcome is dropped.

    For the handler of a cancellation, which has to be raised again afterwards.
    """
    import asyncio

    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        # Looked at, so that asyncio does not report an exception that nobody asked for.
        future.exception()
