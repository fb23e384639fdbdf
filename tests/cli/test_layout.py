from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import HOSTILE, forbidden_in
from tui.cli.layout import WrappedStream, cells, cut, describe_hit, pointed_at, wrap
from tui.core.records import Hit, Record
from tui.core.text import escape_in_json

TEXT = "Pho is a noodle soup from Vietnam, and people eat it at any hour of the day."


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("soup", 4), ("Phở", 3), ("拉麺", 4), ("z\u0301", 1)])
def test_cells(text: str, columns: int) -> None:
    assert cells(text) == columns


@given(st.lists(st.text(alphabet="abc 麺\n\t", max_size=12), max_size=12), st.integers(10, 40))
def test_a_stream_is_wrapped_like_the_whole_whatever_its_pieces(pieces: list[str], width: int) -> None:
    stream = WrappedStream(width)
    streamed = "".join(stream.feed(piece) for piece in pieces) + stream.end()
    whole = WrappedStream(width)
    assert streamed == whole.feed("".join(pieces)) + whole.end()
    assert streamed.split() == "".join(pieces).split()


def test_lines_break_at_words_and_stay_in_the_width() -> None:
    lines = wrap(TEXT, 30, "  ").split("\n")
    assert all(line.startswith("  ") and cells(line) <= 30 for line in lines)
    assert " ".join(line.strip() for line in lines) == TEXT


def test_line_ends_of_the_text_and_indented_lines_stay() -> None:
    assert wrap("a list:\n  - one\n  - two\n\nend", 40) == "a list:\n  - one\n  - two\n\nend"


def test_a_word_wider_than_the_line_stays_whole() -> None:
    assert (
        wrap("see https://example.org/a/very/long/address now", 20)
        == "see\nhttps://example.org/a/very/long/address\nnow"
    )


def test_without_a_width_nothing_is_broken() -> None:
    assert wrap(TEXT * 10, None) == TEXT * 10


def test_wide_characters_count_twice() -> None:
    assert wrap("拉麺 拉麺 拉麺 拉麺 拉麺", 20) == "拉麺 拉麺 拉麺 拉麺\n拉麺"


def test_cutting() -> None:
    assert cut(TEXT, 20) == "Pho is a noodle sou…"
    assert cut("short", 20) == "short"
    assert cells(cut("拉麺" * 20, 11)) <= 11
    assert cut("two\nlines", 20) == "two lines"


def hit(text: str = TEXT, **metadata: object) -> Hit:
    return Hit(Record("pho-1", text, metadata), score=0.9, relevance=0.914)


def test_a_hit_shows_heading_id_relevance_place_kind_and_one_line() -> None:
    shown = describe_hit(1, hit(name="Pho", region="Vietnam", type="Soup"), whole=False, width=40)
    assert shown == "[1] 0.91  Pho (pho-1) · Vietnam · Soup\n          Pho is a noodle soup from Vie…"


def test_a_hit_without_relevance() -> None:
    shown = describe_hit(12, Hit(Record("x", "A soup, hot"), 0.5), whole=True, width=None)
    assert shown == "[12]   –  A soup (x)\n          A soup, hot"


def test_a_text_that_is_its_own_heading_is_not_said_twice() -> None:
    assert describe_hit(1, hit("Pho."), whole=True, width=80) == "[1] 0.91  Pho (pho-1)"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_hit_is_text(name: str) -> None:
    text = HOSTILE[name]
    record = Record(text, text, {"name": text, "region": text, "type": [text]})
    for whole in (True, False):
        shown = describe_hit(1, Hit(record, 0.5, 0.5), whole=whole, width=40)
        assert not forbidden_in(shown)


@pytest.mark.parametrize("position", [0, 5, 99])
def test_the_caret_is_below_its_character(position: int) -> None:
    text = "".join(chr(0x61 + number % 26) for number in range(100))
    line, caret = pointed_at(text, position, 60).split("\n")
    assert line[caret.index("^")] == text[position]
    assert len(line) <= 60


def test_the_caret_is_right_after_the_end_and_after_wide_or_hostile_characters() -> None:
    assert pointed_at("a =", 3, 60) == "a =\n   ^"
    assert pointed_at("'麺' !", 4, 60) == "'麺' !\n     ^"
    assert pointed_at("\x1b\u202e !", 3, 60) == "?? !\n   ^"


@given(st.text())
def test_json_keeps_its_meaning_when_it_is_made_safe(text: str) -> None:
    document = json.dumps([text, {text: text}], ensure_ascii=False)
    escaped = escape_in_json(document)
    assert json.loads(escaped) == [text, {text: text}]
    assert not forbidden_in(escaped)


def test_json_of_hostile_text_is_safe() -> None:
    escaped = escape_in_json(json.dumps(HOSTILE, ensure_ascii=False))
    assert not forbidden_in(escaped)
    assert json.loads(escaped) == HOSTILE
