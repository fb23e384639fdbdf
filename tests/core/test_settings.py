from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import HOSTILE, forbidden_in
from tui.core.errors import SettingsError
from tui.core.paths import Paths
from tui.core.records import IndexKind
from tui.core.secret import Secret
from tui.core.setting_sources import Given
from tui.core.setting_values import RateLimit, UpstashPlan
from tui.core.settings import SETTINGS, Settings, load_settings

URL = "https://demo-eu1-vector.upstash.io"
TOKEN = "ABcd=="
PAIR = {"UPSTASH_VECTOR_REST_URL": URL, "UPSTASH_VECTOR_REST_TOKEN": TOKEN}

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads settings in an empty installation; `env` and `toml` are the contents of the two usual files."""

    def load(environ: dict[str, str] | None = None, *, env: str = "", toml: str = "", **more: Any) -> Settings:
        (tmp_path / "work").mkdir(exist_ok=True)
        (tmp_path / "home" / "config").mkdir(parents=True, exist_ok=True)
        if env:
            (tmp_path / "work" / ".env").write_text(env, encoding="utf-8")
        if toml:
            (tmp_path / "home" / "config" / "config.toml").write_text(toml, encoding="utf-8")
        return load_settings(environ=environ or {}, cwd=tmp_path / "work", paths=Paths.below(tmp_path / "home"), **more)

    return load


def refused(load: Load, *args: object, **options: object) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(*args, **options)
    assert caught.value.exit_code == 2
    assert not forbidden_in(str(caught.value) + caught.value.hint)
    return caught.value


def test_without_any_source_the_defaults_hold(load: Load, tmp_path: Path) -> None:
    settings = load()
    assert settings == dataclasses.replace(
        Settings(), chroma_dir=tmp_path / "work" / "chroma_db", sources=settings.sources
    )
    assert settings.index_kind is IndexKind.EMBEDDED
    assert {settings.source_of(setting.name) for setting in SETTINGS} == {"default"}


def test_every_setting_is_read_from_the_environment(load: Load, tmp_path: Path) -> None:
    settings = load(
        {
            **PAIR,
            "RAGFOOD_UPSTASH_PLAN": "PayG",
            "RAGFOOD_INDEX": "upstash",
            "RAGFOOD_NAMESPACE": "küche 1",
            "RAGFOOD_FOODS": "mine.json",
            "OLLAMA_HOST": "http://box:8080",
            "OLLAMA_API_KEY": "sk-1",
            "RAGFOOD_MODEL": "qwen3:4b",
            "RAGFOOD_EMBED_MODEL": "mxbai-embed-large",
            "RAGFOOD_TOP_K": " 7 ",
            "RAGFOOD_MIN_RELEVANCE": "0.25",
            "RAGFOOD_RATE_LIMIT": "5/1m",
            "RAGFOOD_REDACT": "on",
            "RAGFOOD_CHROMA_DIR": "/old",
            "RAGFOOD_CHROMA_COLLECTION": "food",
        }
    )
    assert settings == Settings(
        upstash_url=URL,
        upstash_token=Secret(TOKEN),
        upstash_plan=UpstashPlan.PAYG,
        index=IndexKind.UPSTASH,
        namespace="küche 1",
        foods=tmp_path / "work" / "mine.json",
        ollama_host="http://box:8080",
        ollama_api_key=Secret("sk-1"),
        model="qwen3:4b",
        embed_model="mxbai-embed-large",
        top_k=7,
        min_relevance=0.25,
        rate_limit=RateLimit(5, 60),
        redact=True,
        chroma_dir=Path("/old"),
        chroma_collection="food",
        sources=settings.sources,
    )
    assert {settings.source_of(setting.name) for setting in SETTINGS} == {"environment"}


def test_every_setting_is_read_from_config_toml(load: Load, tmp_path: Path) -> None:
    settings = load(
        toml=f"""
        upstash_url = "{URL}/"
        upstash_token = "{TOKEN}"
        upstash_plan = "fixed"
        index = "auto"
        namespace = ""
        foods = "mine.json"
        ollama_host = "box"
        model = "m"
        embed_model = "builtin"
        top_k = 9
        min_relevance = 1
        rate_limit = "5000/h"
        redact = true
        chroma_dir = "old"
        chroma_collection = "food"
        [keys]
        "chat.stop" = "f9"
        chat.send = "ctrl+s"
        """
    )
    config = tmp_path / "home" / "config"
    assert settings.upstash_url == URL
    assert settings.index_kind is IndexKind.UPSTASH
    assert settings.foods == config / "mine.json"
    assert settings.chroma_dir == config / "old"
    assert (settings.top_k, settings.min_relevance, settings.redact) == (9, 1.0, True)
    assert settings.rate_limit == RateLimit(5000, 3600)
    assert settings.keys == {"chat.stop": "f9", "chat.send": "ctrl+s"}
    assert settings.source_of("upstash_token") == str(config / "config.toml")


def test_nearer_sources_win(load: Load, tmp_path: Path) -> None:
    files = {"env": "RAGFOOD_MODEL=b\nRAGFOOD_TOP_K=2\n", "toml": 'model = "a"\ntop_k = 1\nredact = true'}
    settings = load({"RAGFOOD_MODEL": "c"}, **files, overrides={"model": "d", "top_k": None})
    assert (settings.model, settings.source_of("model")) == ("d", "command line")
    assert (settings.top_k, settings.source_of("top_k")) == (2, str(tmp_path / "work" / ".env"))
    assert settings.source_of("redact") == str(tmp_path / "home" / "config" / "config.toml")
    assert load({"RAGFOOD_MODEL": "c"}, **files).model == "c"
    assert load(**files).model == "b"


def test_blank_variables_count_as_unset(load: Load) -> None:
    blank = {setting.variable: "  " for setting in SETTINGS}
    assert load(blank, env="RAGFOOD_MODEL=\nRAGFOOD_TOP_K\n", toml='model = "a"').model == "a"


def test_an_empty_namespace_on_the_command_line_means_the_default_one(load: Load) -> None:
    assert load({"RAGFOOD_NAMESPACE": "x"}, overrides={"namespace": ""}).namespace == ""


@pytest.mark.parametrize("value", [IndexKind.EMBEDDED, "embedded", "EMBEDDED"])
def test_options_may_be_values_or_texts(load: Load, value: object) -> None:
    settings = load(PAIR, overrides={"index": value, "top_k": 4, "min_relevance": 0.5, "foods": Path("f.json")})
    assert (settings.index, settings.top_k, settings.min_relevance) == (IndexKind.EMBEDDED, 4, 0.5)


class TestUpstashPair:
    @pytest.mark.parametrize("present", PAIR)
    def test_one_without_the_other_names_the_missing_one(self, load: Load, present: str) -> None:
        (missing,) = PAIR.keys() - {present}
        error = refused(load, {present: PAIR[present]})
        assert error.message == f"{present} is set (environment), but {missing} is not."
        assert missing in error.hint
        assert TOKEN not in error.message

    @pytest.mark.parametrize("index", ["embedded", "chroma"])
    @pytest.mark.parametrize("half", [{"UPSTASH_VECTOR_REST_URL": "nonsense"}, {"UPSTASH_VECTOR_REST_TOKEN": TOKEN}])
    def test_it_does_not_matter_for_another_index(self, load: Load, index: str, half: dict[str, str]) -> None:
        settings = load({**half, "RAGFOOD_INDEX": index})
        assert settings.upstash_url == ""
        assert not settings.upstash_token

    def test_a_stray_env_file_cannot_redirect_a_token(self, load: Load, tmp_path: Path) -> None:
        error = refused(
            load, {"UPSTASH_VECTOR_REST_TOKEN": TOKEN}, env="UPSTASH_VECTOR_REST_URL=https://evil.example\n"
        )
        assert "A token is sent only to an address from the same source" in error.message
        assert "(environment)" in error.message
        assert str(tmp_path / "work" / ".env") in error.message

    def test_a_stray_env_file_cannot_overrule_a_pair(self, load: Load) -> None:
        settings = load(PAIR, env="UPSTASH_VECTOR_REST_URL=https://evil.example\nUPSTASH_VECTOR_REST_TOKEN=x\n")
        assert settings.upstash_url == URL
        assert settings.upstash_token == Secret(TOKEN)
        assert settings.source_of("upstash_url") == settings.source_of("upstash_token") == "environment"

    def test_an_address_does_not_borrow_a_token_from_below(self, load: Load) -> None:
        refused(load, {"UPSTASH_VECTOR_REST_URL": URL}, env=f"UPSTASH_VECTOR_REST_TOKEN={TOKEN}\n")
        refused(load, env=f"UPSTASH_VECTOR_REST_URL={URL}", toml=f'upstash_token = "{TOKEN}"')

    def test_an_env_file_may_bring_both(self, load: Load, tmp_path: Path) -> None:
        settings = load(env=f'UPSTASH_VECTOR_REST_URL="{URL}"\nexport UPSTASH_VECTOR_REST_TOKEN="{TOKEN}"\n')
        assert settings.upstash_token.reveal() == TOKEN
        assert settings.source_of("upstash_token") == str(tmp_path / "work" / ".env")

    def test_upstash_without_both_is_refused(self, load: Load) -> None:
        error = refused(load, overrides={"index": "upstash"})
        assert "command line" in error.message
        assert ".env" in error.hint

    def test_settings_never_show_the_token(self, load: Load) -> None:
        assert TOKEN not in repr(load(PAIR))
        assert TOKEN not in repr(Given(TOKEN, "UPSTASH_VECTOR_REST_TOKEN", "environment"))

    def test_nor_does_a_password_in_the_address_of_ollama(self, load: Load) -> None:
        settings = load({"OLLAMA_HOST": "https://me:hunter2@kitchen.example"})
        assert settings.ollama_host == "https://me:hunter2@kitchen.example"
        assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.Example/", "https://a.example"),
        ("https://a.example:8443/Name//", "https://a.example:8443/Name"),
        ("http://localhost:8080/NAME", "http://localhost:8080/NAME"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_addresses_that_are_taken(load: Load, given: str, kept: str) -> None:
    assert load({**PAIR, "UPSTASH_VECTOR_REST_URL": given}).upstash_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "demo.upstash.io",
        "http://demo.upstash.io",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://a.example",
        "https://",
        "https://user:pass@a.example",
        "https://a.example@evil.example",
        "https://a.example?x=1",
        "https://a.example/#x",
        "https://a.example:99999",
        "https://a.example:port",
        "https://a b.example",
        "https://a.example/\x00",
        "https://-.example",
        "https://[::1",
        "https://ä.example",
        "file:///etc/passwd",
        TOKEN,
        *HOSTILE.values(),
    ],
)
def test_addresses_that_are_refused(load: Load, url: str) -> None:
    error = refused(load, {**PAIR, "UPSTASH_VECTOR_REST_URL": url})
    assert error.message.startswith("UPSTASH_VECTOR_REST_URL (environment) is not allowed; it must be ")
    # What was pasted there may be the token.
    assert url not in error.message.partition("; it must be ")[0]


@pytest.mark.parametrize("token", ["two words", "a\nb", "tökén", "a\x00b", "a\x1b[31mb"])
def test_tokens_that_are_refused(load: Load, token: str) -> None:
    error = refused(load, {**PAIR, "UPSTASH_VECTOR_REST_TOKEN": token})
    assert "UPSTASH_VECTOR_REST_TOKEN (environment)" in error.message
    assert token not in error.message


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("RAGFOOD_INDEX", "pinecone", "one of auto, upstash, embedded, chroma"),
        ("RAGFOOD_UPSTASH_PLAN", "gold", "one of free, payg, fixed, pro"),
        ("RAGFOOD_TOP_K", "0", "a whole number from 1 to 1000"),
        ("RAGFOOD_TOP_K", "1001", "a whole number from 1 to 1000"),
        ("RAGFOOD_TOP_K", "-1", "a whole number from 1 to 1000"),
        ("RAGFOOD_TOP_K", "3.0", "a whole number from 1 to 1000"),
        ("RAGFOOD_TOP_K", "٣", "a whole number from 1 to 1000"),
        ("RAGFOOD_TOP_K", "9" * 5000, "a whole number from 1 to 1000"),
        ("RAGFOOD_MIN_RELEVANCE", "1.01", "a number from 0 to 1"),
        ("RAGFOOD_MIN_RELEVANCE", "nan", "a number from 0 to 1"),
        ("RAGFOOD_MIN_RELEVANCE", "high", "a number from 0 to 1"),
        ("RAGFOOD_RATE_LIMIT", "100", "a count and a period"),
        ("RAGFOOD_RATE_LIMIT", "100/60", "a count and a period"),
        ("RAGFOOD_RATE_LIMIT", "0/60s", "a count and a period"),
        ("RAGFOOD_RATE_LIMIT", "5/0s", "a count and a period"),
        ("RAGFOOD_RATE_LIMIT", "5/s/s", "a count and a period"),
        ("RAGFOOD_REDACT", "maybe", "on or off"),
        ("RAGFOOD_NAMESPACE", "a/b", "a name without the characters / ? # %"),
        ("RAGFOOD_NAMESPACE", "a%2Fb", "a name without the characters / ? # %"),
        ("RAGFOOD_NAMESPACE", "a?b", "a name without the characters / ? # %"),
        ("RAGFOOD_NAMESPACE", "a#b", "a name without the characters / ? # %"),
        ("RAGFOOD_NAMESPACE", "a\nb", "without control characters"),
        ("RAGFOOD_NAMESPACE", "a\x1b[31m", "without control characters"),
        ("RAGFOOD_NAMESPACE", "a\ud800", "without control characters"),
        ("RAGFOOD_NAMESPACE", "..", "a name other than"),
        ("RAGFOOD_NAMESPACE", "n" * 257, "at most 256 characters"),
        ("RAGFOOD_MODEL", "a\x07b", "one line of text"),
        ("OLLAMA_HOST", "a\nb", "one line of text"),
        ("RAGFOOD_FOODS", "a\0b", "the path of a file"),
        ("RAGFOOD_FOODS", "~nobody-of-this-name/x", "home directory"),
    ],
)
def test_values_that_are_refused(load: Load, variable: str, text: str, allowed: str) -> None:
    error = refused(load, {variable: text})
    assert error.message.startswith(f"{variable} (environment) is ")
    assert allowed in error.message.partition("; it must be ")[2]
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/60s", RateLimit(100, 60)),
        ("5/1m", RateLimit(5, 60)),
        ("5/h", RateLimit(5, 3600)),
        ("7 / 2H", RateLimit(7, 7200)),
        ("1/s", RateLimit(1, 1)),
    ],
)
def test_rate_limits_that_are_taken(load: Load, text: str, limit: RateLimit) -> None:
    assert load({"RAGFOOD_RATE_LIMIT": text}).rate_limit == limit


def test_the_calibrated_relevance_can_be_asked_for(load: Load) -> None:
    settings = load({"RAGFOOD_MIN_RELEVANCE": "calibrated"}, toml="min_relevance = 0.9")
    assert settings.min_relevance is None
    assert settings.source_of("min_relevance") == "environment"


class TestEnvFile:
    def test_it_is_named_with_its_whole_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text("RAGFOOD_MODEL=x\n")
        settings = load_settings(environ={}, cwd=Path(), paths=Paths.below(tmp_path / "home"))
        assert settings.source_of("model") == str(tmp_path / ".env")
        assert settings.chroma_dir == tmp_path / "chroma_db"

    def test_the_one_that_is_named_replaces_the_usual_one(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "prod.env").write_text("RAGFOOD_MODEL=prod\nRAGFOOD_FOODS=prod.json\n")
        settings = load(env="RAGFOOD_MODEL=dev\nRAGFOOD_TOP_K=9\n", env_file=Path("../prod.env"))
        assert (settings.model, settings.top_k) == ("prod", 3)
        assert settings.foods is not None
        assert settings.foods.resolve() == tmp_path / "prod.json"

    def test_a_named_one_that_is_missing_is_an_error(self, load: Load) -> None:
        error = refused(load, env_file=Path("no.env"))
        assert "no.env cannot be read: No such file or directory." in error.message
        assert "--env-file" in error.hint

    def test_nothing_is_interpolated(self, load: Load) -> None:
        settings = load(
            {"HOME": "/root", "X": "boom"},
            env=f"UPSTASH_VECTOR_REST_URL={URL}\nUPSTASH_VECTOR_REST_TOKEN=a${{X}}b$HOME\n",
        )
        assert settings.upstash_token.reveal() == "a${X}b$HOME"

    def test_the_environment_is_not_changed(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        import os

        monkeypatch.delenv("RAGFOOD_MODEL", raising=False)
        before = dict(os.environ)
        assert load(env="RAGFOOD_MODEL=x\nOTHER=y\n").model == "x"
        assert dict(os.environ) == before

    def test_a_folder_of_that_name_is_a_virtual_environment(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "work" / ".env").mkdir(parents=True)
        assert load() == load()

    def test_a_byte_order_mark_is_tolerated(self, load: Load, tmp_path: Path) -> None:
        assert load(env="\ufeffRAGFOOD_MODEL=x\n").model == "x"

    def test_one_that_is_not_utf_8_is_an_error(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "latin.env").write_bytes("RAGFOOD_NAMESPACE=küche".encode("latin-1"))
        assert "is not UTF-8: byte 20" in refused(load, env_file=tmp_path / "latin.env").message

    def test_errors_name_the_file(self, load: Load, tmp_path: Path) -> None:
        error = refused(load, env="RAGFOOD_TOP_K=many\n")
        assert error.message == (
            f'RAGFOOD_TOP_K ({tmp_path / "work" / ".env"}) is "many"; it must be a whole number from 1 to 1000.'
        )


class TestConfigFile:
    def test_a_named_one_that_is_missing_is_an_error(self, load: Load) -> None:
        assert "--config" in refused(load, config_file=Path("no.toml")).hint

    def test_a_named_one_replaces_the_usual_one(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "mine.toml").write_text('model = "mine"')
        settings = load(toml='model = "usual"\ntop_k = 9', config_file=Path("mine.toml"))
        assert (settings.model, settings.top_k) == ("mine", 3)

    def test_an_unknown_key_names_the_nearest_and_the_line(self, load: Load, tmp_path: Path) -> None:
        error = refused(load, toml='model = "x"\n\ntopk = 5\n')
        path = tmp_path / "home" / "config" / "config.toml"
        assert error.message == f"topk ({path}, line 3) is not a setting."
        assert error.hint == "Did you mean top_k?"

    @pytest.mark.parametrize("toml", ["[upstash]\nurl = 'x'", "'a b' = 1", "zzzzzz = 1", '"\\u001b[31m" = 1'])
    def test_any_other_key_is_an_error(self, load: Load, toml: str) -> None:
        error = refused(load, toml=toml)
        assert "is not a setting" in error.message
        assert error.hint

    @pytest.mark.parametrize(
        ("toml", "message"),
        [
            ('top_k = "5"', "line 1) is text; it must be a whole number."),
            ("top_k = true", "is true or false; it must be a whole number."),
            ("\nmodel = 5", "line 2) is a whole number; it must be text."),
            ("redact = 1", "is a whole number; it must be true or false."),
            ("rate_limit = [1]", "is a list; it must be text."),
            ("[model]\na = 1", "line 1) is a table; it must be text."),
            ("namespace = 2024-01-01", "is a date or time; it must be text."),
            ("keys = 1", "is a whole number; it must be a table of actions and keys."),
            ("[keys]\na = 1", "keys.a ("),
        ],
    )
    def test_wrong_types_are_named(self, load: Load, toml: str, message: str) -> None:
        assert message in refused(load, toml=toml).message

    def test_a_value_that_is_not_allowed_names_the_line(self, load: Load) -> None:
        assert "config.toml, line 2) is" in refused(load, toml="# mine\ntop_k = 0").message

    def test_what_is_not_toml_names_the_line(self, load: Load) -> None:
        error = refused(load, toml="model = llama3.2")
        assert "is not valid TOML" in error.message
        assert "line 1" in error.message

    def test_a_folder_in_its_place_is_an_error(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "home" / "config" / "config.toml").mkdir(parents=True)
        assert "cannot be read" in refused(load).message


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_never_reach_a_message_as_they_are(load: Load, name: str) -> None:
    for variable in ("RAGFOOD_INDEX", "RAGFOOD_TOP_K", "RAGFOOD_RATE_LIMIT", "RAGFOOD_REDACT"):
        refused(load, {variable: HOSTILE[name]})


class TestTheKeyOfOllama:
    def test_is_used_when_the_address_has_the_same_source(self, tmp_path: Path) -> None:
        environ = {"OLLAMA_HOST": "https://ollama.com", "OLLAMA_API_KEY": "sk-1"}
        settings = load_settings(environ=environ, cwd=tmp_path, paths=Paths.below(tmp_path))
        assert settings.ollama_api_key.reveal() == "sk-1"

    @pytest.mark.parametrize("host", ["", "OLLAMA_HOST=http://elsewhere.example\n"])
    def test_is_left_out_when_the_address_comes_from_elsewhere(self, tmp_path: Path, host: str) -> None:
        (tmp_path / ".env").write_text(host)
        settings = load_settings(environ={"OLLAMA_API_KEY": "sk-1"}, cwd=tmp_path, paths=Paths.below(tmp_path))
        assert not settings.ollama_api_key
