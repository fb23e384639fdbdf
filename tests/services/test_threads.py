from __future__ import annotations

import asyncio
import threading

import pytest

from tui.services.threads import finish, finish_in_thread


async def test_work_returns_what_it_returns_and_raises_what_it_raises() -> None:
    async def work(value: int) -> int:
        await asyncio.sleep(0)
        return 10 // value

    assert await finish(work(5)) == 2
    with pytest.raises(ZeroDivisionError):
        await finish(work(0))
    assert await finish_in_thread(lambda: threading.current_thread() is threading.main_thread()) is False


async def test_work_comes_to_its_end_however_often_its_caller_is_cancelled() -> None:
    gate = asyncio.Event()
    ended = False

    async def work() -> None:
        nonlocal ended
        await gate.wait()
        ended = True

    task = asyncio.create_task(finish(work()))
    for _ in range(5):
        await asyncio.sleep(0)
        task.cancel()
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_a_failure_after_a_cancellation_does_not_replace_it() -> None:
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise ValueError

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
