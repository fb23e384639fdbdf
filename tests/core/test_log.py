from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.hostile import HOSTILE, forbidden_in
from tui.core.log import Log, setup_log
from tui.core.paths import Paths
from tui.core.secret import Secret

TOKEN = "ABx+yz/12=="
logger = logging.getLogger("tui.services.example")

Start = Callable[..., Log]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Log] = []

    def begin(**options: Any) -> Log:
        started.append(setup_log(Paths.below(tmp_path), **options))
        return started[-1]

    yield begin
    for log in started:
        log.close()


def written(tmp_path: Path) -> str:
    return Paths.below(tmp_path).log_file.read_text(encoding="utf-8")


def test_entries_say_when_how_and_where(start: Start, tmp_path: Path) -> None:
    assert start().reason == ""
    logger.warning("The index is %s", "slow")
    entry = written(tmp_path)
    assert entry.endswith("tui.services.example: The index is slow\n")
    assert " WARNING " in entry


def test_the_file_is_private(start: Start, tmp_path: Path) -> None:
    start()
    assert stat.S_IMODE(Paths.below(tmp_path).log_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("debug", [True, False])
def test_details_are_written_only_for_debugging(start: Start, tmp_path: Path, debug: bool) -> None:
    start(debug=debug)
    logger.debug("a detail")
    assert ("a detail" in written(tmp_path)) is debug


@pytest.mark.parametrize(
    "message",
    [
        TOKEN,
        f"token={TOKEN}!",
        "escaped ABx%2Byz%2F12%3D%3D",
        "AB\x1b[1mx+yz/12==",
        "Authorization: Bearer other-token",
    ],
)
def test_secrets_never_reach_the_file(start: Start, tmp_path: Path, message: str) -> None:
    start(secrets=[Secret(TOKEN)])
    logger.error("%s", message)
    text = written(tmp_path)
    assert "<redacted>" in text
    assert TOKEN not in text
    assert "other-token" not in text


@pytest.mark.parametrize("escape", [repr, json.dumps, quote])
def test_a_secret_is_redacted_however_it_is_escaped(start: Start, tmp_path: Path, escape: Callable[[str], str]) -> None:
    start(secrets=[Secret("""a'b"c\\d""")])
    logger.error("%s", escape("""a'b"c\\d"""))
    assert "<redacted>" in written(tmp_path)


def test_secrets_in_tracebacks_are_redacted(start: Start, tmp_path: Path) -> None:
    log = start()
    log.hide(Secret(TOKEN))
    try:
        raise RuntimeError(f"refused {TOKEN}")
    except RuntimeError:
        logger.exception("failed")
    assert "RuntimeError: refused <redacted>" in written(tmp_path)


def test_an_empty_secret_hides_nothing(start: Start, tmp_path: Path) -> None:
    start(secrets=[Secret("")])
    logger.error("plain words")
    assert written(tmp_path).endswith("plain words\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_cleaned(start: Start, tmp_path: Path, name: str) -> None:
    start()
    logger.error("got %s", HOSTILE[name])
    assert not forbidden_in(written(tmp_path))


def test_a_newline_cannot_forge_an_entry(start: Start, tmp_path: Path) -> None:
    start()
    logger.error("got x\n2026-01-01T00:00:00.000Z ERROR 1 tui.cli: all records deleted")
    _, second = written(tmp_path).splitlines()
    assert second.startswith("    ")


def test_files_rotate_and_stay_private(start: Start, tmp_path: Path) -> None:
    start()
    for _ in range(9):
        logger.info("x" * 900_000)
    files = list(Paths.below(tmp_path).log_file.parent.iterdir())
    assert len(files) == 4
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


@pytest.mark.parametrize("blocked", ["state", "state/ragfood.log/folder"])
def test_a_place_that_cannot_be_written_means_no_log_and_a_reason(start: Start, tmp_path: Path, blocked: str) -> None:
    in_the_way = tmp_path / blocked
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("in the way")
    log = start()
    assert str(tmp_path) in log.reason
    logger.error("nobody hears")


def test_a_full_disk_is_silent(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "ragfood.log").symlink_to("/dev/full")
    start()
    logger.error("lost")
    assert capsys.readouterr().err == ""


def test_nothing_is_printed_and_closing_twice_is_safe(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = start()
    logger.error("only in the file")
    log.close()
    log.close()
    assert capsys.readouterr().err == ""
