from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.llm.ndjson import LineBuffer, LineTooLong


def test_a_line_may_come_in_many_pieces_and_a_piece_may_hold_many_lines() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b'{"a"') == []
    assert buffer.feed(b':1}\n{"b":2}\n{"c"') == [b'{"a":1}', b'{"b":2}']
    assert buffer.feed(b":3}") == []
    assert buffer.rest() == b'{"c":3}'
    assert buffer.rest() == b""


def test_only_a_newline_ends_a_line() -> None:
    line = '"\u0085\u2028\u2029\x0b\x0c\x1c"\r'.encode()
    assert LineBuffer().feed(line + b"\n") == [line]


def test_blank_lines_are_skipped() -> None:
    assert LineBuffer().feed(b"\n \r\n\n1\n\n") == [b"1"]


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 6, b"x" * 6], [b"x" * 11 + b"\n"], [b"1\n" + b"x" * 11]])
def test_a_line_without_end_is_refused(chunks: list[bytes]) -> None:
    buffer = LineBuffer(limit=10)
    for chunk in chunks[:-1]:
        buffer.feed(chunk)
    with pytest.raises(LineTooLong):
        buffer.feed(chunks[-1])


@given(
    st.lists(st.binary().map(lambda line: b"x" + line.replace(b"\n", b""))), st.lists(st.integers(1, 40), min_size=1)
)
def test_the_lines_do_not_depend_on_how_they_were_cut(lines: list[bytes], sizes: list[int]) -> None:
    body, buffer, found, offset, turn = b"\n".join(lines) + b"\n", LineBuffer(), [], 0, 0
    while offset < len(body):
        size = sizes[turn % len(sizes)]
        found += buffer.feed(body[offset : offset + size])
        offset, turn = offset + size, turn + 1
    assert found == lines
    assert buffer.rest() == b""
