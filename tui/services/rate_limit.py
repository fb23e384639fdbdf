"""A sliding-window limit: never more than so many calls within any window of so many seconds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.core.clock import Clock


class SlidingWindow:
    """Lets `calls` (at least 1) through per sliding window of `seconds`; a further one waits, first come first served.

    The oldest call within the window decides when the next may go, so there is no burst at a window's edge. `sleep`
    passes seconds of `clock`.
    """

    def __init__(
        self, calls: int, seconds: float, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._calls = calls
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._taken: deque[float] = deque(maxlen=calls)
        self._turn = asyncio.Lock()

    def wait_needed(self) -> float:
        """Seconds until the next call may go, 0 when it may go now."""
        if len(self._taken) < self._calls:
            return 0.0
        return max(0.0, self._taken[0] + self._seconds - self._clock.monotonic())

    async def take(self) -> None:
        """Waits until a call fits into the window and counts it. Cancelling the wait counts nothing."""
        async with self._turn:
            # A timer may go off a little early, and then the window is still full.
            while (wait := self.wait_needed()) > 0:
                await self._sleep(wait)
            self._taken.append(self._clock.monotonic())
