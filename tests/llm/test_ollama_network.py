"""Proxies, keys over the wire, and other servers' addresses: what must never travel, and what must."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Canned, Reply
from tests.llm.ollama_helpers import Make
from tui.core.errors import AnswererUnavailable, PromptTooLong
from tui.core.secret import Secret
from tui.llm.base import Message, Prompt
from tui.llm.ollama_client import OllamaClient
from tui.llm.ollama_host import parse_ollama_host
from tui.llm.ollama_http import Timeouts, key_is_withheld, open_session
from tui.llm.ollama_wire import ChatOptions


class ProxyListener:
    """A listener that a proxy variable points to; it notes what reaches it and refuses."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProxyListener]:
    listener = ProxyListener()
    async with await asyncio.start_server(listener.serve, "127.0.0.1", 0) as server:
        listener.port = server.sockets[0].getsockname()[1]
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield listener


async def test_a_proxy_never_sees_loopback_traffic(
    emulator: OllamaEmulator, make: Make, prompt: Prompt, proxy: ProxyListener
) -> None:
    emulator.say(Reply(["Pho"]))
    answerer = make(emulator)
    assert (await answerer.check()).ok
    assert [part async for part in answerer.stream(prompt)]
    assert proxy.received == []


async def test_nor_does_it_under_the_name_localhost(emulator: OllamaEmulator, make: Make, proxy: ProxyListener) -> None:
    assert (await make(f"localhost:{emulator.port}").check()).ok
    assert proxy.received == []


async def test_a_server_beyond_the_local_network_is_reached_through_the_proxy(make: Make, proxy: ProxyListener) -> None:
    availability = await make("http://ollama.invalid.example:8080").check()
    assert not availability.ok
    assert proxy.received[0].startswith(b"GET http://ollama.invalid.example:8080/api/tags HTTP/1.1")


async def test_a_key_is_not_sent_in_the_clear_to_another_machine(make: Make, proxy: ProxyListener) -> None:
    await make("http://ollama.invalid.example:8080", api_key="sk-hidden-42").check()
    await make("http://me:hidden@ollama.invalid.example:8080").check()
    assert len(proxy.received) == 2
    assert not any(b"authorization" in request.lower() or b"hidden" in request for request in proxy.received)


def test_it_is_known_that_a_key_is_withheld() -> None:
    key, clear, safe = Secret("sk"), parse_ollama_host("http://192.168.1.5"), parse_ollama_host("https://192.168.1.5")
    assert key_is_withheld(clear, key)
    assert key_is_withheld(parse_ollama_host("http://me:x@192.168.1.5"), None)
    assert not key_is_withheld(clear, None)
    assert not key_is_withheld(clear, Secret(""))
    assert not key_is_withheld(safe, key)


@pytest.mark.parametrize("value", ["gopher://127.0.0.1:1", "socks5h://127.0.0.1:1", "http://127.0.0.1:port"])
async def test_a_proxy_that_cannot_be_used_is_an_error_with_a_hint(
    make: Make, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, value)
    availability = await make("http://ollama.invalid.example").check()
    assert not availability.ok
    assert "NO_PROXY" in availability.hint


@pytest.mark.parametrize(
    "host", ["http://ollama.invalid.example", "https://ollama.invalid.example", "https://127.0.0.1:1"]
)
@pytest.mark.parametrize("content", [None, "not a certificate"])
async def test_certificates_that_cannot_be_read_are_an_error_with_a_hint(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "certificates.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificates.pem"))
    availability = await make(host).check()
    assert not availability.ok
    assert "SSL_CERT_FILE" in availability.hint


