"""Everything an index holds about one record."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.core.text import clean, clean_line
from tui.widgets.guarded import Guarded

if TYPE_CHECKING:
    from tui.core.records import Record
    from tui.services.listing import RecordLine

LONGEST_PASSAGE = 50_000
"""Characters of a passage that are shown, more than the metadata of a record can hold; the rest is counted."""
LONGEST_VALUE = 4_000
"""The same for a metadata value and for the embedded text."""
WIDEST_KEY = 16
"""Cells up to which the values of metadata are put below each other."""

_MUTED = "$foreground 60%"
_SAME_AS_PASSAGE = "(the passage above)"
_SAME_AS_EMBEDDED = "(the embedded text below)"


class RecordDetail(Guarded, VerticalScroll, can_focus=True):
    """One record: its passage, its metadata, the text that was embedded, and what is known of its vectors."""

    DEFAULT_CSS = """
    RecordDetail {
        scrollbar-size-vertical: 1;
        padding: 0 1;
        Static { height: auto; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Scroll the record up", show=False, id="detail.up"),
        Binding("down,j", "scroll_down", "Scroll the record down", show=False, id="detail.down"),
    ]

    def compose(self) -> ComposeResult:
        yield Static(Content(""), markup=False)

    def show_nothing(self) -> None:
        """Shows that no record is chosen."""
        self._show(Content.styled("No record is chosen.", _MUTED))

    def show_loading(self, line: RecordLine) -> None:
        """Shows what the list knows while the rest is on its way."""
        self._show(Content("\n\n").join((_title(line), Content.styled("loading…", _MUTED))))

    def show_record(self, line: RecordLine, record: Record) -> None:
        """Shows `record`, which `line` stands for; its vectors are described when it has any."""
        self._show(Content("\n\n").join((_title(line), *_sections(record))))

    def show_problem(self, line: RecordLine, message: str, hint: str = "") -> None:
        """Shows why there is nothing more about `line` than what the list knows."""
        parts = [_title(line), Content.styled(clean(message), "$text-warning")]
        if hint:
            parts.append(Content.styled(clean(hint), _MUTED))
        self._show(Content("\n\n").join(parts))

    def _show(self, content: Content) -> None:
        self.query_one(Static).update(content)
        self.scroll_home(animate=False, immediate=True)


def _title(line: RecordLine) -> Content:
    place = " · ".join(part for part in (clean_line(line.id), line.region, line.type) if part)
    return Content("\n").join((Content.styled(line.heading, "bold"), Content.styled(place, _MUTED)))


def _sections(record: Record) -> list[Content]:
    passage = clean(record.passage).strip()
    sections = [Content(limited(passage, LONGEST_PASSAGE) or "(no text)")]
    if record.metadata:
        width = min(WIDEST_KEY, max(map(cell_len, map(clean_line, record.metadata))))
        fields = (_field(record, key, value, width) for key, value in record.metadata.items())
        sections.append(_section("Metadata", *fields))
    same = record.text == record.passage
    sections.append(
        _section("Embedded text", Content(_SAME_AS_PASSAGE if same else limited(clean(record.text), LONGEST_VALUE)))
    )
    vectors = vector_text(record)
    if vectors:
        sections.append(_section("Vectors", Content(vectors)))
    return sections


def _section(title: str, *lines: Content) -> Content:
    return Content("\n").join((Content.styled(title, "bold $text-primary"), *lines))


def _field(record: Record, key: str, value: Any, width: int) -> Content:
    if value == record.passage:
        shown = _SAME_AS_PASSAGE
    elif value == record.text:
        shown = _SAME_AS_EMBEDDED
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        shown = limited(clean(text), LONGEST_VALUE)
    name = clean_line(key)
    return Content.assemble((name, _MUTED), " " * (max(0, width - cell_len(name)) + 2), shown)


def vector_text(record: Record) -> str:
    """Returns dimension and Euclidean norm of the dense vector and the size of the sparse one; empty without both."""
    parts = []
    if record.vector is not None:
        norm = math.sqrt(float(record.vector @ record.vector))
        parts.append(f"dense: {len(record.vector):,} dimensions, norm {norm:.4f}")
    if record.sparse is not None:
        parts.append(f"sparse: {len(record.sparse.indices):,} values")
    return "\n".join(parts)


def limited(text: str, limit: int) -> str:
    """Returns `text`, cut after `limit` characters with the number of those left out."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"
