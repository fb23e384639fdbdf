"""The Textual application: screens, keys, palette and the last line of defence. It wires, it does not do."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.worker import WorkerFailed

from tui.core.clock import Clock, SystemClock
from tui.screens.chat import ChatScreen
from tui.screens.opening import Opening
from tui.widgets.guarded import Guarded, Unexpected

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.command import Provider
    from textual.driver import Driver

    from tui.core.settings import Settings
    from tui.screens.browse import BrowseScreen
    from tui.screens.help import KeySection
    from tui.services.bundle import Services

_log = logging.getLogger("tui")
_HERE = Path(__file__).resolve().parent

_KEY_NAMES = {
    "⏎": "Enter",
    "enter": "Enter",
    "shift": "Shift",
    "tab": "Tab",
    "esc": "Esc",
    "pgup": "PgUp",
    "pgdn": "PgDn",
    "space": "Space",
}
_FUNCTION_KEY = re.compile("f[0-9]+")

_GAVE_UP = (
    "ragfood had to stop because of an error in itself. What was answered and written is safe; starting it again goes "
    "on from there."
)

AGAIN_WITHIN = 3.0
"""Seconds in which a second Ctrl+C quits."""
CLOSE_WITHIN = 10.0
"""Seconds that work under way gets to end in order when the app quits."""
MOST_FAILURES = 10
"""Unexpected errors after which going on makes no sense, and the app ends with a sentence."""


def _commands() -> type[Provider]:
    from tui.screens.commands import Commands

    return Commands


class RagfoodApp(Guarded, App[None]):
    """ragfood in a terminal.

    The services are opened in the background after the first paint and closed at the end. `failures` holds the
    unexpected errors of this run, newest last.
    """

    TITLE = "ragfood"
    # Textual looks beside the file of a subclass for relative paths, and does not load the default screen's own.
    CSS_PATH = [_HERE / "app.tcss", _HERE / "screens" / "chat.tcss"]  # noqa: RUF012
    # Textual declares these two as `ClassVar[...] | None`, which only a bare assignment satisfies.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (12, "-roomy")]  # noqa: RUF012

    COMMANDS = {_commands}  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", id="app.help", show=False),
        Binding("f3", "browse", "Browse", id="pane.browse", tooltip="Every record of the index"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True),
        Binding("ctrl+c", "interrupt", "Copy, stop, clear or quit", id="app.interrupt", show=False, priority=True),
    ]

    def __init__(
        self,
        settings: Settings,
        open_services: Callable[[], Awaitable[Services]],
        *,
        clock: Clock | None = None,
        log_file: str = "",
    ) -> None:
        """Makes the app; nothing is opened yet.

        `settings.keys` remaps keys by binding id. `open_services` is awaited once after the first paint, and again
        after it failed. `log_file` is what people are told about where details are.
        """
        super().__init__()
        self.settings = settings
        self.clock = clock or SystemClock()
        self.opening = Opening(open_services)
        self.failures: deque[BaseException] = deque(maxlen=MOST_FAILURES)
        self._log_file = log_file
        self._interrupted_at: float | None = None
        self._browse: BrowseScreen | None = None
        self.set_keymap(dict(settings.keys))

    def get_driver_class(self) -> type[Driver]:
        """Returns what talks to the terminal: on Unix our own, unless another one is asked for."""
        usual = super().get_driver_class()
        if os.name != "posix":
            return usual
        from textual.drivers.linux_driver import LinuxDriver

        from tui.terminal import TerminalDriver

        return TerminalDriver if usual is LinuxDriver else usual

    def on_load(self) -> None:
        """Postpones garbage collection until after the first paint: what is made until then stays."""
        gc.disable()

    def get_default_screen(self) -> Screen[None]:
        """Returns the chat, so that the first paint is already it."""
        width, height = self.size
        classes = (
            max((low, name) for low, name in points if low <= length)[1]
            for points, length in ((self.HORIZONTAL_BREAKPOINTS, width), (self.VERTICAL_BREAKPOINTS, height))
        )
        self._chat = ChatScreen(self.opening, self.clock, classes=" ".join(classes))
        return self._chat

    @on(ChatScreen.Painted)
    def _painted(self) -> None:
        gc.enable()

    @property
    def chat(self) -> ChatScreen:
        """The chat screen, whatever lies above it."""
        return self._chat

    # -- keys and commands

    def action_help(self) -> None:
        """Shows the keys as they are."""
        from tui.screens.help import Help

        if not isinstance(self.screen, Help):
            self.push_screen(Help(self._key_sections(), keys_of=self._keys_of))

    async def action_browse(self) -> None:
        """Shows every record of the index."""
        from tui.screens.browse import BrowseScreen

        if self._browse is None:
            self._browse = BrowseScreen(self.opening)
            self.install_screen(self._browse, "browse")
        if self.screen is self.chat:
            await self.push_screen(self._browse)

    async def action_leave_browse(self, pane: str = "chat") -> None:
        """Goes back to `pane` of the chat."""
        if self._browse is not None and self.screen is self._browse:
            await self.pop_screen()
        self.chat.action_show_pane(pane)

    async def on_browse_screen_asked(self, event: BrowseScreen.Asked) -> None:
        """Puts a question about a record into the prompt; what was typed there before waits in the history."""
        await self.action_leave_browse()
        prompt = self.chat.prompt
        if prompt.text.strip():
            prompt.questions.add(prompt.text)
        prompt.load_text(event.question)
        prompt.move_cursor(prompt.document.end)

    def action_interrupt(self) -> None:
        """Copies a selection, else closes a dialog, else stops or clears, else quits when pressed twice."""
        selected = self._selected_text()
        if selected:
            self.copy_to_clipboard(selected)
            self.notify("Copied, if your terminal allows it.", markup=False)
        elif isinstance(self.screen, ModalScreen):
            self.screen.dismiss(getattr(self.screen, "SAFE", None))
        elif not (self._browse if self._browse is not None and self._browse.is_current else self.chat).interrupt():
            now = self.clock.monotonic()
            if self._interrupted_at is not None and now - self._interrupted_at <= AGAIN_WITHIN:
                self.exit()
                return
            self._interrupted_at = now
            self.notify("Press Ctrl+C again to quit.", timeout=AGAIN_WITHIN, markup=False)

    def _selected_text(self) -> str:
        from textual.widgets import Input, TextArea

        focused = self.focused
        if isinstance(focused, TextArea | Input) and focused.selected_text:
            return focused.selected_text
        return self.screen.get_selected_text() or ""

    @on(ChatScreen.Leaving)
    def _leaving(self) -> None:
        from tui.screens.confirm import Confirm

        def decide(quitting: bool | None) -> None:
            if quitting:
                self.exit()

        question = Confirm("Quit", "Leave ragfood?", yes="Quit", no="Stay", harmless=True)
        self.push_screen(question, decide)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Our commands, then those of Textual that we have no better one for."""
        chat = self.chat
        yield SystemCommand("Help", "Show the keys", self.action_help)
        yield SystemCommand("Chat", "Back to the prompt", partial(self.action_leave_browse, "chat"))
        yield SystemCommand("Sources", "The passages of the answer", partial(self.action_leave_browse, "sources"))
        yield SystemCommand("Index", "Into the index panel", partial(self.action_leave_browse, "index"))
        yield SystemCommand("Browse", "Every record of the index", self.action_browse)
        if self._browse is not None and screen is self._browse:
            yield from self._browse.commands()
        yield SystemCommand("Stop the answer", "Keep what came so far", chat.action_peel)
        yield SystemCommand("Ask the model anyway", "The refused question, without sources", chat.action_ask_anyway)
        yield SystemCommand("Thoughts", "What the model thought before the last answer", chat.action_thoughts)
        yield SystemCommand("Copy the answer", "The last one, as Markdown", chat.action_copy_answer)
        yield SystemCommand("Save the conversation", "As a Markdown file", chat.action_save_conversation)
        yield SystemCommand("New chat", "Begin anew", chat.action_new_chat)
        yield SystemCommand("Upsert", "Plan and upsert the foods file", chat.action_upsert)
        yield SystemCommand("Reset the index", "Remove every record, after a snapshot", chat.action_reset_index)
        yield SystemCommand("Statistics", "What the index says about itself", chat.action_statistics)
        yield SystemCommand("Export the index", "Into a JSON Lines file", chat.action_export)
        yield SystemCommand("Stop index work", "Stop an upsert, a reset or an export", chat.action_stop_index_work)
        yield SystemCommand("Quit", "Leave ragfood", self.action_quit)
        for command in super().get_system_commands(screen):
            if command.title in ("Theme", "Screenshot"):
                yield command

    def _key_sections(self) -> list[KeySection]:
        from tui.screens.browse import BrowseScreen
        from tui.widgets.index_panel import IndexPanel
        from tui.widgets.prompt import Prompt
        from tui.widgets.record_detail import RecordDetail
        from tui.widgets.record_list import RecordList
        from tui.widgets.sources import Sources

        palette = Binding(self.COMMAND_PALETTE_BINDING, "command_palette", "All commands", id="app.palette")
        sections: list[KeySection] = [
            ("Everywhere", [*ChatScreen.BINDINGS, palette, *self.BINDINGS]),
            ("In the prompt", Prompt.BINDINGS),
            ("In the sources", [*Sources.BINDINGS, Binding("1-9", "", "Source of that number")]),
            ("In the index panel", IndexPanel.BINDINGS),
        ]
        browsing = ("While browsing", [*BrowseScreen.KEYS, *RecordList.BINDINGS, *RecordDetail.BINDINGS])
        # What can be done right here comes first.
        sections.insert(0 if self._browse is not None and self.screen is self._browse else len(sections), browsing)
        return sections

    def _keys_of(self, binding: Binding) -> str:
        remapped = self.settings.keys.get(binding.id or "")
        if remapped:
            return ", ".join(self.get_key_display(Binding(key.strip(), "")) for key in remapped.split(","))
        return self.get_key_display(binding)

    def get_key_display(self, binding: Binding) -> str:
        """Returns the key as it is printed on keyboards: ``F1``, ``^Q``, ``Shift+Enter``."""
        shown = super().get_key_display(binding)
        if shown.startswith("^") or _FUNCTION_KEY.fullmatch(shown):
            return shown.upper()
        return "+".join(_KEY_NAMES.get(part, part) for part in shown.split("+")) if len(shown) > 1 else shown

    # -- the last line of defence

    @on(Unexpected)
    def _unexpected(self, event: Unexpected) -> None:
        from tui.screens.failure import Failure

        event.stop()
        error = event.error
        _log.error("unexpected error", exc_info=error)
        self.failures.append(error)
        if len(self.failures) >= MOST_FAILURES:
            self._give_up()
        elif not isinstance(self.screen, Failure):
            self.push_screen(Failure(error, log_file=self._log_file))

    def _handle_exception(self, error: Exception) -> None:
        """Ends the app with a sentence where Textual would print a traceback with the values of all variables."""
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            error = error.error
        _log.critical("fatal error", exc_info=error)
        self.failures.append(error)
        if self._exception is None:
            # Textual's own test harness raises it again.
            self._exception = error
        self._give_up()

    def panic(self, *renderables: RenderableType) -> None:
        """Ends the app with a sentence whatever Textual would print, which goes to the log."""
        _log.critical("fatal error: %s", " ".join(str(renderable) for renderable in renderables))
        self._give_up()

    def _give_up(self) -> None:
        place = f" The details are in {self._log_file}." if self._log_file else ""
        self._return_code = 1
        self._exit_renderables.clear()
        self._exit_renderables.append(Text(f"{_GAVE_UP}{place}"))
        self._close_messages_no_wait()
        self._exception_event.set()

    # -- the end

    async def on_unmount(self) -> None:
        """Lets work under way come to its end and closes the services."""
        gc.enable()
        running = [worker for worker in self.workers if not worker.is_finished]
        for worker in running:
            worker.cancel()
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await asyncio.gather(*(worker.wait() for worker in running), return_exceptions=True)
                await self.opening.aclose()
        except TimeoutError:
            _log.warning("work under way did not end within %s seconds", CLOSE_WITHIN)
