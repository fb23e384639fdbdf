"""Replies of the emulator to the byte, written from what Ollama's source says, not from what the emulator does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_go import go_float32, go_json, go_time, parse_keep_alive
from tests.emulators.ollama_models import EMBEDDER, LLAMA, THINKER
from tests.emulators.ollama_raw import NOW, ask, chunked, emulate
from tests.emulators.ollama_script import Reply


@pytest.fixture
async def new() -> AsyncIterator[OllamaEmulator]:
    async with emulate("0.33.0") as emulator:
        yield emulator


@pytest.fixture
async def old() -> AsyncIterator[OllamaEmulator]:
    async with emulate("0.24.0") as emulator:
        yield emulator


async def test_alive(new: OllamaEmulator) -> None:
    head, body = await ask(new, "GET", "/")
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 17"
    assert body == b"Ollama is running"
    assert await ask(new, "HEAD", "/") == (head, b"")


async def test_version(new: OllamaEmulator) -> None:
    head, body = await ask(new, "GET", "/api/version")
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 20"
    assert body == b'{"version":"0.33.0"}'


async def test_a_chat_stream(new: OllamaEmulator) -> None:
    new.say(Reply(["Phở <b>", "\u2028\x85\x1b&"], metrics={"load_duration": 0}))
    request = b'{"model":"llama3.2","messages":[{"role":"user","content":"Which soup has noodles?"}]}'
    head, body = await ask(new, "POST", "/api/chat", request)
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked"
    stamp = b'{"model":"llama3.2","created_at":"2026-08-21T10:00:00.1234Z","message":{"role":"assistant","content":"'
    assert body == chunked(
        stamp + "Phở \\u003cb\\u003e".encode() + b'"},"done":false}\n',
        stamp + "\\u2028\u0085\\u001b\\u0026".encode() + b'"},"done":false}\n',
        stamp + b'"},"done":true,"done_reason":"stop","total_duration":5000000,"prompt_eval_count":10,'
        b'"prompt_eval_duration":1000000,"eval_count":2,"eval_duration":3000000}\n',
    )


async def test_a_chat_that_thinks(new: OllamaEmulator) -> None:
    new.install(THINKER)
    new.say(Reply(["Pho"], thinking=["Hm"]))
    request = b'{"model":"qwen3:4b","messages":[{"role":"user","content":"Soup?"}]}'
    _, body = await ask(new, "POST", "/api/chat", request)
    assert b'"message":{"role":"assistant","content":"","thinking":"Hm"},"done":false}\n' in body
    assert b'"message":{"role":"assistant","content":"Pho"},"done":false}\n' in body


async def test_a_chat_in_one_piece(new: OllamaEmulator) -> None:
    new.say(Reply(["Pho", " [1]"]))
    request = b'{"model":"llama3.2","stream":false,"messages":[{"role":"user","content":"Which soup has noodles?"}]}'
    head, body = await ask(new, "POST", "/api/chat", request)
    assert b"Content-Type: application/json; charset=utf-8" in head
    assert body == (
        b'{"model":"llama3.2","created_at":"2026-08-21T10:00:00.1234Z","message":{"role":"assistant",'
        b'"content":"Pho [1]"},"done":true,"done_reason":"stop","total_duration":3000000,"load_duration":1000000,'
        b'"prompt_eval_count":10,"prompt_eval_duration":1000000,"eval_count":2,"eval_duration":1000000}'
    )


async def test_generate(new: OllamaEmulator) -> None:
    new.say(Reply(["Pho"]))
    _, body = await ask(new, "POST", "/api/generate", b'{"model":"llama3.2","prompt":"Soup?","stream":false}')
    assert body.startswith(
        b'{"model":"llama3.2","created_at":"2026-08-21T10:00:00.1234Z","response":"Pho","done":true,"done_reason":"stop",'
        b'"context":['
    )


@pytest.mark.parametrize(
    ("request_body", "reason"),
    [(b'{"model":"llama3.2"}', b"load"), (b'{"model":"llama3.2","messages":[],"keep_alive":0}', b"unload")],
)
async def test_load_and_unload(new: OllamaEmulator, request_body: bytes, reason: bytes) -> None:
    head, body = await ask(new, "POST", "/api/chat", request_body)
    assert b"Content-Type: application/json; charset=utf-8" in head
    assert body == (
        b'{"model":"llama3.2","created_at":"2026-08-21T10:00:00.1234Z","message":{"role":"assistant","content":""},'
        b'"done":true,"done_reason":"' + reason + b'"}'
    )


async def test_tags_of_both_eras(new: OllamaEmulator, old: OllamaEmulator) -> None:
    start = (
        b'{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","modified_at":"2026-05-04T17:37:44.706015834+02:00",'
        b'"size":2019393189,"digest":"' + LLAMA.digest.encode() + b'","details":{"parent_model":"","format":"gguf",'
        b'"family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"'
    )
    _, body = await ask(old, "GET", "/api/tags")
    assert body.startswith(start + b"}},{")
    _, body = await ask(new, "GET", "/api/tags")
    assert body.startswith(
        start + b',"context_length":131072,"embedding_length":3072},"capabilities":["completion","tools"]},{'
    )


async def test_ps(new: OllamaEmulator) -> None:
    assert (await ask(new, "GET", "/api/ps"))[1] == b'{"models":[]}'
    await ask(new, "POST", "/api/chat", b'{"model":"llama3.2","keep_alive":"10m"}')
    _, body = await ask(new, "GET", "/api/ps")
    assert body.startswith(b'{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":')
    assert b'"expires_at":"2026-08-21T12:10:00.123400417+02:00","size_vram":' in body
    assert body.endswith(b',"context_length":4096}]}')


async def test_one_embedding(new: OllamaEmulator) -> None:
    _, body = await ask(new, "POST", "/api/embed", b'{"model":"mxbai-embed-large","input":"soup"}')
    assert body.startswith(b'{"model":"mxbai-embed-large","embeddings":[[')
    assert body.endswith(b']],"total_duration":2000000,"load_duration":1000000,"prompt_eval_count":3}')
    _, body = await ask(new, "POST", "/api/embed", b'{"model":"mxbai-embed-large","input":""}')
    assert b'"embeddings":[],' in body


async def test_a_truncated_body(new: OllamaEmulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", new.port)
    writer.write(f"POST /api/chat HTTP/1.1\r\nHost: {new.host}\r\nContent-Length: 50\r\n\r\n{{".encode())
    writer.write_eof()
    assert (await reader.read(-1)).endswith(b'{"error":"unexpected EOF"}')
    writer.close()


async def test_replies_that_are_no_json(new: OllamaEmulator) -> None:
    head, body = await ask(new, "GET", "/nope")
    assert head == b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 18"
    assert body == b"404 page not found"
    head, _ = await ask(new, "GET", "/api/chat")
    assert head.startswith(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain")
    assert (await ask(new, "GET", "/api/tags/"))[0].startswith(b"HTTP/1.1 301 ")
    assert (await ask(new, "POST", "/api/chat/"))[0].startswith(b"HTTP/1.1 307 ")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("example.com", 403),
        ("localhost:1", 200),
        ("x.local", 200),
        ("192.168.1.5:1", 200),
        ("8.8.8.8", 403),
        ("[::1]", 200),
    ],
)
async def test_the_guard_of_the_host_header(new: OllamaEmulator, host: str, status: int) -> None:
    head, body = await ask(new, "GET", "/", host=host)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert bool(body) is (status == 200)


async def test_errors_before_and_after_the_first_object(new: OllamaEmulator) -> None:
    new.say(Reply(["a"], error="no <luck>"), Reply(["a", "b"], after=1, error="no <luck>"))
    request = b'{"model":"llama3.2","messages":[{"role":"user","content":"Hi"}]}'
    head, body = await ask(new, "POST", "/api/chat", request)
    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n")
    assert body == b'{"error":"no \\u003cluck\\u003e"}'
    head, body = await ask(new, "POST", "/api/chat", request)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body.endswith(b'\r\n20\r\n{"error":"no \\u003cluck\\u003e"}\n\r\n0\r\n\r\n')


async def test_nothing_is_sent_before_the_first_object_exists(new: OllamaEmulator) -> None:
    thought = asyncio.Event()
    new.say(Reply(["Pho"], hold=thought))
    reader, writer = await asyncio.open_connection("127.0.0.1", new.port)
    body = b'{"model":"llama3.2","messages":[{"role":"user","content":"Hi"}]}'
    writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await new.until_requested("/api/chat")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.02)
    thought.set()
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def test_before_v0_12_6_every_error_of_a_stream_came_with_status_200() -> None:
    async with emulate("0.12.5") as emulator:
        emulator.say(Reply(["a"], error="no luck"))
        request = b'{"model":"llama3.2","messages":[{"role":"user","content":"Hi"}]}'
        head, body = await ask(emulator, "POST", "/api/chat", request)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson")
    assert body == chunked(b'{"error":"no luck"}\n')


async def test_the_older_engine_cuts_to_the_window_the_newer_to_half_of_it(
    new: OllamaEmulator, old: OllamaEmulator
) -> None:
    request = b'{"model":"llama3.2","stream":false,"messages":[{"role":"user","content":"%b"}]}' % (b"soup " * 5000)
    assert b'"prompt_eval_count":4096,' in (await ask(old, "POST", "/api/chat", request))[1]
    assert b'"prompt_eval_count":2051,' in (await ask(new, "POST", "/api/chat", request))[1]


async def test_the_oldest_messages_go_first(new: OllamaEmulator) -> None:
    messages = [{"role": "system", "content": "Be brief."}]
    messages += [{"role": "user", "content": "soup " * 2000} for _ in range(3)]
    request = json.dumps({"model": "llama3.2", "stream": False, "messages": messages}).encode()
    _, body = await ask(new, "POST", "/api/chat", request)
    # One token to begin and 4 a message beside its text; of three times 2,000 tokens two fit.
    assert b'"prompt_eval_count":4016,' in body


async def test_a_native_model_refuses_what_cannot_be_dropped(new: OllamaEmulator) -> None:
    new.install(THINKER)
    request = b'{"model":"qwen3:4b","messages":[{"role":"user","content":"%b"}]}' % (b"soup " * 5000)
    head, body = await ask(new, "POST", "/api/chat", request)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"exceed_context_size_error" in body


async def test_another_window_or_another_shift_loads_again(new: OllamaEmulator, old: OllamaEmulator) -> None:
    for emulator in (new, old):
        for extra in ("", "", ',"options":{"num_ctx":8192}', ',"options":{"num_ctx":8192,"seed":1}', ',"shift":false'):
            await ask(emulator, "POST", "/api/chat", b'{"model":"llama3.2"%b}' % extra.encode())
    assert [window for _, window in new.memory.loads] == [4096, 8192, 4096]
    assert [window for _, window in old.memory.loads] == [4096, 8192, 4096]
    await ask(new, "POST", "/api/chat", b'{"model":"llama3.2"}')
    await ask(old, "POST", "/api/chat", b'{"model":"llama3.2"}')
    assert (len(new.memory.loads), len(old.memory.loads)) == (4, 3)


async def test_a_pull(new: OllamaEmulator) -> None:
    del new.world.models[LLAMA.name]
    _, wire = await ask(new, "POST", "/api/pull", b'{"model":"llama3.2"}')
    events = [json.loads(line) for line in wire.split(b"\r\n") if line.startswith(b"{")]
    weights = new.registry.offers[LLAMA.name][1][0].digest
    assert events[0] == {"status": "pulling manifest"}
    assert events[1] == {"status": f"pulling {weights[7:19]}", "digest": weights, "total": 2_019_393_189}
    progress = [event.get("completed", 0) for event in events if event.get("digest") == weights]
    assert progress == [0, 1_211_635_913, 807_757_275, 2_019_393_189]
    assert [event["status"] for event in events[-3:]] == ["verifying sha256 digest", "writing manifest", "success"]
    assert LLAMA.name in new.world.models


async def test_a_pull_that_fails_is_resumed(new: OllamaEmulator) -> None:
    new.registry.fail_after = 3
    _, wire = await ask(new, "POST", "/api/pull", b'{"model":"llama3.2"}')
    assert wire.endswith(b'{"error":"max retries exceeded: unexpected EOF"}\n\r\n0\r\n\r\n')
    _, wire = await ask(new, "POST", "/api/pull", b'{"model":"llama3.2"}')
    first = json.loads(wire.split(b"\r\n")[3])
    assert first["completed"] == 1_211_635_913
    assert (await ask(new, "POST", "/api/pull", b'{"model":"llama3.2","stream":false}'))[1] == b'{"status":"success"}'


async def test_a_pull_whose_client_leaves_stops_and_is_resumed(new: OllamaEmulator) -> None:
    new.registry.hold_after = 3
    _, writer = await asyncio.open_connection("127.0.0.1", new.port)
    body = b'{"model":"llama3.2"}'
    writer.write(b"POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await new.until(lambda: 1_211_635_913 in new.registry.partial.values())
    writer.close()
    await new.until_disconnected("/api/pull", "pull")
    new.registry.hold_after = None
    _, wire = await ask(new, "POST", "/api/pull", body)
    assert b'"completed":807757275' not in wire
    assert wire.endswith(b'{"status":"success"}\n\r\n0\r\n\r\n')


async def test_a_pull_of_nothing(new: OllamaEmulator) -> None:
    _, wire = await ask(new, "POST", "/api/pull", b'{"model":"nope"}')
    assert wire == chunked(
        b'{"status":"pulling manifest"}\n', b'{"error":"pull model manifest: file does not exist"}\n'
    )
    head, body = await ask(new, "POST", "/api/pull", b'{"model":"nope","stream":false}')
    assert head.startswith(b"HTTP/1.1 500 ")
    assert body == b'{"error":"pull model manifest: file does not exist"}'


def test_go_writes_json_times_and_numbers_its_own_way() -> None:
    assert go_json({"a": "<é\u2029\ud800>", "b": [1, None]}) == '{"a":"\\u003cé\\u2029\\ufffd\\u003e","b":[1,null]}'
    assert go_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
    behind = timezone(timedelta(hours=-5))
    assert go_time(datetime(2026, 1, 2, 3, 4, 5, 100, behind), 7) == "2026-01-02T03:04:05.000100007-05:00"
    assert [go_float32(np.float32(x)) for x in (0.1, -0.0625, 1.5e-7, 0, 3)] == ["0.1", "-0.0625", "1.5e-7", "0", "3"]


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (5, 5 * 10**9),
        (0.5, 5 * 10**8),
        ("1h2m3s", 3723 * 10**9),
        ("1.5s", 15 * 10**8),
        (-1, 2**63 - 1),
        ("-1m", 2**63 - 1),
        ("0", 0),
    ],
)
def test_a_keep_alive_is_seconds_or_a_duration(value: object, nanoseconds: int) -> None:
    assert parse_keep_alive(value) == nanoseconds


async def test_a_model_is_forgotten_when_its_time_is_over() -> None:
    moment = [NOW]
    async with OllamaEmulator(now=lambda: moment[0]) as emulator:
        await ask(emulator, "POST", "/api/chat", b'{"model":"llama3.2","keep_alive":60}')
        moment[0] += timedelta(seconds=59)
        assert LLAMA.name.encode() in (await ask(emulator, "GET", "/api/ps"))[1]
        moment[0] += timedelta(seconds=1)
        assert (await ask(emulator, "GET", "/api/ps"))[1] == b'{"models":[]}'


async def test_a_full_queue_and_a_locked_runner(new: OllamaEmulator) -> None:
    new.memory.max_queue = 1
    new.memory.load_gate = asyncio.Event()
    loading = asyncio.create_task(ask(new, "POST", "/api/chat", b'{"model":"llama3.2"}'))
    await new.until_requested("/api/chat")
    ps = asyncio.create_task(ask(new, "GET", "/api/ps"))
    head, body = await ask(new, "POST", "/api/embed", b'{"model":"mxbai-embed-large","input":"x"}')
    assert head.startswith(b"HTTP/1.1 503 ")
    assert body == b'{"error":"server busy, please try again.  maximum pending requests exceeded"}'
    assert not ps.done()
    new.memory.load_gate.set()
    assert b'"done_reason":"load"' in (await loading)[1]
    assert LLAMA.name.encode() in (await ps)[1]


def test_the_embedder_is_the_one_of_the_legacy_script() -> None:
    assert (EMBEDDER.embedding_length, EMBEDDER.context_length) == (1024, 512)
