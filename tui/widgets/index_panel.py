"""What the index holds, and the letters that act on it."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.core.events import Progress
from tui.core.records import IndexInfo
from tui.core.text import clean, clean_line
from tui.widgets.facts import seconds
from tui.widgets.guarded import Guarded
from tui.widgets.relevance_bar import bar


class IndexPanel(Guarded, VerticalScroll, can_focus=True):
    """Counts, dimension, model and place of the index; the progress of what runs on it, and its last outcome."""

    DEFAULT_CSS = """
    IndexPanel {
        height: auto;
        scrollbar-size-vertical: 1;
        Static { height: auto; padding: 0 1; }
        #index-progress { color: $text-accent; display: none; }
        #index-outcome { display: none; }
        #index-letters { color: $text-muted; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "screen.upsert", "Upsert the foods", show=False, id="index.upsert.letter"),
        Binding("r", "screen.reset_index", "Reset the index", show=False, id="index.reset"),
        Binding("s", "screen.statistics", "Statistics of the index", show=False, id="index.statistics"),
        Binding("e", "screen.export", "Export the index", show=False, id="index.export"),
        Binding("x", "screen.stop_index_work", "Stop what runs on the index", show=False, id="index.stop"),
    ]

    def compose(self) -> ComposeResult:
        yield Static(Content("opening…"), id="index-facts", markup=False)
        yield Static(Content(""), id="index-progress", markup=False)
        yield Static(Content(""), id="index-outcome", markup=False)
        yield Static(Content("u upsert · r reset · s stats · e export"), id="index-letters", markup=False)

    def on_mount(self) -> None:
        self.border_title = "Index"

    def show_info(self, info: IndexInfo) -> None:
        """Shows what the index says about itself."""
        self.query_one("#index-facts", Static).update(Content("\n".join(info_lines(info))))

    def show_unavailable(self, text: str) -> None:
        """Shows why there is nothing to show."""
        self.query_one("#index-facts", Static).update(Content(clean(text)))

    def show_progress(self, progress: Progress, label: str) -> None:
        """Shows how far the work called `label` is, its rate and the time left."""
        width = self.query_one("#index-progress", Static).container_size.width - 2
        self._show("#index-progress", progress_text(progress, label, width=width))
        self._show_letters(running=True)

    def show_working(self, text: str) -> None:
        """Says what has begun before there is a number to show."""
        self._show("#index-progress", text)
        self._show_letters(running=True)

    def show_outcome(self, text: str) -> None:
        """Shows how the last work ended, in the place of its progress."""
        self.end_progress()
        self._show("#index-outcome", text)

    def end_progress(self) -> None:
        """Takes the progress away."""
        self.query_one("#index-progress", Static).display = False
        self._show_letters(running=False)

    def _show(self, selector: str, text: str) -> None:
        widget = self.query_one(selector, Static)
        widget.update(Content(clean(text)))
        widget.display = True

    def _show_letters(self, *, running: bool) -> None:
        text = "x stop · s stats" if running else "u upsert · r reset · s stats · e export"
        self.query_one("#index-letters", Static).update(Content(text))


def info_lines(info: IndexInfo) -> list[str]:
    """Returns what an index says about itself, in the few lines of the panel."""
    counts = [f"{info.records:,} record" if info.records == 1 else f"{info.records:,} records"]
    counts.append(f"{info.pending:,} pending")
    if info.dimension:
        counts.append(f"{info.dimension}-d {info.similarity.replace('_', ' ').lower()}".rstrip())
    models = " + ".join(clean_line(name) for name in (info.model, info.sparse_model) if name)
    lines = [" · ".join(counts)]
    if models:
        lines.append(models)
    place = clean_line(info.location)
    lines.append(f"{place} · namespace {clean_line(info.namespace)}" if info.namespace else place)
    return lines


def progress_text(progress: Progress, label: str, *, width: int = 80) -> str:
    """Returns a bar, the count, the rate and the time left, as far as they are known; on two lines of `width` cells
    where they do not fit on one.
    """
    speed: list[str] = []
    count = f"{progress.done:,} of {progress.total:,}" if progress.total else f"{progress.done:,}"
    if progress.done and progress.seconds > 0:
        rate = progress.done / progress.seconds
        speed.append(f"{rate:,.0f}/s")
        if progress.total > progress.done:
            speed.append(f"{seconds((progress.total - progress.done) / rate)} left")
    share = progress.done / progress.total if progress.total else 0.0
    line = f"{bar(share)} {clean_line(label)}".rstrip() + f" · {count}"
    whole = " · ".join([line, *speed])
    return whole if cell_len(whole) <= width else f"{line}\n{' · '.join(speed)}"
