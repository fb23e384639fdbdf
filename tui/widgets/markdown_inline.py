"""Inline Markdown: the text of one paragraph in, styled runs out.

Follows CommonMark 0.31 for escapes, entities, code spans, emphasis, links and breaks, and GFM for strikethrough and
bare addresses, with three differences, all because the text is foreign: HTML stays visible as it is written, a link
shows its address behind its text, and link references are ordinary text. ``[1]`` and ``[1, 3]`` are citations.

What a stream adds can change how earlier text reads: an open ``**`` may still be closed. `Inline.settled` says up to
where it cannot, so that a long paragraph is finished bit by bit.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from tui.core.text import clean
from tui.widgets.markdown_marks import (
    ADDRESS,
    CITATION,
    CODE,
    EMPHASIS,
    LINK,
    STRIKE,
    STRONG,
    UNKNOWN,
    Run,
    merged,
)

_SPECIAL = re.compile(r"\\|`+|\*+|_+|~+|!?\[|\]|<|&|\n|https?://", re.IGNORECASE)
_ESCAPABLE = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_BACKTICKS = re.compile("`+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_AUTOLINK = re.compile(
    r"<([a-zA-Z][a-zA-Z0-9+.-]{1,31}:[^\s<>]*|[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9.-]{1,255})>"
)
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>|<!--[^\n]*?-->")
_TAG_START = re.compile(r"<[a-zA-Z/!][^<>\n]*\Z")
_BARE = re.compile(r"https?://[^\s<>\[\]`*]+", re.IGNORECASE)
_BARE_END = "?!.,:;'\")_~"
_TARGET = re.compile(
    r"\([ \n]*(?:<([^<>\n]*)>|((?:[^\s()\\<]|\\.)(?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*|))"
    r"(?:[ \n]+(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?[ \n]*\)",
    re.DOTALL,
)
_CITATION = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\](?!\()")
_NUMBER = re.compile(r"\d+")
_BREAK_POINT = re.compile(r" (?=[^ \n])")

MOST_BRACKETS = 200
"""Brackets that may be open at once; further ones are text. Real links nest one or two."""


class Inline(NamedTuple):
    """What became of a text: its runs, and up to which offset of the text nothing that follows can change them."""

    runs: list[Run]
    settled: int


@dataclass(slots=True)
class _Node:
    """A stretch of output. `source` is where it starts in the text, -1 where it is no verbatim slice of it."""

    text: str
    marks: int = 0
    citation: int = 0
    source: int = -1


@dataclass(slots=True)
class _Delimiter:
    """A run of ``*``, ``_`` or ``~~`` that may open or close emphasis."""

    order: int
    node: int
    source: int
    character: str
    length: int
    left: int
    opens: bool
    closes: bool


@dataclass(slots=True)
class _Bracket:
    node: int
    source: int
    delimiters: int
    active: bool = True


def parse_inline(text: str, citations: int = 0) -> Inline:
    """Returns the runs of `text`, where lines end with a newline; `citations` is how many sources there are.

    Hard breaks are runs that hold newlines. Takes time linear in the length of `text` for any text people write.
    """
    if not _SPECIAL.search(text):
        points = [match.end() for match in _BREAK_POINT.finditer(text)]
        return Inline([Run(text)] if text else [], points[-1] if points else 0)
    return _Inline(text, citations).parse()


class _Inline:
    """One pass over one text."""

    def __init__(self, text: str, citations: int) -> None:
        self._text = text
        self._citations = citations
        self._nodes: list[_Node] = []
        self._delimiters: list[_Delimiter] = []
        self._brackets: list[_Bracket] = []
        self._ranges: list[tuple[int, int, int]] = []
        self._backticks: dict[int, list[int]] | None = None
        self._open_from = len(text)

    def parse(self) -> Inline:
        text = self._text
        position = 0
        while match := _SPECIAL.search(text, position):
            start = match.start()
            if start > position:
                self._plain(position, start)
            position = self._special(match[0], start)
        if position < len(text):
            self._plain(position, len(text))
        for bracket in self._brackets:
            self._unsettle(bracket.source)
        for opener in self._match_emphasis(0):
            self._unsettle(opener.source)
        self._apply_ranges()
        runs = merged(Run(node.text, node.marks, node.citation) for node in self._nodes if node.text)
        return Inline(runs, self._settled())

    def _plain(self, start: int, end: int) -> None:
        self._nodes.append(_Node(self._text[start:end], source=start))

    def _unsettle(self, position: int) -> None:
        self._open_from = min(self._open_from, position)

    def _settled(self) -> int:
        """The last word that starts outside every construct, before anything that is still open."""
        for node in reversed(self._nodes):
            if node.source < 0 or node.marks or node.source >= self._open_from:
                continue
            points = [node.source + match.end() for match in _BREAK_POINT.finditer(node.text)]
            end = node.source + len(node.text)
            if _BREAK_POINT.match(self._text, end - 1):
                points.append(end)
            for point in reversed(points):
                if point <= self._open_from:
                    return point
        return 0

    # -- one special character

    def _special(self, found: str, start: int) -> int:
        """Takes what begins at `start` and returns where to go on."""
        match found[0]:
            case "\\":
                return self._escape(start)
            case "`":
                return self._code(start, len(found))
            case "*" | "_" | "~":
                return self._delimiter(found, start)
            case "[" | "!":
                return self._bracket(found, start)
            case "]":
                return self._close_bracket(start)
            case "<":
                return self._angle(start)
            case "&":
                return self._entity(start)
            case "\n":
                return self._line_break(start)
            case _:
                return self._bare_address(start)

    def _literal(self, start: int, length: int = 1) -> int:
        self._plain(start, start + length)
        return start + length

    def _escape(self, start: int) -> int:
        following = self._text[start + 1 : start + 2]
        if following == "\n":
            self._nodes.append(_Node("\n"))
            return start + 2
        if following in _ESCAPABLE and following:
            self._nodes.append(_Node(following))
            return start + 2
        return self._literal(start)

    def _code(self, start: int, length: int) -> int:
        if self._backticks is None:
            self._backticks = {}
            for match in _BACKTICKS.finditer(self._text):
                self._backticks.setdefault(len(match[0]), []).append(match.start())
            for starts in self._backticks.values():
                starts.reverse()
        starts = self._backticks.get(length, [])
        while starts and starts[-1] <= start:
            starts.pop()
        if not starts:
            self._unsettle(start)
            return self._literal(start, length)
        end = starts[-1]
        code = self._text[start + length : end].replace("\n", " ")
        if code.startswith(" ") and code.endswith(" ") and code.strip():
            code = code[1:-1]
        self._nodes.append(_Node(code, CODE))
        return end + length

    def _delimiter(self, found: str, start: int) -> int:
        end = start + len(found)
        if found[0] == "~" and len(found) != 2:
            return self._literal(start, len(found))
        before = self._text[start - 1] if start else " "
        after = self._text[end] if end < len(self._text) else " "
        space_before, space_after = before.isspace(), after.isspace()
        mark_before, mark_after = _is_punctuation(before), _is_punctuation(after)
        left = not space_after and (not mark_after or space_before or mark_before)
        right = not space_before and (not mark_before or space_after or mark_after)
        opens, closes = left, right
        if found[0] == "_":
            opens = left and (not right or mark_before)
            closes = right and (not left or mark_after)
        self._plain(start, end)
        if opens or closes:
            order = len(self._nodes) - 1
            self._delimiters.append(_Delimiter(order, order, start, found[0], len(found), len(found), opens, closes))
        return end

    def _bracket(self, found: str, start: int) -> int:
        if found == "[" and (citation := _CITATION.match(self._text, start)):
            return self._cite(citation)
        if found == "!":
            return self._literal(start)
        self._plain(start, start + len(found))
        if len(self._brackets) < MOST_BRACKETS:
            self._brackets.append(_Bracket(len(self._nodes) - 1, start, len(self._delimiters)))
        return start + len(found)

    def _cite(self, match: re.Match[str]) -> int:
        """Every number is a run of its own, brackets go with them; one without a source wears a question mark."""
        numbers = [int(digits) for digits in _NUMBER.findall(match[1])]
        known = [number if 0 < number <= self._citations else 0 for number in numbers]
        self._nodes.append(_Node("[", CITATION, known[0]))
        for place, (number, source) in enumerate(zip(numbers, known, strict=True)):
            if place:
                self._nodes.append(_Node(", ", CITATION))
            shown = str(number) if source else f"{number}?"
            self._nodes.append(_Node(shown, CITATION if source else CITATION | UNKNOWN, source))
        self._nodes.append(_Node("]", CITATION, known[-1]))
        return match.end()

    def _close_bracket(self, start: int) -> int:
        if not self._brackets:
            return self._literal(start)
        opener = self._brackets.pop()
        after = self._text[start + 1 : start + 2]
        target = _TARGET.match(self._text, start + 1) if opener.active and after == "(" else None
        if target is None:
            if opener.active and (not after or (after == "(" and self._text.find(")", start) < 0)):
                self._unsettle(opener.source)
            return self._literal(start)
        address = target[1] if target[1] is not None else target[2]
        address = _unescaped(address)
        self._match_emphasis(opener.delimiters)
        del self._delimiters[opener.delimiters :]
        opening = self._nodes[opener.node]
        is_image = opening.text == "!["
        opening.text = ""
        opening.source = -1
        shown = "".join(node.text for node in self._nodes[opener.node :])
        self._ranges.append((opener.node + 1, len(self._nodes), LINK))
        title = _unescaped(target[3][1:-1]) if target[3] else ""
        tail = " ".join(part for part in (address if address != shown else "", f'"{title}"' if title else "") if part)
        if tail:
            self._nodes.append(_Node(f" ({tail})" if shown.strip() else tail, ADDRESS))
        if not is_image:
            for bracket in self._brackets:
                bracket.active = bracket.active and self._nodes[bracket.node].text == "!["
        return target.end()

    def _angle(self, start: int) -> int:
        if match := _AUTOLINK.match(self._text, start):
            self._nodes.append(_Node(match[1], LINK))
            return match.end()
        if match := _TAG.match(self._text, start):
            self._nodes.append(_Node(match[0]))
            return match.end()
        if _TAG_START.match(self._text, start):
            self._unsettle(start)
        return self._literal(start)

    def _entity(self, start: int) -> int:
        match = _ENTITY.match(self._text, start)
        if match is None:
            return self._literal(start)
        # An entity can spell a control character that was removed everywhere else.
        meant = clean(html.unescape(match[0])).replace("\n", " ").replace("\t", " ")
        self._nodes.append(_Node(meant or match[0]))
        return match.end()

    def _line_break(self, start: int) -> int:
        last = self._nodes[-1] if self._nodes else None
        hard = False
        if last is not None and last.source >= 0:
            stripped = last.text.rstrip(" ")
            hard = len(last.text) - len(stripped) >= 2
            last.text = stripped
        # Lines that are nothing but HTML keep their places.
        hard = hard or self._text[start - 1 : start] == ">" or self._text[start + 1 : start + 2] == "<"
        self._nodes.append(_Node("\n" if hard else " "))
        return start + 1

    def _bare_address(self, start: int) -> int:
        match = _BARE.match(self._text, start)
        if match is None:
            return self._literal(start)
        address = match[0]
        while address[-1] in _BARE_END and not (address[-1] == ")" and address.count("(") >= address.count(")")):
            address = address[:-1]
        self._nodes.append(_Node(address, LINK))
        return start + len(address)

    # -- emphasis (CommonMark 0.31, appendix, "process emphasis")

    def _match_emphasis(self, bottom: int) -> list[_Delimiter]:
        """Pairs the delimiters from `bottom` on and returns those that are still open."""
        openers: list[_Delimiter] = []
        bottoms: dict[tuple[str, bool, int], int] = {}
        for closer in self._delimiters[bottom:]:
            while closer.closes and closer.left:
                key = (closer.character, closer.opens, closer.length % 3)
                found = _find_opener(openers, closer, bottoms.get(key, -1))
                if found < 0:
                    bottoms[key] = closer.order - 1
                    break
                opener = openers[found]
                del openers[found + 1 :]
                used = 2 if opener.left >= 2 and closer.left >= 2 else 1
                mark = STRIKE if closer.character == "~" else STRONG if used == 2 else EMPHASIS
                self._ranges.append((opener.node + 1, closer.node, mark))
                for side in (opener, closer):
                    side.left -= used
                    self._nodes[side.node].text = side.character * side.left
                    self._nodes[side.node].source = -1
                if not opener.left:
                    openers.pop()
            if closer.opens and closer.left:
                openers.append(closer)
        return openers

    def _apply_ranges(self) -> None:
        """Adds the marks of all ranges to their nodes in one sweep, however deep they nest."""
        depth = dict.fromkeys((EMPHASIS, STRONG, STRIKE, LINK), 0)
        changes: dict[int, list[tuple[int, int]]] = {}
        for start, end, mark in self._ranges:
            changes.setdefault(start, []).append((mark, 1))
            changes.setdefault(end, []).append((mark, -1))
        if not changes:
            return
        marks = 0
        for number, node in enumerate(self._nodes):
            if number in changes:
                for mark, step in changes[number]:
                    depth[mark] += step
                marks = sum(mark for mark, count in depth.items() if count)
            node.marks |= marks


def _find_opener(openers: list[_Delimiter], closer: _Delimiter, bottom: int) -> int:
    for place in range(len(openers) - 1, -1, -1):
        opener = openers[place]
        if opener.order <= bottom:
            return -1
        if opener.character != closer.character:
            continue
        either_is_both = closer.opens or opener.closes
        if (
            either_is_both
            and (opener.length + closer.length) % 3 == 0
            and not (opener.length % 3 == 0 and closer.length % 3 == 0)
        ):
            continue
        return place
    return -1


def _is_punctuation(character: str) -> bool:
    if character.isascii():
        return character in _ESCAPABLE
    return unicodedata.category(character)[0] in "PS"


def _unescaped(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace("\n", " ")