async def test_an_unusable_proxy_is_no_matter_for_loopback(
    emulator: OllamaEmulator, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:1")
    assert (await make(emulator).check()).ok


async def test_redirects_are_not_followed(emulator: OllamaEmulator, make: Make) -> None:
    emulator.answer_next("/api/tags", Canned(302, "", b"", {"Location": f"http://{emulator.host}/api/version"}))
    availability = await make(emulator, api_key="sk").check()
    assert "redirects" in availability.reason
    assert [request.path for request in emulator.requests] == ["/api/tags"]


async def test_a_path_in_the_address_is_put_before_the_api(emulator: OllamaEmulator, make: Make) -> None:
    emulator.answer_next("/ollama/api/tags", Canned(200, "application/json", b'{"models":[{"name":"a:b"}]}'))
    assert await make(f"http://{emulator.host}/ollama/").models() == ("a:b",)


async def test_tls_is_verified() -> None:
    session = open_session(parse_ollama_host("https://192.168.1.5"), None, Timeouts(connect=1.0))
    context = session._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    await session.aclose()


async def test_a_session_for_plain_http_trusts_no_certificate() -> None:
    session = open_session(parse_ollama_host(""), None, Timeouts(connect=1.0))
    context = session._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert context.cert_store_stats()["x509_ca"] == 0
    await session.aclose()


class TestTheRestOfTheClient:
    @pytest.fixture
    async def client(self, emulator: OllamaEmulator) -> AsyncIterator[OllamaClient]:
        client = OllamaClient(parse_ollama_host(emulator.host))
        yield client
        await client.aclose()

    async def test_reads_version_tags_show_and_ps(self, client: OllamaClient) -> None:
        assert await client.version() == "0.33.0"
        llama, embedder = await client.tags()
        assert (llama.name, llama.size, llama.context_length) == ("llama3.2:latest", 2_019_393_189, 131_072)
        assert embedder.capabilities == {"embedding"}
        assert (await client.show("llama3.2")).context_length == 131_072
        assert await client.ps() == ()
        await client.preload("llama3.2", ChatOptions(num_ctx=2048, keep_alive="-1s"))
        [loaded] = await client.ps()
        assert (loaded.name, loaded.context_length, loaded.expires_at[:4]) == ("llama3.2:latest", 2048, "2318")

    async def test_has_no_capabilities_from_an_older_server(self) -> None:
        async with OllamaEmulator(version="0.24.0") as emulator:
            client = OllamaClient(parse_ollama_host(emulator.host))
            assert {model.capabilities for model in await client.tags()} == {None}
            assert (await client.show("llama3.2")).capabilities == {"completion", "tools"}
            await client.aclose()

    async def test_embeds_in_the_order_of_the_inputs(self, client: OllamaClient) -> None:
        pho, ramen = await client.embed("mxbai-embed-large", ["pho noodle soup", "ramen noodle soup"])
        assert [pho] == await client.embed("mxbai-embed-large", ["pho noodle soup"])
        assert len(pho) == 1024
        assert sum(x * x for x in pho) == pytest.approx(1.0, abs=1e-5)
        assert 0.3 < sum(x * y for x, y in zip(pho, ramen, strict=True)) < 0.95

    async def test_does_not_shorten_a_text_silently(self, client: OllamaClient) -> None:
        with pytest.raises(PromptTooLong):
            await client.embed("mxbai-embed-large", ["soup " * 600])
        assert len(await client.embed("mxbai-embed-large", ["soup " * 600], truncate=True)) == 1

    @pytest.mark.parametrize("vectors", ["[]", "[[NaN]]", '[["x"]]', "null", "[[]]"])
    async def test_refuses_vectors_that_are_none(
        self, emulator: OllamaEmulator, client: OllamaClient, vectors: str
    ) -> None:
        body = f'{{"model":"x","embeddings":{vectors}}}'.encode()
        emulator.answer_next("/api/embed", Canned(200, "application/json", body))
        with pytest.raises(AnswererUnavailable, match="something other than 1 vectors"):
            await client.embed("mxbai-embed-large", ["soup"])

    async def test_sends_no_compression_and_is_polite(self, emulator: OllamaEmulator, client: OllamaClient) -> None:
        async for _ in client.chat("llama3.2", [Message("user", "soup")], ChatOptions()):
            pass
        headers = emulator.requests[-1].headers
        assert headers["accept-encoding"] == "identity"
        assert headers["user-agent"] == "ragfood"
        assert headers["content-type"] == "application/json"


def test_basic_authentication_is_what_the_address_said() -> None:
    assert base64.b64decode("bWU6cEBzcw==") == b"me:p@ss"
