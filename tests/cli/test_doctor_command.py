from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.emulators.ollama import OllamaEmulator


def by_check(document: dict) -> dict[str, dict]:
    return {finding["check"]: finding for finding in document["findings"]}


def test_what_is_there_and_what_is_missing_with_its_fix(filled: Path, call: Call) -> None:
    done = call("doctor", "--json")
    assert done.code == 0
    assert done.document["ok"]
    found = by_check(done.document)
    assert found["foods file"]["message"].endswith("150 foods.")
    assert found["answer model"]["severity"] == "warning"
    assert "ollama serve" in found["answer model"]["hint"]
    assert all(finding["hint"] for finding in found.values() if finding["severity"] != "ok")


def test_for_people(filled: Path, call: Call, home: Path) -> None:
    done = call("doctor")
    assert "ok       foods file: " in done.out
    assert "\nwarning  answer model: Ollama is not running" in done.out
    assert "         → Start it with `ollama serve`" in done.out
    assert f"log: {home / 'state' / 'ragfood.log'}" in done.out


def test_doctor_fills_nothing(call: Call) -> None:
    assert call("doctor").code == 0
    assert call("index", "stats", "--json").document["records"] == 0


def test_a_running_model(filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    model = by_check(call("doctor", "--json").document)["answer model"]
    assert (model["severity"], model["message"]) == ("ok", "llama3.2 is ready.")


def test_a_foods_file_that_cannot_be_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGFOOD_FOODS", "missing.json")
    done = call("doctor", "--json")
    assert done.code == 1
    assert not done.document["ok"]
    assert by_check(done.document)["foods file"]["severity"] == "error"


def test_a_corrupt_index_is_a_finding(filled: Path, call: Call) -> None:
    (filled / "data" / "index.db").write_bytes(b"nonsense" * 1000)
    done = call("doctor", "--json")
    assert done.code == 1
    broken = [finding for finding in done.document["findings"] if finding["severity"] == "error"]
    assert broken
    assert all(finding["hint"] for finding in broken)
