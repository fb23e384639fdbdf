from __future__ import annotations

import asyncio
import json
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tui.core.errors import SchemaTooNew, SessionFileError, StorageFull
from tui.core.records import Hit, Record
from tui.core.turns import Citation, Degradation, Turn, TurnState
from tui.services.recorder import SCHEMA, TurnRecorder, read_session

TURN = Turn(
    id="a1",
    asked_at="2026-11-22T12:00:00+00:00",
    question="Soup\u2028with 🍜 and \ud800?",
    state=TurnState.ANSWERED,
    hits=(Hit(Record("pho", "Pho.", {"region": "Vietnam", "spice": {"level": 2}}), 0.5, 0.9, 0.8, 1.0),),
    dropped=(Hit(Record("cake", "Cake."), 0.1),),
    prompt=(("system", "Be brief."), ("user", "Soup?")),
    answer="Pho [1].\n",
    citations=(Citation(1, 5, 6, known=True),),
    degraded=(Degradation("Busy.", "Wait."),),
    timings={"total": 1.5},
)


@pytest.fixture
def recorder(tmp_path: Path) -> TurnRecorder:
    return TurnRecorder(tmp_path / "sessions", "20261122T120000-abc")


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Lets every write beyond `size` bytes of a file fail, as on a full disk: in the middle of a line."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestRecording:
    async def test_begins_with_a_line_that_names_the_format(self, recorder: TurnRecorder) -> None:
        await recorder.record(TURN)
        await recorder.record(TURN)
        lines = recorder.path.read_bytes().split(b"\n")
        assert json.loads(lines[0]) == {"format": "ragfood-session", "schema": SCHEMA}
        assert len(lines) == 4
        assert lines[-1] == b""

    async def test_keeps_everything_of_a_turn(self, recorder: TurnRecorder) -> None:
        await recorder.record(TURN)
        [turn] = read_session(recorder.path)
        assert turn["question"] == "Soup\u2028with 🍜 and ??", "a lone surrogate has no bytes"
        assert turn["state"] == "answered"
        assert turn["hits"] == [
            {
                "id": "pho",
                "score": 0.5,
                "relevance": 0.9,
                "similarity": 0.8,
                "coverage": 1.0,
                "text": "Pho.",
                "metadata": {"region": "Vietnam", "spice": {"level": 2}},
            }
        ]
        assert turn["dropped"][0]["relevance"] is None
        assert turn["prompt"] == [["system", "Be brief."], ["user", "Soup?"]]
        assert turn["citations"] == [{"number": 1, "start": 5, "end": 6, "known": True}]
        assert turn["degraded"] == [{"reason": "Busy.", "hint": "Wait."}]
        assert turn["timings"] == {"total": 1.5}

    async def test_the_last_state_of_each_turn_counts(self, recorder: TurnRecorder) -> None:
        for state in (TurnState.ASKED, TurnState.WRITING):
            await recorder.record(replace(TURN, state=state))
        await recorder.record(replace(TURN, id="b2"))
        await recorder.record(TURN)
        assert [(turn["id"], turn["state"]) for turn in read_session(recorder.path)] == [
            ("a1", "answered"),
            ("b2", "answered"),
        ]

    async def test_is_for_its_owner_only(self, recorder: TurnRecorder) -> None:
        await recorder.record(TURN)
        assert stat.S_IMODE(recorder.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(recorder.path.parent.stat().st_mode) == 0o700

    async def test_many_at_once_keep_their_lines_whole_and_in_order(self, recorder: TurnRecorder) -> None:
        turns = [replace(TURN, id=str(number), answer="x" * 5000) for number in range(40)]
        await asyncio.gather(*map(recorder.record, turns))
        assert [turn["id"] for turn in read_session(recorder.path)] == [turn.id for turn in turns]

    async def test_cancelling_waits_for_the_line_under_way(self, recorder: TurnRecorder) -> None:
        task = asyncio.create_task(recorder.record(TURN))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(read_session(recorder.path)) == 1


class TestStorage:
    async def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "sessions").write_text("in the way")
        with pytest.raises(StorageFull) as caught:
            await TurnRecorder(tmp_path / "sessions", "s").record(TURN)
        assert "cannot be saved" in caught.value.message
        assert "RAGFOOD_HOME" in caught.value.hint

    async def test_a_folder_in_the_place_of_the_file(self, recorder: TurnRecorder) -> None:
        recorder.path.mkdir(parents=True)
        with pytest.raises(StorageFull):
            await recorder.record(TURN)

    async def test_a_full_disk(self, recorder: TurnRecorder) -> None:
        recorder.path.parent.mkdir()
        recorder.path.symlink_to("/dev/full")
        with pytest.raises(StorageFull, match="No space left"):
            await recorder.record(TURN)

    async def test_half_a_line_spoils_no_other(self, recorder: TurnRecorder) -> None:
        await recorder.record(TURN)
        before = recorder.path.read_bytes()
        with files_end_at(len(before) + 100), pytest.raises(StorageFull):
            await recorder.record(replace(TURN, id="b2"))
        assert recorder.path.read_bytes() == before
        await recorder.record(replace(TURN, id="c3"))
        assert [turn["id"] for turn in read_session(recorder.path)] == ["a1", "c3"]

    async def test_half_a_header_neither(self, recorder: TurnRecorder) -> None:
        with files_end_at(10), pytest.raises(StorageFull):
            await recorder.record(TURN)
        await recorder.record(TURN)
        assert [turn["id"] for turn in read_session(recorder.path)] == ["a1"]


class TestReading:
    @pytest.fixture
    async def whole(self, recorder: TurnRecorder) -> bytes:
        await recorder.record(TURN)
        await recorder.record(replace(TURN, id="b2"))
        return recorder.path.read_bytes()

    async def test_a_kill_at_any_byte_costs_at_most_the_line_under_way(
        self, recorder: TurnRecorder, whole: bytes
    ) -> None:
        first = whole.index(b"\n", whole.index(b"\n") + 1) + 1
        for end in range(0, len(whole) + 1, 7):
            recorder.path.write_bytes(whole[:end])
            ids = [turn["id"] for turn in read_session(recorder.path)]
            # A line that lacks nothing but its end of line may count already.
            assert ids in ([], ["a1"]) if end < first else ids in (["a1"], ["a1", "b2"])

    async def test_lines_that_are_no_turns_are_skipped(self, recorder: TurnRecorder, whole: bytes) -> None:
        noise = b'\nnull\n[1]\n{"id": [1]}\n{"no": "id"}\n\xff\xfe\n' + b"[" * 100_000 + b"\n" + b"9" * 5000 + b"\n"
        recorder.path.write_bytes(whole + noise)
        assert [turn["id"] for turn in read_session(recorder.path)] == ["a1", "b2"]

    def test_a_newer_schema_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "s.jsonl"
        path.write_text('{"format":"ragfood-session","schema":2}\n{"id":"x"}\n')
        before = path.read_bytes()
        with pytest.raises(SchemaTooNew, match="newer ragfood") as caught:
            read_session(path)
        assert "Update" in caught.value.hint
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "content",
        ["{}\n", '{"id":"x"}\n', "text\n", '{"format":"ragfood-session"}\n', '{"format":"x","schema":1}\n', "\n"],
    )
    def test_another_file_is_refused(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "other.jsonl"
        path.write_text(content)
        with pytest.raises(SessionFileError, match="not a session"):
            read_session(path)

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(SessionFileError, match="cannot be read"):
            read_session(tmp_path / "none.jsonl")
