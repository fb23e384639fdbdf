"""Blocks of Markdown, line by line: every line of the source is read once and becomes lines on the screen.

Follows CommonMark 0.31 with GFM's tables. What nothing that follows can change is given out at once (a line of code, an
item when the next one begins, a long paragraph word by word); what still can is only previewed. Where to cut depends on
the text alone, never on how it arrived, so any chunking of one text ends in the same lines.

Differences, because the text is a model's and nothing of it may vanish: HTML is text, link reference definitions are
text, blank lines separate only where the source has some (and before headings), and cells that a table has no column
for stay in its last one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from tui.widgets.markdown_inline import parse_inline
from tui.widgets.markdown_lines import Line, RuleLine, TextLine
from tui.widgets.markdown_marks import BAR, BLOCK, HEADING, LABEL, MARKER, QUOTED, STRONG, TITLE, Run, plain
from tui.widgets.markdown_nodes import CodeEnded, Fence, Grown, Item, Leaf, Paragraph, Quote, Step, Table
from tui.widgets.markdown_tables import TABLE_SAMPLE, alignments_of, cells_of, is_row, table_columns, table_line

LONGEST_PIECE = 1_000
"""Characters of one line that are read at once; a longer line is read in several pieces."""
LONGEST_ROW = 16_000
"""The same for a line in a table, which is read whole or is no row."""
SEAL_FROM = 600
"""Characters of a paragraph from which on its beginning is given out."""
SEAL_AT_LEAST = 2_000
"""Characters of a paragraph at which its beginning is given out even when something in it is still open."""
FORCED_PIECE = 1_000
DEEPEST = 10
"""Quotes and lists within each other; deeper ones are text, as there is no room to show them."""

_QUOTE = re.compile(r">[ ]?")
_HEADING = re.compile(r"(#{1,6})(?:[ ]+|$)")
_FENCE = re.compile(r"(?:(`{3,})([^`]*)|(~{3,})(.*))$")
_SETEXT = re.compile(r"(?:=+|-+) *$")
_RULE = re.compile(r"(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$")
_ITEM = re.compile(r"(?:([-+*])|(\d{1,9})([.)]))( +|$)")
_CLOSING_HASHES = re.compile(r"(?:^|[ ]+)#+[ ]*$")


@dataclass(slots=True)
class BlockReader:
    """Reads Markdown as it comes.

    `feed` gives out what is certain; `preview` adds what the rest would be if nothing else came, without taking it;
    `close` ends the text. `citations` is how many sources there are.
    """

    citations: int = 0
    _rest: str = ""
    _midline: bool = False
    _containers: list[Quote | Item] = field(default_factory=list)
    _leaf: Leaf | None = None
    _blank: bool = False
    _begun: bool = False
    _steps: list[Step] = field(default_factory=list)

    def feed(self, text: str) -> list[Step]:
        """Takes more text, in which every line end is a newline, and returns what became certain."""
        self._rest += text
        position = 0
        while True:
            limit = position + self._longest_piece(position)
            end = self._rest.find("\n", position, limit + 1)
            if end >= 0:
                self._take(self._rest[position:end], ends=True)
                position = end + 1
            elif len(self._rest) > limit:
                self._take(self._rest[position:limit], ends=False)
                position = limit
            else:
                break
        self._rest = self._rest[position:]
        return self._given_out()

    def preview(self) -> list[Step]:
        """Returns what `close` would, and changes nothing."""
        copy = replace(
            self,
            _containers=[replace(container) for container in self._containers],
            _leaf=replace(self._leaf) if self._leaf is not None else None,
            _steps=[],
        )
        return copy.close()

    def close(self) -> list[Step]:
        """Ends the text and returns the rest of what it became."""
        if self._rest:
            self._take(self._rest, ends=True)
            self._rest = ""
        self._close_leaf()
        self._close_containers(0)
        self._midline = False
        return self._given_out()

    def _given_out(self) -> list[Step]:
        steps, self._steps = self._steps, []
        return steps

    def _longest_piece(self, position: int) -> int:
        row_ahead = not self._midline and (
            isinstance(self._leaf, Table) or self._rest[position : position + 12].lstrip(" >").startswith("|")
        )
        return LONGEST_ROW if row_ahead else LONGEST_PIECE

    # -- lines

    def _take(self, text: str, *, ends: bool) -> None:
        """Takes a line, or a piece of a long one."""
        text = text.expandtabs(4)
        if self._midline:
            self._continue(text, ends=ends)
        else:
            self._line(text, ends=ends)
        self._midline = not ends
        if ends and isinstance(self._leaf, Paragraph) and self._leaf.level:
            self._close_leaf()

    def _continue(self, text: str, *, ends: bool) -> None:
        leaf = self._leaf
        if isinstance(leaf, Paragraph):
            leaf.text += text
            self._seal(leaf)
        elif isinstance(leaf, Fence):
            self._steps.append(Grown((Run(text),)))
        elif text.strip():
            self._begin_paragraph(text)

    def _line(self, text: str, *, ends: bool) -> None:
        matched, position = self._match_containers(text)
        rest = text[position:]
        if matched == len(self._containers) and isinstance(self._leaf, Fence) and self._code_line(self._leaf, rest):
            return
        if not rest.strip(" "):
            self._blank_line(matched)
            return
        known = matched
        while len(self._containers[:known]) < DEEPEST:
            begun = self._begin_container(rest, known)
            if begun is None:
                break
            known += 1
            rest = begun
        self._content(rest, known, is_lazy=known == matched < len(self._containers), ends=ends)

    def _match_containers(self, text: str) -> tuple[int, int]:
        """Returns how many open containers the line continues, and where its content starts."""
        position = 0
        for number, container in enumerate(self._containers):
            rest = text[position:]
            indent = _indent(rest)
            if isinstance(container, Quote):
                mark = _QUOTE.match(rest, indent)
                if indent > 3 or mark is None:
                    return number, position
                position += mark.end()
            elif indent == len(rest):
                if container.empty and not container.shown and self._blank:
                    return number, position
                position += min(indent, container.width)
            elif indent >= container.width:
                position += container.width
            else:
                return number, position
        return len(self._containers), position

    def _blank_line(self, matched: int) -> None:
        for number, container in enumerate(self._containers[matched:], start=matched):
            if isinstance(container, Quote):
                self._close_containers(number)
                break
        if isinstance(self._leaf, Paragraph | Table):
            self._close_leaf()
        self._blank = True

    def _begin_container(self, rest: str, known: int) -> str | None:
        """Opens a quote or an item as container number `known`; returns the content after its mark."""
        indent = _indent(rest)
        if indent > 3:
            return None
        if mark := _QUOTE.match(rest, indent):
            self._close_containers(known)
            self._close_leaf()
            self._containers.append(Quote())
            return rest[mark.end() :]
        mark = _ITEM.match(rest, indent)
        if mark is None or _RULE.match(rest, indent):
            return None
        content = rest[mark.end() :]
        if (
            known == len(self._containers)
            and isinstance(self._leaf, Paragraph)
            and (not content or mark[2] not in (None, "1"))
        ):
            return None
        self._begin_item(mark, known, indent, content)
        spaces = len(mark[4])
        return " " * (spaces - 1) + content if spaces > 4 else content

    def _begin_item(self, mark: re.Match[str], known: int, indent: int, content: str) -> None:
        kind = mark[1] or mark[3]
        before = self._containers[known] if known < len(self._containers) else None
        is_next = isinstance(before, Item) and before.kind == kind
        number = before.number + 1 if is_next and isinstance(before, Item) else int(mark[2] or 0)
        self._close_containers(known)
        self._close_leaf()
        level = sum(isinstance(container, Item) and container.kind in "-+*" for container in self._containers)
        spaces = len(mark[4])
        marker = len(mark[1] or f"{mark[2]}{mark[3]}")
        width = indent + marker + (spaces if content and 1 <= spaces <= 4 else 1)
        self._containers.append(Item(kind, width, number, level))

    def _content(self, rest: str, known: int, *, is_lazy: bool, ends: bool) -> None:
        """Takes what a line holds inside its containers."""
        indent = _indent(rest)
        leaf = self._leaf
        paragraph = leaf if isinstance(leaf, Paragraph) and not leaf.level else None
        in_place = known == len(self._containers)
        if not rest:
            self._close_containers(known)
        elif indent > 3 and paragraph is None:
            self._close_containers(known)
            if isinstance(self._leaf, Table):
                self._close_leaf()
            self._begin_code(Fence("", 4), rest[4:])
        elif indent > 3 and paragraph is not None:
            self._more_text(paragraph, rest)
        elif paragraph is not None and in_place and ends and self._is_underline(paragraph, rest[indent:]):
            self._close_leaf()
        elif not self._begin_block(rest[indent:], known, ends=ends, indent=indent):
            if isinstance(leaf, Table) and in_place and ends:
                self._row(leaf, rest)
            elif paragraph is not None and (in_place or is_lazy):
                self._more_text(paragraph, rest)
            else:
                self._close_containers(known)
                self._close_leaf()
                self._begin_paragraph(rest[indent:])

    def _begin_block(self, text: str, known: int, *, ends: bool, indent: int) -> bool:
        """Begins a heading, a rule or a fence, if the line is one."""
        if mark := _HEADING.match(text):
            self._close_containers(known)
            self._close_leaf()
            self._leaf = Paragraph(text[mark.end() :], level=len(mark[1]))
            return True
        if not ends:
            return False
        if _RULE.match(text):
            self._close_containers(known)
            self._close_leaf()
            self._give(RuleLine(self._prefix()[0]))
            return True
        if mark := _FENCE.match(text):
            self._close_containers(known)
            self._close_leaf()
            language = (mark[2] or mark[4] or "").strip()
            self._begin_code(Fence(mark[1] or mark[3], indent, language), None)
            return True
        return False

    def _close_containers(self, known: int) -> None:
        """Ends the containers from number `known` on, and what is in them."""
        if known < len(self._containers):
            self._close_leaf()
            for container in self._containers[known:]:
                self._show_empty(container)
            del self._containers[known:]

    def _show_empty(self, container: Quote | Item) -> None:
        """An item without content shows its marker all the same."""
        if isinstance(container, Item) and not container.shown:
            first, rest = self._prefix()
            self._give_text(first, rest)

    # -- leaves

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        match leaf:
            case Paragraph():
                self._close_paragraph(leaf)
            case Fence():
                self._blank = self._blank or leaf.blanks > 0
                if leaf.lines:
                    self._steps.append(CodeEnded(leaf.language, leaf.lines))
            case Table(columns=None):
                self._settle_columns(leaf)

    def _begin_paragraph(self, text: str) -> None:
        self._close_leaf()
        self._leaf = paragraph = Paragraph(text.lstrip(" "))
        self._seal(paragraph)

    def _more_text(self, paragraph: Paragraph, text: str) -> None:
        """Adds a line to the paragraph, or finds that both are the head of a table."""
        alignments = alignments_of(text) if paragraph.lines == 1 and not paragraph.given else None
        if alignments and len(cells_of(paragraph.text)) == len(alignments) and ("|" in text or "|" in paragraph.text):
            self._leaf = Table(alignments, (paragraph.text,))
            return
        paragraph.text += "\n" + text.lstrip(" ")
        paragraph.lines += 1
        self._seal(paragraph)

    def _is_underline(self, paragraph: Paragraph, text: str) -> bool:
        """Whether the line makes a heading of the paragraph above it; not once that has been given out."""
        if paragraph.given or not _SETEXT.match(text):
            return False
        paragraph.level = 1 if text[0] == "=" else 2
        return True

    def _seal(self, paragraph: Paragraph) -> None:
        """Gives out the beginning of a long paragraph."""
        while len(paragraph.text) >= SEAL_FROM:
            settled = parse_inline(paragraph.text, self.citations).settled
            if not settled:
                if len(paragraph.text) < SEAL_AT_LEAST:
                    return
                settled = paragraph.text.rfind(" ", FORCED_PIECE // 2, FORCED_PIECE) + 1 or FORCED_PIECE
            self._give_runs(paragraph, paragraph.text[:settled])
            paragraph.text = paragraph.text[settled:]

    def _close_paragraph(self, paragraph: Paragraph) -> None:
        text = paragraph.text.rstrip(" ")
        if paragraph.level:
            text = _CLOSING_HASHES.sub("", text)
        if text or not paragraph.given:
            self._give_runs(paragraph, text)

    def _give_runs(self, paragraph: Paragraph, text: str) -> None:
        base = (0, TITLE | HEADING, HEADING, STRONG)[min(paragraph.level, 3)]
        runs = parse_inline(text, self.citations).runs
        for number, line in enumerate(_split_lines(runs)):
            if number == 0 and paragraph.given:
                self._steps.append(Grown(tuple(line)))
                continue
            if paragraph.level and not paragraph.given and self._begun:
                self._blank = True
            first, rest = self._prefix()
            self._give_text(first, rest, line, base=base)
        paragraph.given = True

    # -- code

    def _begin_code(self, fence: Fence, line: str | None) -> None:
        self._leaf = fence
        if fence.language:
            first, rest = self._prefix()
            self._give_text(first, rest, [Run(fence.language, LABEL)], base=BLOCK, is_code=True)
        if line is not None:
            self._give_code(fence, line)

    def _code_line(self, fence: Fence, text: str) -> bool:
        """Takes a line inside a block of code; false when it is not one any more."""
        indent = _indent(text)
        if not fence.opener:
            if indent < 4 and indent < len(text):
                self._close_leaf()
                return False
            if indent == len(text):
                fence.blanks += 1
                return True
            for _ in range(fence.blanks):
                self._give_code(fence, "")
            fence.blanks = 0
            self._give_code(fence, text[4:])
            return True
        bare = text.strip(" ")
        if indent <= 3 and len(bare) >= len(fence.opener) and bare == fence.opener[0] * len(bare):
            self._close_leaf()
            return True
        self._give_code(fence, text[min(indent, fence.indent) :])
        return True

    def _give_code(self, fence: Fence, text: str) -> None:
        first, rest = self._prefix()
        self._give_text(first, rest, [Run(text)], base=BLOCK, is_code=True)
        fence.lines += 1

    # -- tables

    def _row(self, table: Table, text: str) -> None:
        if not is_row(text):
            self._close_leaf()
            self._begin_paragraph(text)
            return
        if table.columns is None:
            table.waiting = (*table.waiting, text)
            if len(table.waiting) >= TABLE_SAMPLE:
                self._settle_columns(table)
            return
        self._give(table_line(text, table.columns, table.first, self.citations))

    def _settle_columns(self, table: Table) -> None:
        """Decides the columns by the first rows, and gives those out."""
        rows = [cells_of(text) for text in table.waiting]
        table.columns = table_columns(rows, table.alignments, self.citations)
        for number, text in enumerate(table.waiting):
            first, table.first = self._prefix()
            self._give(table_line(text, table.columns, first, self.citations, is_head=number == 0))
            if number == 0:
                self._give(table_line(text, table.columns, table.first, self.citations, is_rule=True))
        table.waiting = ()

    # -- giving out

    def _prefix(self) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
        """Returns what stands before the first and the further rows of the next line; markers are drawn once."""
        self._give_blank()
        first: list[Run] = []
        rest: list[Run] = []
        for container in self._containers:
            if isinstance(container, Quote):
                first.append(Run("▌ ", BAR))
                rest.append(Run("▌ ", BAR))
                container.shown = True
                continue
            marker = container.marker
            first.append(Run(" " * len(marker)) if container.shown else Run(marker, MARKER))
            rest.append(Run(" " * len(marker)))
            container.shown = True
            container.empty = False
        return _shared(tuple(first)), _shared(tuple(rest))

    def _give_blank(self) -> None:
        """Shows the blank line that the source has before what comes now."""
        if self._blank and self._begun:
            bars: list[Run] = []
            for container in self._containers:
                if not container.shown:
                    break
                bars.append(Run("▌ ", BAR) if isinstance(container, Quote) else Run(" " * len(container.marker)))
            while bars and not bars[-1].marks:
                bars.pop()
            before = _shared(tuple(bars))
            self._steps.append(TextLine(before, before))
        self._blank = False

    def _give_text(
        self,
        first: tuple[Run, ...],
        rest: tuple[Run, ...],
        runs: Sequence[Run] = (),
        *,
        base: int = 0,
        is_code: bool = False,
    ) -> None:
        if not base and any(isinstance(container, Quote) for container in self._containers):
            base = QUOTED
        if is_code:
            first, rest = _shared((*first, Run(" "))), _shared((*rest, Run(" ")))
        line = TextLine(first, rest, base=base, fold=is_code, bare=is_code and not plain(first).strip())
        line.extend(runs)
        self._give(line)

    def _give(self, line: Line) -> None:
        self._steps.append(line)
        self._begun = True


@lru_cache(maxsize=512)
def _shared(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Returns equal runs as one object: there are few, and each stands before many lines."""
    return runs


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _split_lines(runs: Sequence[Run]) -> list[list[Run]]:
    """Cuts runs at the newlines of hard breaks."""
    lines: list[list[Run]] = [[]]
    for run in runs:
        for number, text in enumerate(run.text.split("\n")):
            if number:
                lines.append([])
            if text:
                lines[-1].append(Run(text, run.marks, run.citation))
    return lines
