"""One piece of work at a time in a worker of a screen, which can be stopped at any instant."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial

from textual.screen import Screen
from textual.worker import Worker

from tui.widgets.guarded import Unexpected


async def reporting(screen: Screen[None], work: Callable[[], Awaitable[None]]) -> None:
    """Does `work`, and tells the app what nobody foresaw instead of losing it with the worker."""
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: the app logs it and shows it
        screen.post_message(Unexpected(error))


class _Quiet:
    """Postpones full garbage collections while anything runs beside which keys have to echo.

    Young garbage is collected as ever; going through the oldest generation takes 50 to 150 ms and would be felt.
    """

    def __init__(self) -> None:
        self._holders = 0
        self._usual = gc.get_threshold()

    def __enter__(self) -> None:
        if self._holders == 0:
            self._usual = gc.get_threshold()
            gc.set_threshold(5_000, 10, 1_000_000)
        self._holders += 1

    def __exit__(self, *_: object) -> None:
        self._holders -= 1
        if self._holders == 0:
            gc.set_threshold(*self._usual)


_quiet = _Quiet()


class Background:
    """Runs work in a worker of its own group.

    Textual forgets a worker that is cancelled before its first step: it never ends, and nobody is told. So stopping
    one that has not begun waits for its beginning.
    """

    def __init__(self, screen: Screen[None], group: str) -> None:
        self._screen = screen
        self._group = group
        self._worker: Worker[None] | None = None
        self._begun = False
        self._stop_asked = False
        self.busy = False

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work`, which must handle its own errors and its cancellation, under `name`."""
        self.busy = True
        self._begun = self._stop_asked = False
        self._worker = self._screen.run_worker(
            partial(self._run, work), name=name, group=self._group, exclusive=True, exit_on_error=False
        )

    def stop(self) -> bool:
        """Cancels the work under way; returns whether there was any."""
        if not self.busy or self._worker is None:
            return False
        if self._begun:
            self._worker.cancel()
        else:
            self._stop_asked = True
        return True

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        self._begun = True
        if self._stop_asked and self._worker is not None:
            # The cancellation strikes at the first await of the work, which then ends like any other.
            self._worker.cancel()
        try:
            with _quiet:
                await work()
        finally:
            self.busy = False
