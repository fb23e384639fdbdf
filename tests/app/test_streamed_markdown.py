"""Answers in Markdown: what they look like, that streaming changes nothing, and that no text does more than be read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import TextArea

from tests.app.conftest import until
from tests.hostile import HOSTILE, forbidden_in
from tui.core.text import clean
from tui.widgets.markdown_inline import parse_inline
from tui.widgets.markdown_lines import breaks, fit_columns
from tui.widgets.markdown_marks import (
    ADDRESS,
    BLOCK,
    CELL_HEAD,
    CITATION,
    CODE,
    EMPHASIS,
    HEADING,
    KEYWORD,
    LINK,
    QUOTED,
    STRIKE,
    STRONG,
    TITLE,
    UNKNOWN,
)
from tui.widgets.markdown_page import Page
from tui.widgets.streamed_markdown import StreamedMarkdown

Row = tuple[int, tuple[tuple[str, int, int], ...]]


def page_of(text: str, *, width: int = 40, chunk: int = 0, citations: int = 3) -> Page:
    """The page of a text that came in chunks of that size, or whole."""
    page = Page(citations)
    page.set_width(width)
    for start in range(0, len(text), chunk or max(1, len(text))):
        page.read(text[start : start + (chunk or len(text))])
    page.read("", ends=True)
    return page


def rows_of(page: Page) -> list[Row]:
    """Every row with its looks: the marks of the row, and text, marks and citation of its parts."""
    found = []
    for number in range(page.rows):
        _, base, parts = page.row(number)
        found.append((base, tuple((part.text, part.marks, part.citation) for part in parts)))
    return found


def shown(text: str, **options: Any) -> list[str]:
    """The rows of a text as they read."""
    return ["".join(part[0] for part in parts).rstrip() for _, parts in rows_of(page_of(text, **options))]


def looks(text: str, citations: int = 3) -> list[tuple[str, int]]:
    return [(run.text, run.marks) for run in parse_inline(text, citations).runs]


class TestInline:
    @pytest.mark.parametrize(
        ("text", "runs"),
        [
            ("plain", [("plain", 0)]),
            ("*a* _b_", [("a", EMPHASIS), (" ", 0), ("b", EMPHASIS)]),
            ("**a** __b__", [("a", STRONG), (" ", 0), ("b", STRONG)]),
            ("***a***", [("a", STRONG | EMPHASIS)]),
            ("**a *b* c**", [("a ", STRONG), ("b", STRONG | EMPHASIS), (" c", STRONG)]),
            ("~~gone~~ ~5", [("gone", STRIKE), (" ~5", 0)]),
            ("`a*b*`", [("a*b*", CODE)]),
            ("`` a`b ``", [("a`b", CODE)]),
            ("open `code", [("open `code", 0)]),
            ("open **strong", [("open **strong", 0)]),
            ("*open **both", [("*open **both", 0)]),
            ("**bold*", [("*", 0), ("bold", EMPHASIS)]),
            ("5 * 3 * 2", [("5 * 3 * 2", 0)]),
            ("snake_case_name", [("snake_case_name", 0)]),
            ("in*tra*word", [("in", 0), ("tra", EMPHASIS), ("word", 0)]),
            (r"\*not\* \a", [(r"*not* \a", 0)]),
            ("a &amp; &copy; &nope; &", [("a & © &nope; &", 0)]),
            ("*a\nb*", [("a b", EMPHASIS)]),
            ("a  \nb\\\nc", [("a\nb\nc", 0)]),
            ("<https://a.b/c_d_e>", [("https://a.b/c_d_e", LINK)]),
            ("at https://a.b/c_d_e.", [("at ", 0), ("https://a.b/c_d_e", LINK), (".", 0)]),
            ("[text](https://a.b)", [("text", LINK), (" (https://a.b)", ADDRESS)]),
            ("[**t**](<a b> 'T')", [("t", LINK | STRONG), (' (a b "T")', ADDRESS)]),
            ("[a.b](a.b)", [("a.b", LINK)]),
            ("![alt](x.png)", [("alt", LINK), (" (x.png)", ADDRESS)]),
            ("[open](x", [("[open](x", 0)]),
            ("[x] [y][z]", [("[x] [y][z]", 0)]),
            ("<b>*a*</b>", [("<b>", 0), ("a", EMPHASIS), ("</b>", 0)]),
            ('<a title="*x*">', [('<a title="*x*">', 0)]),
            ("[@click=app.quit]x[/]", [("[@click=app.quit]x[/]", 0)]),
        ],
    )
    def test_looks(self, text: str, runs: list[tuple[str, int]]) -> None:
        assert looks(text) == runs

    def test_citations_name_their_source(self) -> None:
        runs = parse_inline("so [2] and [1, 9]", 3).runs
        assert [(run.text, run.citation) for run in runs if run.marks & CITATION] == [
            ("[2]", 2), ("[1", 1), (", ", 0), ("9?", 0), ("]", 0),
        ]  # fmt: skip

    def test_a_citation_without_a_source_is_flagged(self) -> None:
        assert looks("[9]") == [("[", CITATION), ("9?", CITATION | UNKNOWN), ("]", CITATION)]
        assert looks("[0]", 5)[1] == ("0?", CITATION | UNKNOWN)

    def test_a_link_is_no_citation(self) -> None:
        assert looks("[1](x)") == [("1", LINK), (" (x)", ADDRESS)]

    def test_entities_cannot_spell_controls(self) -> None:
        assert looks("&#27;[31m&#x9d;&#8238;&#10;.") == [("&#27;[31m&#x9d;&#8238; .", 0)]

    @pytest.mark.parametrize(
        ("text", "settled"),
        [
            ("one two three", "one two "),
            ("one **two three", "one "),
            ("one `two three", "one "),
            ("one [two three", "one "),
            ("one **two** three four", "one **two** three "),
            ("one **two three** four", "one **two three** "),
            ("**one two three", ""),
        ],
    )
    def test_what_is_settled_ends_before_what_is_open(self, text: str, settled: str) -> None:
        assert text[: parse_inline(text).settled] == settled

    @pytest.mark.parametrize("piece", ["[", "*a", "**a _b ", "[a](b", "` `` ", "<a ", "~~a ", "&", "!["])
    def test_nothing_takes_long(self, piece: str) -> None:
        text = (piece * 4000)[:4000]
        assert parse_inline(text).runs


CASES = {
    "heading": ("# One\n## Two #\n### Three\ntext", ["One", "", "Two", "", "Three", "text"]),
    "setext": ("One\n===\nTwo\n---\n", ["One", "", "Two"]),
    "no heading": ("#nope\n\n####### no", ["#nope", "", "####### no"]),
    "paragraph lines": ("one\ntwo\n\nthree", ["one two", "", "three"]),
    "blank lines": ("one\n\n\n\ntwo\n\n", ["one", "", "two"]),
    "windows line ends": ("one\r\ntwo\r\n\r\nthree".replace("\r\n", "\n"), ["one two", "", "three"]),
    "bullets": ("- a\n* b\n+ c", ["• a", "• b", "• c"]),
    "nested list": ("- a\n  - b\n    - c\n      - d\n- e", ["• a", "  ◦ b", "    ▪ c", "      • d", "• e"]),
    "numbers": ("7. a\n8. b\n9. c\n10. d", ["7. a", "8. b", "9. c", "10. d"]),
    "numbers all one": ("1. a\n1. b\n1. c", ["1. a", "2. b", "3. c"]),
    "loose list": ("1. a\n\n2. b\n\n   more\n3. c", ["1. a", "", "2. b", "", "   more", "3. c"]),
    "mixed nesting": ("1. a\n   - b\n2. c", ["1. a", "   • b", "2. c"]),
    "lazy item": ("- a\nb", ["• a b"]),
    "empty item": ("-\n- b", ["•", "• b"]),
    "number in text": ("It was\n1999. A year.", ["It was 1999. A year."]),
    "list after text": ("Need:\n- salt\n- 1. water", ["Need:", "• salt", "• 1. water"]),
    "hanging indent": ("- one two three four five six seven eight", ["• one two three four five six seven", "  eight"]),
    "quote": ("> a\n> b\n>\n> c\nlazy\n\nout", ["▌ a b", "▌", "▌ c lazy", "", "out"]),
    "nested quote": ("> a\n> > b\n\n- > c", ["▌ a", "▌ ▌ b", "", "• ▌ c"]),
    "rule": ("a\n\n***\nb", ["a", "", "─" * 40, "b"]),
    "fence": ("```python\nx = 1\n\n  y\n```\nafter", [" python", " x = 1", "", "   y", "after"]),
    "tildes": ("~~~\n```\n~~~", [" ```"]),
    "open fence": ("a\n```\nx\ny", ["a", " x", " y"]),
    "code in a list": ("1. a\n\n   ```\n   x\n     y\n   ```\n2. b", ["1. a", "", "    x", "      y", "2. b"]),
    "indented code": ("a\n\n    x\n\n      y\n\nb", ["a", "", " x", "", "   y", "", "b"]),
    "html": ("<think>\nsecret *plan*\n</think>\nanswer", ["<think>", "secret plan", "</think>", "answer"]),
    "reference definition": ("[a]: https://x.y\n\n[a]", ["[a]: https://x.y", "", "[a]"]),
    "hard breaks": ("a  \nb\\\nc", ["a", "b", "c"]),
    "table": ("| a | b | c |\n|:--|:-:|--:|\n| x | yyy | zzz |\n", ["a │  b  │   c", "──┼─────┼────", "x │ yyy │ zzz"]),
    "table without edges": ("a | b\n--|--\n1 | 2\n\nend", ["a │ b", "──┼──", "1 │ 2", "", "end"]),
    "uneven rows": ("|a|b|\n|-|-|\n|1|\n|1|2|3|", ["a │ b", "──┼──────", "1 │", "1 │ 2 | 3"]),
    "escaped bar": ("|a|b|\n|-|-|\n|x\\|y|z|", ["a   │ b", "────┼──", "x|y │ z"]),
    "table then text": ("|a|b|\n|-|-|\n|1|2|\ntext", ["a │ b", "──┼──", "1 │ 2", "text"]),
    "no table": ("a | b\nc | d", ["a | b c | d"]),
    "tabs": ("-\ta\n\n\tb", ["• a", "", "  b"]),
    "only spaces": ("   \n \n", []),
    "nothing": ("", []),
}  # fmt: skip


class TestBlocks:
    @pytest.mark.parametrize("name", CASES)
    def test_reads(self, name: str) -> None:
        text, rows = CASES[name]
        assert shown(text) == [row.rstrip() for row in rows]

    @pytest.mark.parametrize("name", CASES)
    @pytest.mark.parametrize("chunk", [1, 2, 7])
    def test_chunks_change_nothing(self, name: str, chunk: int) -> None:
        text = CASES[name][0]
        assert rows_of(page_of(text, chunk=chunk)) == rows_of(page_of(text))

    @pytest.mark.parametrize(
        ("text", "base"),
        [
            ("# a", HEADING | TITLE), ("## a", HEADING), ("#### a", STRONG), ("> a", QUOTED), ("```\na", BLOCK),
            ("    a", BLOCK), ("a\n===", HEADING | TITLE), ("a", 0),
        ],
    )  # fmt: skip
    def test_rows_have_looks(self, text: str, base: int) -> None:
        assert rows_of(page_of(text))[0][0] == base

    def test_table_heads_have_looks(self) -> None:
        rows = rows_of(page_of("| *a* | b |\n|-|-|\n| c | d |"))
        assert [marks for text, marks, _ in rows[0][1] if text in "ab"] == [CELL_HEAD | EMPHASIS, CELL_HEAD]
        assert [marks for text, marks, _ in rows[2][1] if text in "cd"] == [0, 0]

    def test_columns_stay_as_the_first_rows_decide(self) -> None:
        head = "| a | b |\n|-|-|\n" + "| x | y |\n" * 8
        page = page_of(head + "| much longer than the others were | z |\n", width=80)
        lines = ["".join(part[0] for part in parts) for _, parts in rows_of(page)]
        assert {line.index("│") for line in lines if "│" in line} == {2}
        assert "".join(line.split("│")[0].strip() for line in lines[10:]) == "muchlongerthantheotherswere"

    def test_cells_wrap_within_their_columns(self) -> None:
        rows = shown("| a | b |\n|-|-|\n| one two three four five six | seven eight nine ten |", width=30)
        assert rows[2:] == ["one two three  │ seven eight", "four five six  │ nine ten"]

    def test_a_table_of_200_columns_is_text(self) -> None:
        text = "|" + "|".join(f"h{n}" for n in range(200)) + "|\n|" + "-|" * 200 + "\n|" + "|".join(
            f"c{n}" for n in range(200)
        ) + "|\n"  # fmt: skip
        words = " ".join(shown(text, width=80)).replace("│", " ").replace("─", " ").split()
        assert words == [f"h{n}" for n in range(200)] + [f"c{n}" for n in range(200)]

    def test_long_paragraphs_are_given_out_before_they_end(self) -> None:
        page = Page()
        page.set_width(40)
        page.read("word " * 1000)
        final = len(page.lines[0].text)
        page.read("**more")
        assert final > 4000
        assert page.read("** end") > 100

    def test_emphasis_over_a_long_stretch_is_kept(self) -> None:
        text = "plain " * 200 + "**" + "strong " * 100 + "end** plain " * 1
        (line,) = page_of(text).lines
        assert [marks for *_, marks, _ in line.spans] == [STRONG]  # type: ignore[attr-defined]
        assert "*" not in line.text

    def test_a_line_of_a_megabyte_is_whole(self) -> None:
        for text in ("x" * 1_000_000, "```\n" + "y" * 1_000_000, "word " * 200_000):
            page = page_of(text, chunk=50_000, width=80)
            assert sum(row.count(text[-2]) for row in shown(text, width=80)) == text.count(text[-2])
            assert max(map(len, shown(text, width=80))) <= 80
            assert page.rows > 12_000

    def test_deep_nesting_is_bounded(self) -> None:
        for mark in ("> ", "- ", "1. "):
            rows = shown(mark * 200 + "end", width=60)
            assert "end" in " ".join(rows)


WORDS = st.sampled_from(
    ["a", "word", " ", "  ", "\n", "\n\n", "*", "**", "_", "`", "```", "~~", "[", "]", "(", ")", "<b>", "</b>", "- ",
     "1. ", "> ", "# ", "|", "|-|-|", "---", "===", "\\", "&amp;", "[1]", "[9]", "http://x.y", "    ", "\t", "!",
     "日本", "é", "\n- ", "\n\n1. ", "\n> ", "\n| a | b |\n|---|---|\n", "\n```py\n"]
)  # fmt: skip


class TestAnyText:
    @given(st.lists(WORDS, max_size=60).map("".join), st.integers(1, 9), st.sampled_from([12, 40, 80]))
    @settings(max_examples=300, deadline=None)
    def test_chunks_change_nothing(self, text: str, chunk: int, width: int) -> None:
        assert rows_of(page_of(text, chunk=chunk, width=width)) == rows_of(page_of(text, width=width))

    @given(st.lists(WORDS, max_size=400).map("".join), st.integers(1, 400))
    @settings(max_examples=40, deadline=None)
    def test_chunks_of_long_texts_change_nothing(self, text: str, chunk: int) -> None:
        text = text.replace("\n", " ") * 4
        assert rows_of(page_of(text, chunk=chunk)) == rows_of(page_of(text))

    @given(st.lists(WORDS, max_size=80).map("".join), st.sampled_from([1, 5, 20, 80]))
    @settings(max_examples=200, deadline=None)
    def test_no_word_is_lost(self, text: str, width: int) -> None:
        def letters(of: str) -> list[str]:
            return re.findall(r"[a-zé日本]", of.replace("amp;", ""))

        assert letters("".join(shown(text, width=width))) == letters(text.replace("&amp;", "&"))

    @given(st.lists(WORDS, max_size=60).map("".join), st.integers(12, 90), st.integers(12, 90))
    @settings(max_examples=100, deadline=None)
    def test_another_width_is_as_if_it_had_always_been(self, text: str, before: int, after: int) -> None:
        page = page_of(text, width=before)
        page.set_width(after)
        assert rows_of(page) == rows_of(page_of(text, width=after))

    @given(st.text(alphabet="ab é日\u0301🍜", max_size=120), st.integers(1, 30), st.booleans())
    @settings(max_examples=200, deadline=None)
    def test_breaks_keep_every_character(self, text: str, width: int, fold: bool) -> None:
        found = breaks(text, width, 0, simple=False, fold=fold)
        assert found == sorted(set(found))
        assert all(0 < place < max(1, len(text)) for place in found)

    @given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 200))
    def test_columns_fit(self, natural: list[int], room: int) -> None:
        fitted = fit_columns(natural, room)
        if fitted:
            assert sum(fitted) <= max(room, sum(natural))
            assert all(0 < cells <= wish for cells, wish in zip(fitted, natural, strict=True))
        else:
            assert room < 3 * len(natural)


# -- the widget


class MarkdownApp(App[None]):
    CSS = "VerticalScroll { height: 1fr; layout: stream; } TextArea { height: 3; }"

    def __init__(self, *answers: StreamedMarkdown) -> None:
        super().__init__()
        self.answers = answers
        self.chosen: list[int] = []
        self.settled = 0

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield from self.answers
        yield TextArea()

    def on_streamed_markdown_citation_selected(self, event: StreamedMarkdown.CitationSelected) -> None:
        self.chosen.append(event.number)

    def on_streamed_markdown_settled(self) -> None:
        self.settled += 1


@asynccontextmanager
async def showing(answer: StreamedMarkdown, size: tuple[int, int] = (60, 30)) -> Iterator[Any]:
    app = MarkdownApp(answer)
    async with app.run_test(size=size) as pilot:
        yield app, pilot


async def drawn(pilot: Pilot[Any], answer: StreamedMarkdown) -> list[str]:
    """What the answer shows once it has settled, row by row."""
    await until(pilot, lambda: answer.settled)
    return [answer.render_line(y).text.rstrip() for y in range(answer.size.height)]


DOCUMENT = "# Soup\n\nIt is *good* [1] and [9].\n\n- a\n- b\n\n```python\ndef f():\n    return 1\n```\n\n> said\n"


class TestWidget:
    async def test_shows_what_it_is_made_with(self) -> None:
        async with showing(StreamedMarkdown("**Pho** is soup.", 3)) as (app, pilot):
            assert await drawn(pilot, app.answers[0]) == ["Pho is soup."]

    async def test_grows_with_what_is_appended(self) -> None:
        answer = StreamedMarkdown(citations=1)
        async with showing(answer) as (app, pilot):
            for character in DOCUMENT:
                answer.append(character)
            answer.finish()
            grown = await drawn(pilot, answer)
            await until(pilot, lambda: app.settled == 1)
            assert answer.source == DOCUMENT
            assert grown == [
                "Soup", "", "It is good [1] and [9?].", "", "• a", "• b", "", " python", " def f():", "     return 1",
                "", "▌ said",
            ]  # fmt: skip

    async def test_what_is_drawn_is_the_same_however_it_came(self) -> None:
        strips = []
        for chunk in (1, 9, len(DOCUMENT)):
            answer = StreamedMarkdown(citations=1)
            async with showing(answer) as (_, pilot):
                for start in range(0, len(DOCUMENT), chunk):
                    answer.append(DOCUMENT[start : start + chunk])
                    if start % 10 == 0:
                        await pilot.pause()
                answer.finish()
                await drawn(pilot, answer)
                strips.append([list(answer.render_line(y)) for y in range(answer.size.height)])
        assert strips[0] == strips[1] == strips[2]

    async def test_styles_come_from_the_theme(self) -> None:
        answer = StreamedMarkdown("**bold** *slanted* `code` [1]", 3)
        async with showing(answer) as (app, pilot):
            await drawn(pilot, answer)

            def styles() -> dict[str, Any]:
                return {segment.text: segment.style for segment in answer.render_line(0)}

            dark = styles()
            assert dark["bold"].bold
            assert dark["slanted"].italic
            assert dark["code"].bgcolor != dark["bold"].bgcolor
            app.theme = "textual-light"
            await pilot.pause()
            assert styles()["code"].color != dark["code"].color

    @pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "textual-ansi", "nord"])
    async def test_every_theme_draws(self, theme: str) -> None:
        answer = StreamedMarkdown(DOCUMENT + "\n| a | b |\n|-|-|\n| ~~c~~ | [d](e) |\n\n---\n", 1)
        async with showing(answer) as (app, pilot):
            if theme not in app.available_themes:
                theme = "ansi-dark"
            app.theme = theme
            answer.finish()
            assert (await drawn(pilot, answer))[0] == "Soup"

    async def test_code_is_coloured_when_it_is_finished(self) -> None:
        answer = StreamedMarkdown("```python\ndef f(): pass\n```\nend")
        async with showing(answer) as (_, pilot):
            await drawn(pilot, answer)
            marks = [part.marks for part in answer._page.row(1)[2] if part.text == "def"]
            assert marks == [KEYWORD]

    @pytest.mark.parametrize("language", ["", "nope", "x" * 500, "{.python}"])
    async def test_unknown_languages_are_plain(self, language: str) -> None:
        answer = StreamedMarkdown(f"```{language}\ndef f(): pass\n```\n")
        async with showing(answer) as (_, pilot):
            assert " def f(): pass" in await drawn(pilot, answer)

    async def test_a_new_width_wraps_again(self) -> None:
        answer = StreamedMarkdown("one two three four five six seven eight nine ten")
        async with showing(answer, size=(30, 20)) as (_, pilot):
            assert len(await drawn(pilot, answer)) == 2
            await pilot.resize_terminal(16, 20)
            await pilot.pause()
            assert len(await drawn(pilot, answer)) == 4
            await pilot.resize_terminal(80, 20)
            await pilot.pause()
            assert await drawn(pilot, answer) == ["one two three four five six seven eight nine ten"]

    async def test_sources_can_become_known_later(self) -> None:
        answer = StreamedMarkdown("so [2]")
        async with showing(answer) as (_, pilot):
            assert await drawn(pilot, answer) == ["so [2?]"]
            answer.set_citations(2)
            assert await drawn(pilot, answer) == ["so [2]"]

    async def test_a_text_can_be_replaced(self) -> None:
        answer = StreamedMarkdown("one\n\ntwo\n\nthree")
        async with showing(answer) as (_, pilot):
            answer.finish()
            await drawn(pilot, answer)
            answer.replace("*other*")
            assert await drawn(pilot, answer) == ["other"]
            assert answer.source == "*other*"

    async def test_a_long_text_is_read_in_steps(self) -> None:
        text = "".join(f"- item {number} of **many** [1]\n" for number in range(2000))
        answer = StreamedMarkdown(text, 1)
        async with showing(answer) as (_, pilot):
            first = len(answer.plain)
            assert first < len(text) / 2
            assert len(await drawn(pilot, answer)) == 2000

    async def test_a_click_chooses_a_citation(self) -> None:
        answer = StreamedMarkdown("See [2] and [9].", 3)
        async with showing(answer) as (app, pilot):
            await drawn(pilot, answer)
            for column in (0, 5, 13):
                await pilot.click(StreamedMarkdown, offset=(column, 0))
            assert app.chosen == [2]

    async def test_text_is_selected_across_lines(self) -> None:
        answer = StreamedMarkdown("# Head\n\nSome *more* text\n\n```py\nx = 1\ny = 2\n```\n\n- end")
        async with showing(answer) as (app, pilot):
            rows = await drawn(pilot, answer)
            await pilot.mouse_down(StreamedMarkdown, offset=(5, 2))
            await pilot.hover(StreamedMarkdown, offset=(3, rows.index("• end")))
            await pilot.mouse_up(StreamedMarkdown, offset=(3, rows.index("• end")))
            assert app.screen.get_selected_text() == "more text\n\npy\nx = 1\ny = 2\n\n• en"
            selected = [segment.text for segment in answer.render_line(2) if "offset" in segment.style.meta]
            assert selected[:3] == ["Some ", "more", " text"]

    async def test_windows_line_ends_cut_by_a_chunk_are_one(self) -> None:
        answer = StreamedMarkdown()
        async with showing(answer) as (_, pilot):
            for piece in ("one\r", "\ntwo\r", "\n\r", "\nthree"):
                answer.append(piece)
            answer.finish()
            assert await drawn(pilot, answer) == ["one two", "", "three"]
            assert answer.source == "one\r\ntwo\r\n\r\nthree"

    @pytest.mark.parametrize("wrapper", ["{}", "- {}", "```\n{}\n```", "| {} | b |\n|---|---|\n| {} | d |", "# {}"])
    async def test_foreign_text_is_only_read(self, wrapper: str) -> None:
        answer = StreamedMarkdown(citations=1)
        async with showing(answer, size=(40, 12)) as (app, pilot):
            answer.finish()
            for attack in HOSTILE.values():
                answer.replace(wrapper.replace("{}", attack))
                await drawn(pilot, answer)
                for y in range(answer.size.height):
                    strip = answer.render_line(y)
                    assert not forbidden_in(strip.text)
                    assert strip.cell_length == answer.size.width
                    for segment in strip:
                        assert "@click" not in segment.style.meta
                        assert segment.style.link is None
            await pilot.click(StreamedMarkdown, offset=(2, 0))
            assert app.is_running

    async def test_html_stays_visible(self) -> None:
        answer = StreamedMarkdown(HOSTILE["thinking"] + "\n\n" + HOSTILE["html"])
        async with showing(answer) as (_, pilot):
            shown_text = "".join(await drawn(pilot, answer))
            assert clean(HOSTILE["thinking"] + HOSTILE["html"]).replace(" ", "") == shown_text.replace(" ", "")

    async def test_an_empty_answer_takes_no_room(self) -> None:
        answer = StreamedMarkdown()
        async with showing(answer) as (app, pilot):
            answer.finish()
            await until(pilot, lambda: app.settled == 1)
            assert answer.size.height == 0

    async def test_those_who_append_can_wait_until_it_was_read(self) -> None:
        answer = StreamedMarkdown()
        async with showing(answer) as (app, pilot):
            await answer.drain()
            answer.append("word " * 1000)
            await answer.drain()
            assert answer.plain
            answer.append("word " * 1000)
            waiting = asyncio.create_task(answer.drain())
            await answer.remove()
            await until(pilot, waiting.done)
            assert app.is_running

    async def test_keys_are_typed_while_it_grows(self) -> None:
        answer = StreamedMarkdown()
        async with showing(answer) as (app, pilot):
            app.query_one(TextArea).focus()
            for number in range(10):
                answer.append(f"- **item** {number}\n" * 20)
                await pilot.press("x")
            answer.finish()
            assert len(await drawn(pilot, answer)) == 200
            assert app.query_one(TextArea).text == "x" * 10
