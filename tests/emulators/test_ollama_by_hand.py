"""The emulator without a script: what a person sees who tries the app against it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import ollama
import pytest

from tests.emulators.ollama_script import answer_from, tokens


def said(content: str) -> str:
    return "".join(
        answer_from([{"role": "system", "content": "Cite as [1]."}, {"role": "user", "content": content}]).pieces
    )


@pytest.mark.parametrize(
    "content",
    [
        "Sources:\n\n[1] Pho\nPho is a soup. It has herbs.\n\n[2] Ramen\nRamen is\nJapanese.\n\nQuestion: Which [1]?",
        "[1] Pho: Pho is a soup. It has herbs.\n[2] Ramen: Ramen is Japanese.\n\nWhich?",
        "1. Pho is a soup.\n2. Ramen is Japanese.\n3. Tea is a drink.",
    ],
)
def test_it_answers_from_the_first_passages_with_their_numbers(content: str) -> None:
    assert said(content) == "Pho is a soup [1]. Ramen is Japanese [2]."


def test_without_passages_it_says_that_it_guesses() -> None:
    assert said("Which soup?") == "I was given no sources, so this is only a guess about: Which soup?"


def test_tokens_are_words_that_give_the_text_back() -> None:
    assert tokens("Pho  is\n soup [1].") == ["Pho", "  is", "\n", " soup", " [1]."]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    arguments = ("-m", "tests.emulators.ollama", "--port", "0", "--delay", "0", "--model", "gemma3", "--think")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    yield (await process.stdout.readline()).decode().strip()
    process.terminate()
    await process.communicate()


async def test_it_runs_as_a_program_and_prints_its_address(address: str) -> None:
    async with ollama.AsyncClient(address, trust_env=False) as client:
        reply = await client.chat("gemma3", [{"role": "user", "content": "[1] Pho is a soup."}])
    assert reply.message.content == "Pho is a soup [1]."
    assert reply.message.thinking
