from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_models import EMBEDDER
from tests.hostile import forbidden_in
from tests.services.asking_kitchen import FOODS, Kitchen
from tui.core.paths import Paths
from tui.core.records import Finding
from tui.core.secret import Secret
from tui.core.settings import Settings, load_settings
from tui.services.doctor import ERROR, OK, WARNING, examine


async def examined(kitchen: Kitchen, *, foods: Path | None = None, **settings: Any) -> dict[str, Finding]:
    services = kitchen.services(**settings)
    findings = await examine(
        services.settings, kitchen.paths, foods or kitchen.foods, services.index, services.answerer
    )
    for finding in findings:
        assert finding.severity in (OK, WARNING, ERROR)
        assert finding.severity == OK or finding.hint, f"{finding.check} says no fix"
        assert not forbidden_in(finding.message + finding.hint)
    return {finding.check: finding for finding in findings}


async def shown_settings(settings: Settings, kitchen: Kitchen) -> str:
    services = kitchen.services()
    findings = await examine(settings, kitchen.paths, kitchen.foods, services.index, services.answerer)
    return next(finding.message for finding in findings if finding.check == "settings")


async def test_everything_is_fine(kitchen_with_model: Kitchen) -> None:
    await kitchen_with_model.services().filling.wait()
    findings = await examined(kitchen_with_model)
    assert [finding.check for finding in findings.values() if finding.severity != OK] == []
    assert findings["answer model"].message == "llama3.2 is ready."
    assert "4 foods" in findings["foods file"].message
    assert "Python 3" in findings["program"].message
    assert "4 records" in findings["records"].message


async def test_a_fresh_clone_needs_nothing_but_a_model(kitchen: Kitchen) -> None:
    findings = await examined(kitchen)
    assert [finding.check for finding in findings.values() if finding.severity != OK] == ["answer model"]


async def test_ollama_is_not_running(kitchen: Kitchen) -> None:
    finding = (await examined(kitchen))["answer model"]
    assert finding.severity == WARNING
    assert finding.message.startswith("Ollama is not running at")
    assert "extracts" in finding.message


async def test_the_model_is_missing(kitchen_with_model: Kitchen, ollama: OllamaEmulator) -> None:
    ollama.world.models.clear()
    ollama.install(EMBEDDER)
    finding = (await examined(kitchen_with_model))["answer model"]
    assert (finding.severity, "ollama pull llama3.2" in finding.hint) == (WARNING, True)


@pytest.mark.parametrize("content", ["no json", "{}", "[]", None])
async def test_a_foods_file_that_cannot_be_used(kitchen: Kitchen, content: str | None) -> None:
    if content is None:
        kitchen.foods.unlink()
    else:
        kitchen.foods.write_text(content)
    assert (await examined(kitchen))["foods file"].severity == ERROR


async def test_a_foods_file_with_bad_rows(kitchen: Kitchen) -> None:
    kitchen.write_foods([*FOODS, {"id": "x"}, {"id": "pho", "text": "Again."}])
    finding = (await examined(kitchen))["foods file"]
    assert finding.severity == WARNING
    assert "4 foods, 2 rows refused; row 5:" in finding.message


async def test_a_corrupt_index_file(kitchen: Kitchen) -> None:
    kitchen.paths.index_file.parent.mkdir(parents=True)
    kitchen.paths.index_file.write_bytes(b"no database" * 1000)
    findings = await examined(kitchen)
    assert findings["index file"].severity == ERROR
    assert findings["foods file"].severity == OK, "the rest is examined all the same"
    assert findings["answer model"].severity == WARNING


async def test_an_empty_index(kitchen: Kitchen) -> None:
    await kitchen.services().index.reset()
    assert (await examined(kitchen))["records"].severity == WARNING


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.write_text("a file in its place"),
        pytest.param(
            lambda folder: folder.mkdir(mode=0o500),
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere"),
        ),
    ],
)
async def test_a_folder_that_cannot_be_written(
    kitchen: Kitchen, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    services = kitchen.services()
    paths = Paths.below(tmp_path)
    spoil(paths.data)
    findings = await examine(services.settings, paths, kitchen.foods, services.index, services.answerer)
    finding = next(each for each in findings if each.check == "data folder")
    assert (finding.severity, "RAGFOOD_HOME" in finding.hint) == (ERROR, True)


async def test_a_folder_that_does_not_exist_yet_is_fine(kitchen: Kitchen, tmp_path: Path) -> None:
    services = kitchen.services()
    paths = Paths.below(tmp_path / "far" / "away")
    findings = await examine(services.settings, paths, kitchen.foods, services.index, services.answerer)
    assert next(each for each in findings if each.check == "data folder").severity == OK
    assert not paths.data.exists()


class TestSettings:
    async def test_defaults_are_not_listed(self, kitchen: Kitchen) -> None:
        assert await shown_settings(Settings(), kitchen) == "All settings have their defaults."

    async def test_others_are_shown_with_their_source(self, kitchen: Kitchen, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("RAGFOOD_TOP_K=5\n")
        environ = {"RAGFOOD_MODEL": "gemma3"}
        settings = load_settings(environ=environ, cwd=tmp_path, paths=kitchen.paths, overrides={"namespace": "test"})
        shown = await shown_settings(settings, kitchen)
        assert "model = gemma3 (environment)" in shown
        assert f"top_k = 5 ({tmp_path / '.env'})" in shown
        assert "namespace = test (command line)" in shown

    async def test_tokens_addresses_and_passwords_stay_hidden(self, kitchen: Kitchen, tmp_path: Path) -> None:
        environ = {
            "UPSTASH_VECTOR_REST_URL": "https://private-name-eu1-vector.upstash.io",
            "UPSTASH_VECTOR_REST_TOKEN": "ABoFMHRva2Vu",
            "OLLAMA_HOST": "http://me:p4ssw0rd@127.0.0.1:11434",
        }
        settings = load_settings(environ=environ, cwd=tmp_path, paths=kitchen.paths)
        shown = await shown_settings(settings, kitchen)
        assert "upstash_url is set (environment)" in shown
        assert "upstash_token is set (environment)" in shown
        assert "ollama_host = …@127.0.0.1:11434 (environment)" in shown
        for hidden in ("private-name", "ABoFMHRva2Vu", "p4ssw0rd"):
            assert hidden not in json.dumps(shown)

    async def test_a_secret_is_hidden_wherever_it_stands(self, kitchen: Kitchen) -> None:
        settings = Settings(upstash_token=Secret("hide-me"), sources={"upstash_token": "environment"})
        assert "hide-me" not in await shown_settings(settings, kitchen)

    async def test_hostile_values_are_shown_safely(self, kitchen: Kitchen) -> None:
        settings = Settings(model="evil\x1b[2J\u202e" + "x" * 5000, sources={"model": "environment"})
        shown = await shown_settings(settings, kitchen)
        assert not forbidden_in(shown)
        assert len(shown) < 200
