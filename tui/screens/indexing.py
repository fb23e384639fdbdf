"""Works on the index in the background: first fill, upsert, reset, export; one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from tui.core.errors import RagfoodError
from tui.screens.background import Background
from tui.screens.messages import IndexBegan, IndexEnded, IndexHappened
from tui.screens.opening import Opening
from tui.widgets.guarded import Unexpected

if TYPE_CHECKING:
    from tui.screens.messages import IndexEvent
    from tui.services.bundle import Services


class Indexing:
    """Runs one piece of work on the index at a time in a worker of the screen."""

    def __init__(self, screen: Screen[None], opening: Opening) -> None:
        self._screen = screen
        self._opening = opening
        self._background = Background(screen, "index")
        self.job = ""

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._background.busy

    def first_fill(self) -> None:
        """Fills an embedded index that was never written; nothing happens to any other."""
        self._start("first fill", self._first_fill)

    def upsert(self) -> None:
        """Plans an upsert of the foods file, shows the plan, and carries it out when confirmed."""
        self._start("upsert", self._upsert)

    def reset(self) -> None:
        """Empties the index after a typed confirmation, with a snapshot first."""
        self._start("reset", self._reset)

    def export(self, suggestion: str) -> None:
        """Asks where to, with `suggestion` filled in, and exports every record there."""
        self._start("export", lambda services: self._export(services, suggestion))

    def stop(self) -> bool:
        """Stops what runs; returns whether anything did."""
        return self._background.stop()

    def _start(self, job: str, flow: Callable[[Services], Awaitable[None]]) -> None:
        if self.busy:
            self._screen.notify(f"The {self.job} is not done yet.", severity="warning", markup=False)
            return
        self.job = job
        self._background.start(job, partial(self._run, job, flow))

    async def _run(self, job: str, flow: Callable[[Services], Awaitable[None]]) -> None:
        ended = IndexEnded(job)
        try:
            await flow(await self._opening.get())
        except RagfoodError as error:
            ended = IndexEnded(job, error=error)
        except asyncio.CancelledError:
            ended = IndexEnded(job, stopped=True)
            raise
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: the app logs it and shows it
            ended = IndexEnded(job, error=RagfoodError(f"Something unexpected ended the {job}."))
            self._screen.post_message(Unexpected(error))
        finally:
            if job == "first fill":
                self._opening.filled.set()
            self._screen.post_message(ended)

    async def _follow(self, job: str, events: AsyncGenerator[IndexEvent]) -> None:
        async with contextlib.aclosing(events):
            async for event in events:
                self._screen.post_message(IndexHappened(job, event))

    async def _first_fill(self, services: Services) -> None:
        await self._follow("first fill", services.filling.run())

    async def _upsert(self, services: Services) -> None:
        from tui.screens.confirm import Confirm
        from tui.screens.failure import Report
        from tui.screens.index_texts import plan_text

        self._screen.post_message(IndexBegan("reading the foods file and the index"))
        plan = await services.ingestion.plan()
        if not plan.to_write:
            await self._screen.app.push_screen_wait(Report("Upsert", plan_text(plan)))
        elif await self._screen.app.push_screen_wait(Confirm("Upsert", plan_text(plan), yes="Upsert")):
            await self._follow("upsert", services.ingestion.upsert())

    async def _reset(self, services: Services) -> None:
        from tui.screens.confirm import TypedConfirm
        from tui.screens.index_texts import reset_text

        info = await services.index.info()
        if await self._screen.app.push_screen_wait(TypedConfirm("Reset the index", reset_text(info), word="reset")):
            self._screen.post_message(IndexBegan("saving a snapshot"))
            await self._follow("reset", services.transfer.reset())

    async def _export(self, services: Services, suggestion: str) -> None:
        from tui.screens.confirm import AskPath

        text = "Every record, with its vectors, goes into a JSON Lines file that restores exactly."
        chosen = await self._screen.app.push_screen_wait(
            AskPath("Export the index", text, suggestion=suggestion, yes="Export")
        )
        if chosen is not None:
            await self._follow("export", services.transfer.export(path_of(chosen)))


def path_of(typed: str) -> Path:
    """Returns the path that a person typed, with ``~`` resolved where that is possible."""
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        return Path(typed)
