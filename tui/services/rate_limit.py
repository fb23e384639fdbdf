"""A sliding-window limit: never more than so many calls within any window of so many seconds."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.core.clock import Clock


class SlidingWindow:
    """Lets `calls` through per sliding window of `seconds`; a further one waits for its turn, first come first served.

    The oldest call within the window decides when the next may go, so there is no burst at a window's edge.
    """

    def __init__(self, calls: int, seconds: float, clock: Clock) -> None:
        self._calls = calls
        self._seconds = seconds
        self._clock = clock
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
            await asyncio.sleep(self.wait_needed())
            self._taken.append(self._clock.monotonic())
