"""What must load late, seen from outside: in fresh processes, by `sys.modules`; and the contracts of the house."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

HEAVY = {"textual", "numpy", "httpx"}
BELOW_THE_APP = {
    "numpy",
    "httpx",
    "msgspec",
    "orjson",
    "tokenizers",
    "safetensors",
    "wordllama",
    "Stemmer",
    "sqlite3",
    "upstash_vector",
    "tui.engine.database",
    "tui.engine.store",
    "tui.embed.builtin",
}

COMMANDS = ["", "ask", "search", "eval", "doctor", "index", "index plan", "index upsert", "index stats"]
COMMANDS += ["index list", "index delete", "index reset", "index export", "index restore"]

_REPORT = """
import sys
{code}
with open({report!r}, "w") as file:
    file.write("\\n".join(sys.modules))
"""


def loaded_by(code: str, tmp_path: Path) -> set[str]:
    """The modules that are there after `code` ran in a fresh interpreter."""
    report = tmp_path / "modules.txt"
    done = subprocess.run(
        [sys.executable, "-c", _REPORT.format(code=code, report=str(report))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "RAGFOOD_HOME": str(tmp_path / "home"),
            "OLLAMA_HOST": "127.0.0.1:1",
        },
    )
    assert done.returncode == 0, done.stderr
    return set(report.read_text().split("\n"))


def running(*command_lines: str) -> str:
    """Code that runs commands, one after the other, in one process: the last sees all that any of them loaded."""
    calls = [f"assert run({line.split()!r}) == 0, {line!r}" for line in command_lines]
    return "\n".join(["from tui.cli import run", *calls])


def test_help_and_version_load_nothing_heavy(tmp_path: Path) -> None:
    lines = ["--version", *(f"{command} --help".strip() for command in COMMANDS)]
    loaded = loaded_by(running(*lines), tmp_path)
    assert "click" in loaded
    assert not loaded & (HEAVY | BELOW_THE_APP | {"asyncio", "tui.wiring", "tui.app"})


def test_the_app_loads_what_is_below_it_only_later(tmp_path: Path) -> None:
    loaded = loaded_by("import tui.app", tmp_path)
    assert "textual" in loaded
    assert not loaded & BELOW_THE_APP


def test_the_way_to_the_first_paint_loads_no_model_and_no_http(tmp_path: Path) -> None:
    """As `ragfood` opens the app: its settings are checked, its class is made, nothing is asked of the index yet."""
    code = (
        "import tui.app\n"
        "from tui.cli.root import open_app\n"
        "from tui.core.settings import Settings\n"
        "from tui.wiring import check_settings\n"
        "check_settings(Settings())"
    )
    assert not loaded_by(code, tmp_path) & (BELOW_THE_APP | {"tui.index.embedded", "tui.llm.ollama"})


def test_stats_need_no_model_and_no_http(tmp_path: Path) -> None:
    (tmp_path / "foods.json").write_text('[{"id": "pho", "text": "Pho is a noodle soup."}]')
    loaded_by(running("index upsert foods.json"), tmp_path)
    loaded = loaded_by(running("index stats", "index stats --json"), tmp_path)
    assert "sqlite3" in loaded
    assert not loaded & {"textual", "httpx", "tokenizers", "wordllama", "Stemmer"}


def test_no_command_loads_textual(tmp_path: Path) -> None:
    loaded = loaded_by(running("ask soup --no-llm --json", "index plan", "doctor"), tmp_path)
    assert "tokenizers" in loaded
    assert "textual" not in loaded


def test_an_answer_without_a_model_needs_no_http(tmp_path: Path) -> None:
    assert "httpx" not in loaded_by(running("ask soup --no-llm --json"), tmp_path)


def test_core_needs_nothing_that_has_to_be_installed_to_be_imported(tmp_path: Path) -> None:
    names = [path.stem for path in (ROOT / "tui" / "core").glob("*.py") if path.stem != "__init__"]
    code = "\n".join(f"import tui.core.{name}" for name in names)
    assert not loaded_by(code, tmp_path) & (HEAVY | BELOW_THE_APP | {"click", "platformdirs", "dotenv", "asyncio"})


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("lint-imports", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "import-linter is not installed: pip install -e .[test]"
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # Only the package of this folder, not one that happens to be installed.
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "HOME": str(folder)},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, to be broken."""
    shutil.copytree(ROOT / "tui", tmp_path / "tui", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


FORBIDDEN = [
    ("core/text.py", "from tui.engine import scoring", "Rooms only look down the house"),
    ("engine/scoring.py", "from tui.embed import bm25", "Rooms only look down the house"),
    ("embed/bm25.py", "import tui.index.base", "Rooms only look down the house"),
    ("index/base.py", "import tui.llm.base", "Rooms only look down the house"),
    ("llm/base.py", "import tui.index.base", "Rooms only look down the house"),
    ("llm/base.py", "from tui.services import asking", "Rooms only look down the house"),
    ("services/asking.py", "from tui.widgets import prompt", "Rooms only look down the house"),
    ("widgets/prompt.py", "from tui.screens import chat", "Rooms only look down the house"),
    ("screens/chat.py", "import tui.app", "Rooms only look down the house"),
    ("app.py", "import tui.wiring", "Rooms only look down the house"),
    ("wiring.py", "import tui.cli", "Rooms only look down the house"),
    ("services/asking.py", "from tui.index import embedded", "Services know Protocols, not adapters"),
    ("services/asking.py", "from tui.llm import ollama", "Services know Protocols, not adapters"),
    ("services/retrieval.py", "from tui.engine import scoring", "Services know Protocols, not adapters"),
    ("services/retrieval.py", "from tui.embed import bm25", "Services know Protocols, not adapters"),
]


@pytest.mark.parametrize(("file", "line", "contract"), FORBIDDEN, ids=[f"{row[0]}: {row[1]}" for row in FORBIDDEN])
def test_a_forbidden_import_breaks_its_contract(copy: Path, file: str, line: str, contract: str) -> None:
    path = copy / "tui" / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout
