"""Asks in the background: from the service's events to messages for the screen."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.screen import Screen

from tui.core.errors import RagfoodError
from tui.screens.background import Background
from tui.screens.messages import AskEnded, AskHappened
from tui.screens.opening import Opening
from tui.widgets.guarded import Unexpected

if TYPE_CHECKING:
    from tui.core.turns import Turn
    from tui.widgets.transcript import TurnView


class Asking:
    """Runs one question at a time in a worker of the screen."""

    def __init__(self, screen: Screen[None], opening: Opening) -> None:
        self._screen = screen
        self._opening = opening
        self._background = Background(screen, "ask")

    @property
    def busy(self) -> bool:
        """Whether a question is being answered."""
        return self._background.busy

    def start(self, view: TurnView, history: Sequence[Turn]) -> None:
        """Asks the question of `view`, after the turns of `history`."""
        self._background.start("ask", partial(self._ask, view, tuple(history)))

    def stop(self) -> bool:
        """Stops the answer under way; returns whether there was one."""
        return self._background.stop()

    async def _ask(self, view: TurnView, history: tuple[Turn, ...]) -> None:
        from tui.services.asking import AskOptions

        post = self._screen.post_message
        ended = AskEnded(view)
        try:
            view.show_phase("opening the index")
            services = await self._opening.get()
            if not self._opening.filled.is_set():
                view.show_phase("waiting for the first fill")
                await self._opening.filled.wait()
            options = AskOptions(ungrounded=view.ungrounded)
            async with contextlib.aclosing(
                services.asking.ask(view.question, history=history, options=options)
            ) as events:
                async for event in events:
                    post(AskHappened(view, event))
                    await view.drain()
        except RagfoodError as error:
            ended = AskEnded(view, error=error)
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: the app logs it and shows it
            ended = AskEnded(view, error=RagfoodError("Something unexpected ended this answer."))
            post(Unexpected(error))
        finally:
            post(ended)
