"""The options before the commands, help, version, and which source of a setting wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import ragfood, write_foods
from tests.cli.conftest import Call

COMMANDS = [
    (),
    ("ask",),
    ("search",),
    ("eval",),
    ("doctor",),
    ("index",),
    *(("index", name) for name in ("plan", "upsert", "stats", "list", "delete", "reset", "export", "restore")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_for_every_command(call: Call, command: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        done = call(*command, option)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Usage: ragfood")
        assert max(map(len, done.out.split("\n"))) <= 80


def test_help_and_version_work_with_settings_that_do_not(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGFOOD_TOP_K", "many")
    assert call("ask", "--help").code == 0
    version = call("--version")
    assert version.code == 0
    assert version.out.startswith("ragfood ")
    assert call("index", "stats").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask",), "Missing argument 'QUESTION'"),
        (("ask", "a", "b"), "unexpected extra argument"),
        (("bogus",), "No such command 'bogus'"),
        (("ask", "x", "--bogus"), "No such option"),
        (("ask", "x", "--top-k", "0"), "--top-k"),
        (("ask", "x", "--top-k", "1001"), "--top-k"),
        (("ask", "x", "--top-k", "many"), "--top-k"),
        (("ask", "x", "--min-relevance", "1.1"), "--min-relevance"),
        (("ask", "x", "--min-relevance", "nan"), "--min-relevance"),
        (("search", "x", "--mode", "both"), "--mode"),
        (("index", "plan", "--first", "0"), "--first"),
        (("index", "list", "--limit", "0"), "--limit"),
        (("index", "delete"), "Missing argument"),
        (("--index", "cloud", "doctor"), "--index"),
        (("--namespace", "a/b", "doctor"), "--namespace"),
        (("--env-file", "missing.env", "doctor"), "missing.env"),
        (("--config", "missing.toml", "doctor"), "missing.toml"),
        (("\x1b[31mred\x07",), "No such command"),
    ],
)
def test_a_command_line_that_cannot_work_is_a_usage_error(call: Call, arguments: tuple[str, ...], said: str) -> None:
    message = call(*arguments).sentence()
    assert said in message
    assert message.startswith("ragfood: ")
    assert not set("\x1b\x07") & set(message)


def test_bytes_that_are_no_text_in_an_argument(home: Path) -> None:
    done = ragfood("index", "upsert", "caf\udce9.json", home=home)
    assert "There is no file caf�.json" in done.sentence()


def test_precedence_from_the_command_line_down_to_the_default(
    call: Call, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def namespace(*options: str) -> str:
        return str(call(*options, "index", "stats", "--json").document["namespace"])

    assert namespace() == ""
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text('namespace = "from-config"\n')
    assert namespace() == "from-config"
    (tmp_path / "other.toml").write_text('namespace = "from-other-config"\n')
    assert namespace("--config", "other.toml") == "from-other-config"
    (tmp_path / ".env").write_text("RAGFOOD_NAMESPACE=from-dot-env\n")
    assert namespace() == "from-dot-env"
    (tmp_path / "production.env").write_text("RAGFOOD_NAMESPACE=from-production\n")
    assert namespace("--env-file", "production.env") == "from-production"
    monkeypatch.setenv("RAGFOOD_NAMESPACE", "from-environment")
    assert namespace("--env-file", "production.env") == "from-environment"
    assert namespace("--namespace", "from-command-line") == "from-command-line"


def test_settings_decide_what_options_leave_open(filled: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGFOOD_TOP_K", "5")
    monkeypatch.setenv("RAGFOOD_MIN_RELEVANCE", "0")
    question = ("ask", "How do I mend my car?", "--no-llm", "--json")
    assert len(call(*question).document["sources"]) == 5
    assert len(call(*question, "--top-k", "2").document["sources"]) == 2
    assert call(*question, "--min-relevance", "0.99").document["refused"]
    assert len(call("search", "soup", "--json").document["hits"]) == 5


def test_the_default_namespace_can_be_asked_for_by_name(filled: Path, call: Call, monkeypatch) -> None:
    monkeypatch.setenv("RAGFOOD_NAMESPACE", "elsewhere")
    assert call("--namespace", "", "index", "stats", "--json").document["records"] == 150


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"UPSTASH_VECTOR_REST_URL": "https://x.upstash.io"}, "UPSTASH_VECTOR_REST_TOKEN is not"),
        ({"UPSTASH_VECTOR_REST_TOKEN": "s3cr3t"}, "UPSTASH_VECTOR_REST_URL is not"),
        ({"UPSTASH_VECTOR_REST_URL": "htp://:x", "UPSTASH_VECTOR_REST_TOKEN": "s3cr3t"}, "UPSTASH_VECTOR_REST_URL"),
        ({"UPSTASH_VECTOR_REST_URL": "http://x.io", "UPSTASH_VECTOR_REST_TOKEN": "s3cr3t"}, "https://"),
        ({"OLLAMA_HOST": "http://:::bad"}, "OLLAMA_HOST"),
        ({"OLLAMA_HOST": "ftp://127.0.0.1"}, "OLLAMA_HOST"),
        ({"RAGFOOD_TOP_K": "many"}, "RAGFOOD_TOP_K"),
        ({"RAGFOOD_MIN_RELEVANCE": "2"}, "RAGFOOD_MIN_RELEVANCE"),
        ({"RAGFOOD_RATE_LIMIT": "often"}, "RAGFOOD_RATE_LIMIT"),
        ({"RAGFOOD_INDEX": "cloud"}, "RAGFOOD_INDEX"),
        ({"RAGFOOD_REDACT": "on"}, "RAGFOOD_REDACT"),
        ({"RAGFOOD_EMBED_MODEL": "mxbai-embed-large"}, "RAGFOOD_EMBED_MODEL"),
    ],
)
def test_settings_that_cannot_work(call: Call, monkeypatch, variables: dict[str, str], said: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for command in (("ask", "x"), ("doctor",), ("index", "stats", "--json")):
        message = call(*command).sentence()
        assert said in message
        assert "s3cr3t" not in message


def test_an_unknown_key_names_the_nearest(call: Call, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text('namespaec = "x"\n')
    assert "namespace" in call("index", "stats").sentence()


def test_debug_writes_more_into_the_log(filled: Path, call: Call, home: Path, foods: Path) -> None:
    log = home / "state" / "ragfood.log"
    assert call("--debug", "search", "soup").code == 0
    assert log.exists()
    assert log.stat().st_mode & 0o077 == 0


def test_a_token_never_reaches_the_log_or_the_screen(call: Call, home: Path, monkeypatch) -> None:
    monkeypatch.setenv("UPSTASH_VECTOR_REST_URL", "https://x.upstash.io")
    monkeypatch.setenv("UPSTASH_VECTOR_REST_TOKEN", "s3cr3t-token")
    refused = call("--debug", "ask", "x")
    assert refused.code == 2
    done = call("--debug", "--index", "embedded", "doctor", "--json")
    assert done.code == 0
    log = home / "state" / "ragfood.log"
    assert "s3cr3t" not in refused.err + done.out + done.err + log.read_text()


def test_the_foods_file_is_found_from_where_it_is_named(call: Call, tmp_path: Path, foods: Path) -> None:
    (tmp_path / "project").mkdir()
    write_foods(tmp_path / "project" / "own.json", [{"id": "own", "text": "My own dish."}])
    (tmp_path / "project" / "my.env").write_text("RAGFOOD_FOODS=own.json\n")
    assert call("--env-file", "project/my.env", "index", "plan", "--json").document["new"] == ["own"]
