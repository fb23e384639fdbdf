"""The passages behind an answer: how close each one is, what it says, and everything the index knows about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.core.records import Hit
from tui.core.text import clean, clean_line
from tui.widgets.facts import seconds
from tui.widgets.guarded import Guarded
from tui.widgets.relevance_bar import RelevanceBar

START_OF_TEXT = 160
"""Characters of a passage that are shown before it is opened."""
LONGEST_VALUE = 4_000
"""Characters of one metadata value that are shown; the rest is counted."""
HEADER_REST = 20
"""Cells of a card's first line that number, bar, relevance and the gaps take."""
MOST_SHOWN = 100
"""Sources that are drawn; a person reads fewer, and a setting may ask for a thousand."""


class SourceCard(Guarded, Widget):
    """One numbered source; opened, it shows the whole text, its numbers and all metadata."""

    DEFAULT_CSS = """
    SourceCard {
        height: auto;
        padding: 0 1 0 2;
        margin-bottom: 1;
        layout: vertical;
        Horizontal { height: 1; }
        .number { width: auto; text-style: bold; padding-right: 1; }
        .heading { width: 1fr; height: 1; min-width: 4; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        .id {
            width: auto; max-width: 45%; height: 1; padding-left: 1; color: $text-muted;
            text-wrap: nowrap; text-overflow: ellipsis;
        }
        .body { height: auto; padding-left: 2; }
        .more { height: auto; padding-left: 2; color: $text-muted; display: none; }
        &.-open .more { display: block; }
        &.-crowded .id { display: none; }
        &.-current { border-left: outer $accent; padding: 0 1; }
    }
    Sources:focus SourceCard.-current { background: $boost; }
    """

    def __init__(self, hit: Hit, *, rank: int, count: int, used: bool) -> None:
        """Shows `hit`, the `rank`-th (from 1) of `count`; `used` is false when the gate held it back."""
        super().__init__()
        self.hit = hit
        self._rank = rank
        self._count = count
        self._used = used

    def compose(self) -> ComposeResult:
        record = self.hit.record
        with Horizontal():
            yield Static(Content(str(self._rank) if self._used else "–"), markup=False, classes="number")
            yield RelevanceBar(self.hit.relevance, rank=self._rank, count=self._count)
            yield Static(Content(clean_line(record.heading)), markup=False, classes="heading")
            yield Static(Content(clean_line(record.id)), markup=False, classes="id")
        yield Static(Content(self._body()), markup=False, classes="body")
        yield Static(Content(""), markup=False, classes="more")

    @property
    def is_open(self) -> bool:
        """Whether everything is shown."""
        return self.has_class("-open")

    def toggle(self) -> None:
        """Opens or closes the card."""
        self.toggle_class("-open")
        self._show_body()
        if self.is_open:
            self.query_one(".more", Static).update(Content(self._details()))

    def on_resize(self, event: events.Resize) -> None:
        # An id is always shown: where it does not fit beside the heading it leads the line below.
        record = self.hit.record
        needed = HEADER_REST + cell_len(clean_line(record.heading)) + cell_len(clean_line(record.id))
        self.set_class(needed > event.size.width, "-crowded")
        self._show_body()

    def _show_body(self) -> None:
        self.query_one(".body", Static).update(Content(self._body()))

    def _body(self) -> str:
        metadata = self.hit.record.metadata
        place = [clean_line(self.hit.id)] if self.has_class("-crowded") else []
        place += [clean_line(str(metadata[key])) for key in ("region", "type") if metadata.get(key)]
        text = clean(self.hit.record.passage).strip()
        if self.is_open:
            text = _limited(text)
        else:
            text = clean_line(text[: START_OF_TEXT * 4])
            text = _started(text)
        if not self._used:
            place.append("not used: too far from the question")
        return "\n".join(part for part in (" · ".join(place), text) if part)

    def _details(self) -> str:
        hit = self.hit
        numbers = [f"score {hit.score:.4f}"]
        numbers += [
            f"{name} {value:.4f}"
            for name, value in (
                ("relevance", hit.relevance),
                ("similarity", hit.similarity),
                ("keyword coverage", hit.coverage),
            )
            if value is not None
        ]
        lines = [f"id {clean_line(hit.id)}", *numbers]
        for key, value in hit.record.metadata.items():
            shown = "(the text above)" if value == hit.record.passage else _shown(value)
            lines.append(f"{clean_line(str(key))}: {shown}")
        return "\n".join(lines)


class Sources(Guarded, VerticalScroll, can_focus=True):
    """The sources of one turn. Up and Down choose one, Enter opens it, digits jump to a number."""

    DEFAULT_CSS = """
    Sources {
        scrollbar-size-vertical: 1;
        .hint { padding: 0 1; color: $text-muted; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Source above", show=False, id="sources.up"),
        Binding("down,j", "move(1)", "Source below", show=False, id="sources.down"),
        Binding("enter,space", "open", "Open or close a source", show=False, id="sources.open"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._current = 0
        self._cards: list[SourceCard] = []

    def on_mount(self) -> None:
        self.clear()

    @property
    def cards(self) -> list[SourceCard]:
        """The cards, in order."""
        return self._cards

    def clear(self) -> None:
        """Shows what will appear here."""
        self.border_title = "Sources"
        self._fill([Static(Content("The passages behind an answer appear here."), markup=False, classes="hint")])

    def show(self, hits: Sequence[Hit], dropped: Sequence[Hit], *, total: int, elapsed: float) -> None:
        """Shows the numbered `hits`, or, when there are none, what was nearest but held back.

        `total` is the number of records searched, `elapsed` the seconds it took.
        """
        self.border_title = f"Sources · {len(hits)} of {total:,} · {seconds(elapsed)}"
        shown = list(hits or dropped)
        children: list[Widget] = []
        if not shown:
            text = "The index is empty." if total == 0 else "Nothing was found."
            children.append(Static(Content(text), markup=False, classes="hint"))
        elif not hits:
            text = "Nothing was close enough to be used. The nearest were:"
            children.append(Static(Content(text), markup=False, classes="hint"))
        children += [
            SourceCard(hit, rank=rank, count=len(shown), used=bool(hits))
            for rank, hit in enumerate(shown[:MOST_SHOWN], 1)
        ]
        if len(shown) > MOST_SHOWN:
            text = f"{len(shown) - MOST_SHOWN:,} more are not drawn."
            children.append(Static(Content(text), markup=False, classes="hint"))
        self._fill(children)

    def _fill(self, children: Sequence[Widget]) -> None:
        self._current = 0
        self._cards = [child for child in children if isinstance(child, SourceCard)]
        with self.app.batch_update():
            self.remove_children()
            self.mount(*children)
        self.scroll_home(animate=False)
        self._mark()

    def action_move(self, step: int) -> None:
        """Goes `step` sources down."""
        self._choose(self._current + step)

    def action_open(self) -> None:
        """Opens or closes the chosen source."""
        cards = self.cards
        if cards:
            cards[self._current].toggle()
            self.call_after_refresh(self._reveal)

    def choose(self, number: int) -> None:
        """Goes to the source of that number, from 1."""
        self._choose(number - 1)

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character in "123456789" and int(event.character) <= len(self.cards):
            event.stop()
            self._choose(int(event.character) - 1)

    def on_click(self, event: events.Click) -> None:
        for index, card in enumerate(self.cards):
            if event.widget is not None and card in event.widget.ancestors_with_self:
                self._choose(index)
                self.action_open()

    def _choose(self, index: int) -> None:
        cards = self.cards
        if cards:
            self._current = min(max(0, index), len(cards) - 1)
            self._mark()
            self._reveal()

    def _mark(self) -> None:
        for index, card in enumerate(self.cards):
            card.set_class(index == self._current, "-current")

    def _reveal(self) -> None:
        cards = self.cards
        if cards:
            self.scroll_to_widget(cards[self._current], animate=False)


def _shown(value: Any) -> str:
    """Returns a metadata value as text: strings as they are, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _limited(clean(text))


def _started(text: str) -> str:
    """Returns the beginning of a passage, cut between words where it has any."""
    if len(text) <= START_OF_TEXT:
        return text
    start = text[:START_OF_TEXT]
    words = start.rpartition(" ")[0]
    return f"{(words if len(words) > START_OF_TEXT // 2 else start[:-1]).rstrip(' ,;:')} …"


def _limited(text: str) -> str:
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text) - LONGEST_VALUE:,} more characters)"
