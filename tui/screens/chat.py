"""The chat: the conversation and its prompt on the left, sources and index on the right."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker

from tui.core.errors import RagfoodError
from tui.core.text import clean, clean_line
from tui.core.turns import TurnState
from tui.screens.asking import Asking
from tui.screens.background import reporting
from tui.screens.indexing import Indexing
from tui.screens.messages import AskEnded, AskHappened, IndexBegan, IndexEnded, IndexHappened
from tui.screens.opening import Opening
from tui.widgets.guarded import Guarded
from tui.widgets.pane_tabs import PANES, PaneTabs
from tui.widgets.prompt import Prompt
from tui.widgets.status_line import StatusLine
from tui.widgets.streamed_markdown import StreamedMarkdown
from tui.widgets.transcript import Transcript, TurnView

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.core.turns import Turn
    from tui.widgets.index_panel import IndexPanel
    from tui.widgets.sources import Sources

WELCOME = "Ask a question about food below and press Enter, for example: Which soups come with noodles?"
GOODBYES = frozenset({"exit", "quit"})
"""What ended the script that this app replaces; typed alone, it offers to quit."""
LOOK_EVERY = 3.0
"""Seconds between two looks whether another process wrote to the index."""


class ChatScreen(Guarded, Screen[None]):
    """Puts the panes together: what is asked and done goes to the controllers, what happens comes back as messages."""

    AUTO_FOCUS = "#prompt"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "app.help", "Help", id="app.help", tooltip="The keys"),
        Binding("f2", "show_pane('chat')", "Chat", id="pane.chat", tooltip="Back to the prompt", priority=True),
        Binding("f4", "show_pane('index')", "Index", id="pane.index", tooltip="Into the index panel", priority=True),
        Binding("f5", "upsert", "Upsert", id="index.upsert", tooltip="Plan and upsert the foods file"),
        Binding("tab", "next_pane(1)", "Next pane", show=False, id="pane.next"),
        Binding("shift+tab", "next_pane(-1)", "Pane before", show=False, id="pane.previous"),
        Binding("escape", "peel", "Stop the answer, then back to the prompt", show=False, id="chat.stop"),
        Binding("ctrl+g", "ask_anyway", "Ask the model without sources", show=False, id="chat.ask_anyway"),
        Binding("f8", "copy_answer", "Copy the last answer", show=False, id="chat.copy"),
        Binding("ctrl+o", "save_conversation", "Save the conversation as Markdown", show=False, id="chat.save"),
        Binding("ctrl+l", "new_chat", "New chat", show=False, id="chat.new"),
        Binding("ctrl+t", "thoughts", "What the model thought", show=False, id="chat.thoughts"),
        Binding("question_mark", "app.help", "Help", show=False, id="app.help.letter"),
    ]

    class Painted(Message):
        """The first paint is done."""

    class Leaving(Message):
        """A word was typed that ends other programs; the app asks whether it was meant."""

    def __init__(self, opening: Opening, clock: Clock, *, classes: str = "") -> None:
        """Shows what the services of `opening` do, once they are open; `clock` times the phases.

        `complete` tells whether all panes are there. `turns` holds the finished turns of this conversation, oldest
        first, and `history` those of them that were answered. `reason_told` is why answers are extractive, as the
        conversation says already, `unfinished_told` the interrupted work it told; `snapshot` is the file of the last
        reset. `classes` may already say how large the terminal is, which saves styling everything twice.
        """
        super().__init__(classes=f"-pane-chat {classes}")
        self.opening = opening
        self.asking = Asking(self, opening)
        self.indexing = Indexing(self, opening)
        self.history: list[Turn] = []
        self.turns: list[Turn] = []
        self._clock = clock
        self._queued: TurnView | None = None
        self._sources_of: TurnView | None = None
        self._version: str | None = None
        self.complete = False
        self.reason_told = ""
        self.unfinished_told = ("", "")
        self.snapshot = ""

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        with Horizontal(id="panes"):
            with Vertical(id="chat") as chat:
                chat.border_title = "Chat"
                yield Transcript(now=self._clock.monotonic, id="transcript")
                with Horizontal(id="entry"):
                    yield Static(Content(">"), markup=False, id="marker")
                    yield Prompt(id="prompt")
            yield Vertical(id="side")

    def on_mount(self) -> None:
        # The first paint is what is needed to begin typing; everything else comes right after it.
        self.call_after_refresh(self._compose_rest)

    async def _compose_rest(self) -> None:
        from textual.widgets import Footer

        from tui.widgets.index_panel import IndexPanel
        from tui.widgets.sources import Sources

        if not self.transcript.is_mounted:
            self.call_after_refresh(self._compose_rest)
            return
        self.post_message(self.Painted())
        self.transcript.add_note(WELCOME)
        with self.app.batch_update():
            await self.mount(PaneTabs(self._pane, id="tabs"), before="#panes")
            await self.query_one("#side").mount(Sources(id="sources"), IndexPanel(id="index"))
            await self.mount(Footer(show_command_palette=True))
        self.complete = True
        self.indexing.first_fill()
        self.refresh_bindings()
        self._run("check", self._check_answerer)
        self.set_interval(LOOK_EVERY, self.look_at_index, name="look at the index")

    def _run(self, name: str, work: Callable[[], Awaitable[None]]) -> Worker[None]:
        """Does `work` in a worker instead of the work of the same name that may be under way."""
        reported = partial(reporting, self, work)
        return self.run_worker(reported, name=name, group=name, exclusive=True, exit_on_error=False)

    # -- the panes

    @property
    def transcript(self) -> Transcript:
        """The conversation."""
        return self.query_one(Transcript)

    @property
    def prompt(self) -> Prompt:
        """Where questions are typed."""
        return self.query_one(Prompt)

    @property
    def sources(self) -> Sources:
        """The passages of the last turn."""
        from tui.widgets.sources import Sources

        return self.query_one(Sources)

    @property
    def index_panel(self) -> IndexPanel:
        """The panel of the index."""
        from tui.widgets.index_panel import IndexPanel

        return self.query_one(IndexPanel)

    @property
    def status(self) -> StatusLine:
        """The line at the top."""
        return self.query_one(StatusLine)

    @property
    def tabs(self) -> PaneTabs:
        """The names of the panes, shown where they do not fit beside each other."""
        return self.query_one(PaneTabs)

    def action_show_pane(self, pane: str) -> None:
        """Shows `pane` and moves the focus into it."""
        if not self.complete:
            self.call_after_refresh(self.action_show_pane, pane)
            return
        self._mark_pane(pane)
        # Not `focus`, which comes later: the next key of a burst belongs to the pane already.
        self.set_focus(self.query_one({"chat": "#prompt"}.get(pane, f"#{pane}")))

    def action_next_pane(self, step: int) -> None:
        """Moves on by `step` panes, around the corner too."""
        names = list(PANES)
        self.action_show_pane(names[(names.index(self._pane) + step) % len(names)])

    @property
    def _pane(self) -> str:
        return next((pane for pane in PANES if self.has_class(f"-pane-{pane}")), "chat")

    def _mark_pane(self, pane: str) -> None:
        if pane == self._pane:
            return
        for name in PANES:
            self.set_class(name == pane, f"-pane-{name}")
        self.tabs.show_pane(pane)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        pane = {"prompt": "chat", "sources": "sources", "index": "index"}.get(event.widget.id or "")
        if pane:
            self._mark_pane(pane)

    @on(PaneTabs.Chosen)
    def _tab_chosen(self, event: PaneTabs.Chosen) -> None:
        self.action_show_pane(event.pane)

    @on(Transcript.Followed)
    def _follow_changed(self, event: Transcript.Followed) -> None:
        self.query_one("#chat").border_subtitle = "" if event.at_end else "more below ↓ PgDn"

    def action_scroll_transcript(self, pages: int) -> None:
        """Scrolls the conversation by a page, whatever has the focus."""
        if pages < 0:
            self.transcript.scroll_page_up(animate=False)
        else:
            self.transcript.scroll_page_down(animate=False)

    # -- asking

    @on(Prompt.Sent)
    async def _question_sent(self, event: Prompt.Sent) -> None:
        if not self.complete:
            self.call_after_refresh(self._question_sent, event)
            return
        question = clean(event.question)
        if question.lower() in GOODBYES:
            self.post_message(self.Leaving())
            return
        if self._queued is not None:
            self.prompt.give_back(event.question)
            self.notify("One question is waiting already. Esc stops the answer above it.", markup=False)
            return
        await self._begin(question)

    async def _begin(self, question: str, *, ungrounded: bool = False) -> None:
        view = await self.transcript.begin(question, ungrounded=ungrounded)
        if self.asking.busy:
            self._queued = view
            view.show_waiting("waiting for the answer above · Esc stops that one")
        else:
            self._ask(view)

    def show_sources(self, view: TurnView) -> None:
        """Shows the sources of one turn, as they were when it was asked."""
        found = view.found
        if found is not None:
            self.sources.show(found.hits, found.dropped, total=found.total, elapsed=found.seconds)
            self.tabs.show_count("sources", len(found.hits))
        self._sources_of = view

    @on(StreamedMarkdown.CitationSelected)
    def _citation_selected(self, event: StreamedMarkdown.CitationSelected) -> None:
        view = event.widget.parent
        if isinstance(view, TurnView):
            if view is not self._sources_of:
                self.show_sources(view)
            self.action_show_pane("sources")
            self.call_after_refresh(self.sources.choose, event.number)

    @on(Prompt.Trimmed)
    def _question_trimmed(self, event: Prompt.Trimmed) -> None:
        text = f"A question has at most {event.limit:,} characters; the rest was left out."
        self.notify(text, severity="warning", markup=False)

    def _ask(self, view: TurnView) -> None:
        self.sources.clear()
        self.tabs.show_count("sources", None)
        self.asking.start(view, self.history)
        self.refresh_bindings()

    @on(AskHappened)
    def _ask_happened(self, message: AskHappened) -> None:
        from tui.screens.narration import tell_answer

        tell_answer(self, message.view, message.event)

    @on(AskEnded)
    def _ask_ended(self, message: AskEnded) -> None:
        view = message.view
        if message.error is not None:
            view.fail(message.error.message, message.error.hint)
        elif view.turn is None:
            view.stop()
        self._refresh_info()
        queued, self._queued = self._queued, None
        if queued is not None:
            self._ask(queued)
        self.refresh_bindings()

    @property
    def has_model(self) -> bool:
        """Whether a model is in use that can be asked without sources."""
        services = self.opening.services
        return services is not None and services.answerer.name != "extractive"

    def key_of(self, binding_id: str) -> str:
        """Returns the key of a binding as people read it, remapped or not."""
        for active in self.active_bindings.values():
            if active.binding.id == binding_id:
                return self.app.get_key_display(active.binding)
        return binding_id

    async def action_ask_anyway(self) -> None:
        """Asks the model the last refused question, without sources."""
        last = self.turns[-1] if self.turns else None
        if last is None or last.state is not TurnState.REFUSED or self.asking.busy:
            self.notify("This is for a question that the index has no answer to.", markup=False)
        else:
            await self._begin(last.question, ungrounded=True)

    def action_thoughts(self) -> None:
        """Folds or unfolds what was thought before the last answer."""
        from tui.widgets.thoughts import Thoughts

        found = [thoughts for thoughts in self.query(Thoughts) if thoughts.text]
        if found:
            found[-1].action_unfold()
        else:
            self.notify("No model thought aloud here.", markup=False)

    # -- keeping

    def action_copy_answer(self) -> None:
        """Copies the last answer, as Markdown."""
        answer = next((turn.answer for turn in reversed(self.turns) if turn.answer), "")
        if answer:
            self.app.copy_to_clipboard(clean(answer))
            key = self.key_of("chat.save")
            self.notify(f"Copied the last answer, if your terminal allows it. {key} saves to a file.", markup=False)
        else:
            self.notify("There is no answer yet.", markup=False)

    def action_save_conversation(self) -> None:
        """Asks for a file and saves the conversation there."""
        if not self.turns:
            self.notify("There is nothing to save yet.", markup=False)
            return
        self._run("save", self._save_conversation)

    async def _save_conversation(self) -> None:
        from tui.screens.confirm import AskPath
        from tui.screens.conversation import as_markdown, save_new
        from tui.screens.indexing import path_of

        chosen = await self.app.push_screen_wait(
            AskPath(
                "Save the conversation",
                "Questions, answers and sources go into a Markdown file.",
                suggestion=f"ragfood-{self._clock.now():%Y%m%d-%H%M}.md",
                yes="Save",
            )
        )
        if chosen is None:
            return
        path = path_of(chosen)
        try:
            await asyncio.to_thread(save_new, path, as_markdown(self.turns))
        except RagfoodError as error:
            self.transcript.add_note(error.message, error.hint, severity="error")
        else:
            self.notify(clean_line(f"Saved as {path}"), markup=False)

    async def action_new_chat(self) -> None:
        """Begins anew: what was said before is not sent to the model any more."""
        if self.asking.busy:
            self.notify("An answer is being written. Esc stops it.", markup=False)
            return
        self.turns.clear()
        self.history.clear()
        self.sources.clear()
        self.tabs.show_count("sources", None)
        await self.transcript.remove_children()
        self.transcript.add_note(WELCOME)
        self.reason_told = ""
        self.action_show_pane("chat")

    # -- stopping

    def action_peel(self) -> None:
        """Takes one layer off: the answer under way, else the way back to the prompt."""
        if not self.asking.stop():
            self.action_show_pane("chat")

    def interrupt(self) -> bool:
        """Does what Ctrl+C means here: stops the answer, else empties the prompt; returns whether there was either."""
        if self.asking.stop():
            return True
        if self.prompt.text:
            self.prompt.questions.add(self.prompt.text)
            self.prompt.load_text("")
            return True
        return False

    # -- the index

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dims what cannot be done now: new work on the index while some runs, and stopping what does not."""
        if action in {"upsert", "reset_index", "export"}:
            return None if self.indexing.busy else True
        if action == "stop_index_work":
            return True if self.indexing.busy else None
        return super().check_action(action, parameters)

    def action_upsert(self) -> None:
        """Plans an upsert and asks before it begins."""
        if not self.complete:
            self.call_after_refresh(self.action_upsert)
            return
        self.indexing.upsert()

    def action_reset_index(self) -> None:
        """Asks for the word, saves a snapshot and empties the index."""
        self.indexing.reset()

    def action_export(self) -> None:
        """Asks for a file and exports the index into it."""
        self.indexing.export(f"ragfood-{self._clock.now():%Y%m%d-%H%M}.jsonl")

    def action_stop_index_work(self) -> None:
        """Stops what runs on the index."""
        if not self.indexing.stop():
            self.notify("Nothing runs on the index.", markup=False)

    def action_statistics(self) -> None:
        """Shows everything the index says about itself."""
        self._refresh_info(report=True)

    @on(IndexBegan)
    def _index_began(self, message: IndexBegan) -> None:
        self.index_panel.show_working(message.text)
        self.refresh_bindings()

    @on(IndexHappened)
    def _index_happened(self, message: IndexHappened) -> None:
        from tui.screens.narration import tell_index_work

        tell_index_work(self, message)

    @on(IndexEnded)
    def _index_ended(self, message: IndexEnded) -> None:
        from tui.screens.narration import tell_index_end

        tell_index_end(self, message)
        self._refresh_info()
        self.refresh_bindings()

    def _refresh_info(self, *, report: bool = False) -> None:
        self._run("info", partial(self._read_info, report))

    def look_at_index(self) -> None:
        """Shows what the index holds by now, if anything but this screen may have changed it."""
        if self.opening.services is not None and not self.indexing.busy and not self._looking:
            self._run("look", self._look_at_index)

    @property
    def _looking(self) -> bool:
        return any(worker.group in ("look", "info") and not worker.is_finished for worker in self.workers)

    async def _look_at_index(self) -> None:
        services = await self.opening.get()
        try:
            version = await services.index.version()
        except RagfoodError:
            version = ""
        if version != self._version:
            await self._read_info(report=False)

    async def _read_info(self, report: bool) -> None:
        from tui.screens.failure import Report
        from tui.screens.index_texts import statistics_text
        from tui.screens.narration import tell_info

        try:
            services = await self.opening.get()
            version = await services.index.version()
            info = await services.index.info()
        except RagfoodError as error:
            self._version = ""
            self.status.show_index_text("no index")
            self.index_panel.show_unavailable(error.message)
            return
        self._version = version
        tell_info(self, info)
        if report:
            self.app.push_screen(Report("Index", statistics_text(info)))

    async def _check_answerer(self) -> None:
        try:
            services = await self.opening.get()
            availability = await services.answerer.check()
        except RagfoodError:
            # The first fill opens the same services and has already said why that failed.
            return
        self.status.show_answerer(services.answerer.name, reason=availability.reason)
        if not availability.ok:
            text = f"Answers are extractive for now: {availability.reason}"
            self.transcript.add_note(text, availability.hint, severity="warning")
            self.reason_told = availability.reason
