from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import HOSTILE, forbidden_in
from tui.core.text import clean, clean_json, clean_line, shorten

ALPHABET = sorted(set("".join(HOSTILE.values()))) + list("\x1b[]0;?m \\P^_X\x9b\x9c\x9d\n\r\t")
attacks = st.lists(
    st.one_of(st.sampled_from(ALPHABET), st.sampled_from(list(HOSTILE.values())[:20]), st.characters()), max_size=30
).map("".join)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_forbidden_survives(name: str) -> None:
    assert not forbidden_in(clean(HOSTILE[name]))
    assert not forbidden_in(clean_line(HOSTILE[name]))
    clean(HOSTILE[name]).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;1;2;3mrgb\x1b[?25l", "rgb"),
        ("\x1b]52;c;cm0=\x07pasted", "pasted"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]0;a title that ESC ends\x1b[31mred", "red"),
        ("\x1bPq#0;2;0\x1b\\sixel", "sixel"),
        ("\x1b_application\x1b\\x\x1b^private\x1b\\y\x1bXstart\x1b\\z", "xyz"),
        ("\x9b31mred\x9d52;c;x\x9cz", "redz"),
        ("\x1bcreset \x1b(Bascii", "reset ascii"),
        ("end\x1b", "end"),
        ("end\x1b[", "end"),
    ],
)
def test_whole_terminal_sequences_go_without_litter(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_text_after_a_string_that_never_ends_is_not_hidden() -> None:
    assert clean("\x1b]0;open\nthe answer\nmore") == "0;open\nthe answer\nmore"


def test_every_line_end_becomes_a_newline() -> None:
    assert clean("a\r\nb\rc\x85d\u2028e\u2029f\x0bg\x0ch\n") == "a\nb\nc\nd\ne\nf\ng\nh\n"


def test_newlines_and_tabs_stay() -> None:
    assert clean("a\tb\nc") == "a\tb\nc"


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧",
        "✈\ufe0f",
        "می\u200cخواهم",
        "क्\u200dष",
        "葛\U000e0100",
        "Crème brûlée",
        "日本語",
        "한글",
        "עברית",
    ],
)
def test_scripts_and_emoji_stay_as_they_are(text: str) -> None:
    assert clean(text) == text


def test_a_row_of_variation_selectors_is_cut_to_one() -> None:
    assert clean("x\ufe0f\U000e0101\U000e0102y") == "x\ufe0fy"


def test_lone_surrogates_are_replaced() -> None:
    assert clean("a\ud800b") == "a\ufffdb"


def test_markup_is_left_to_whoever_draws() -> None:
    assert clean("[@click=app.quit]x[/] <think>") == "[@click=app.quit]x[/] <think>"


@given(attacks)
def test_clean_is_idempotent_and_leaves_nothing_forbidden(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not forbidden_in(once)
    assert not any(unicodedata.category(mark) in {"Cc", "Cs"} and mark not in "\n\t" for mark in once)


@given(st.lists(attacks, max_size=5))
def test_chunks_cleaned_one_by_one_join_to_clean_text(chunks: list[str]) -> None:
    assert not forbidden_in("".join(clean(chunk) for chunk in chunks))


@given(attacks)
def test_clean_line_is_one_trimmed_line(text: str) -> None:
    line = clean_line(text)
    assert clean_line(line) == line
    assert len(line.splitlines()) <= 1
    assert line == line.strip()


@given(st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u3164"), max_size=50))
def test_letters_numbers_and_signs_are_never_changed(text: str) -> None:
    assert clean(text) == text


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "piece",
    ["\x1b]", "\x1b[0;", "\x1b[31m", "\x1bP\x1b", "\x1b ", "\x9d", "\ud800", "\ufe0f", "\r", "plain \n", "\x00"],
)
def test_megabytes_take_linear_time(piece: str) -> None:
    clean(piece * (2_000_000 // len(piece)))
    clean("\x1b]" + piece * (2_000_000 // len(piece)))


def test_clean_json_reaches_every_string_and_key() -> None:
    dirty = {"a\x1b[1mb\n": ["x\x00", {"k": "y\u202e"}, 1, 2.5, True, None]}
    assert clean_json(dirty) == {"ab": ["x", {"k": "y"}, 1, 2.5, True, None]}


def test_shorten_quotes_safely() -> None:
    assert shorten("a\n b\x1b[31m") == "a b"
    assert shorten("x" * 1_000_000, 10) == "x" * 9 + "…"
