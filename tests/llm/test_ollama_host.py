from __future__ import annotations

import pytest

from tui.core.errors import SettingsError
from tui.llm.ollama_host import OllamaHost, parse_ollama_host


# The values that Ollama's own tests pin (envconfig/config_test.go, 2026-08), with addresses one can connect to.
@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("   ", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("1.2.3.4:", "http://1.2.3.4:11434"),
        ("example.com", "http://example.com:11434"),
        ("example.com:1234", "http://example.com:1234"),
        (":66000", "http://127.0.0.1:11434"),
        (":-1", "http://127.0.0.1:11434"),
        ("host:port", "http://host:11434"),
        ("http://host:99999", "http://host:80"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]", "http://[::1]:11434"),
        ("[::]:7", "http://[::1]:7"),
        (" 1.2.3.4 ", "http://1.2.3.4:11434"),
        ('"1.2.3.4"', "http://1.2.3.4:11434"),
        (' " 1.2.3.4 " ', "http://1.2.3.4:11434"),
        ("'1.2.3.4'", "http://1.2.3.4:11434"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("http://1.2.3.4:4321", "http://1.2.3.4:4321"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("https://1.2.3.4:4321", "https://1.2.3.4:4321"),
        ("https://example.com/ollama", "https://example.com:443/ollama"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("http://localhost:11434/", "http://localhost:11434"),
        ("ollama.com", "https://ollama.com:443"),
        ("my_host", "http://my_host:11434"),
        ("küche.example", "http://küche.example:11434"),
    ],
)
def test_the_address_follows_ollamas_own_rules(value: str, url: str) -> None:
    assert parse_ollama_host(value).url == url


@pytest.mark.parametrize(
    "value",
    [
        "http://[bad",
        "ftp://host",
        "unix:///run/ollama.sock",
        "a b",
        "http://host?x=1",
        "http://h/p?q",
        ":0",
        "http://..",
        "[::1",
        "a:b:c",
    ],
)
def test_an_address_that_can_never_work_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match="OLLAMA_HOST") as caught:
        parse_ollama_host(value)
    assert "127.0.0.1:11434" in caught.value.hint


@pytest.mark.parametrize(
    "value", ["http://me:hunter2@[bad", "me:hunter2@a b", "ftp://me:hun@ter2@host", "'x:hunter2@:0'"]
)
def test_a_refusal_does_not_show_the_password(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_ollama_host(value)
    assert "hunter2" not in caught.value.message
    assert "ter2" not in caught.value.message


def test_a_hostile_value_is_shown_without_its_control_characters() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_ollama_host("http://[\x1b[31mbad")
    assert "\x1b" not in caught.value.message


def test_a_password_in_the_address_is_kept_but_never_shown() -> None:
    host = parse_ollama_host("https://me:hunter2@example.com/ollama")
    assert host.userinfo == "me:hunter2"
    assert "hunter2" not in f"{host!r} {host.url} {host.address}"


@pytest.mark.parametrize(
    ("value", "loopback", "private"),
    [
        ("", True, True),
        ("127.8.9.1", True, True),
        ("localhost", True, True),
        ("api.localhost", True, True),
        ("::1", True, True),
        ("192.168.1.5", False, True),
        ("10.0.0.1", False, True),
        ("169.254.3.4", False, True),
        ("fe80::1", False, True),
        ("kitchen", False, True),
        ("kitchen.local", False, True),
        ("8.8.8.8", False, False),
        ("example.com", False, False),
        ("localhost.example.com", False, False),
    ],
)
def test_it_knows_what_is_this_machine_and_what_is_nearby(value: str, loopback: bool, private: bool) -> None:
    host = parse_ollama_host(value)
    assert (host.is_loopback, host.is_private) == (loopback, private)


@pytest.mark.parametrize(
    ("value", "may"),
    [("", True), ("https://example.com", True), ("http://192.168.1.5", False), ("http://example.com", False)],
)
def test_secrets_travel_only_over_tls_or_within_the_machine(value: str, may: bool) -> None:
    assert parse_ollama_host(value).may_carry_secrets is may


def test_people_read_the_address_without_http() -> None:
    assert OllamaHost("http", "127.0.0.1", 11434).address == "127.0.0.1:11434"
    assert OllamaHost("https", "::1", 443, "/x").address == "https://[::1]:443/x"
