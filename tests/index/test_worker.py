from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tui.core.errors import IndexUnavailable
from tui.index.worker import WorkerThread


@pytest.fixture
def worker() -> Iterator[WorkerThread]:
    thread = WorkerThread("test-worker")
    yield thread
    asyncio.run(thread.aclose(lambda: None, patience=5))


class Gate:
    """A job that waits on the worker until the test lets it go on."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.open.wait(10)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)


async def test_everything_runs_on_one_thread_of_its_own(worker: WorkerThread) -> None:
    names = {await worker.read(lambda: threading.current_thread().name) for _ in range(5)}
    names.add(await worker.write(lambda: threading.current_thread().name))
    assert names == {"test-worker"}


async def test_errors_reach_the_caller_and_the_thread_goes_on(worker: WorkerThread) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await worker.read(fail)
    assert await worker.read(lambda: 7) == 7


async def test_a_read_goes_between_the_steps_of_a_write(worker: WorkerThread) -> None:
    order: list[str] = []
    gate = Gate()

    def steps() -> Iterator[None]:
        gate()
        order.append("first step")
        yield
        order.append("second step")

    write = asyncio.create_task(worker.write(steps))
    await gate.has_begun()
    read = asyncio.create_task(worker.read(lambda: order.append("read")))
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(write, read)
    assert order == ["first step", "read", "second step"]


async def test_writes_keep_the_order_in_which_they_were_asked_for(worker: WorkerThread) -> None:
    order: list[int] = []

    def steps(number: int) -> Iterator[None]:
        for _ in range(5 - number):
            yield
        order.append(number)

    await asyncio.gather(*(worker.write(lambda n=n: steps(n)) for n in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_an_abandoned_read_is_dropped(worker: WorkerThread) -> None:
    gate = Gate()
    ran: list[str] = []
    busy = asyncio.create_task(worker.read(gate))
    await gate.has_begun()
    abandoned = asyncio.create_task(worker.read(lambda: ran.append("abandoned")))
    await asyncio.sleep(0)
    abandoned.cancel()
    with pytest.raises(asyncio.CancelledError):
        await abandoned
    gate.open.set()
    await busy
    await worker.read(lambda: None)
    assert ran == []


async def test_a_write_that_has_begun_is_finished_before_its_cancellation_goes_on(worker: WorkerThread) -> None:
    gate = Gate()
    done: list[str] = []

    def steps() -> Iterator[None]:
        gate()
        yield
        done.append("all of it")

    write = asyncio.create_task(worker.write(steps))
    await gate.has_begun()
    write.cancel()
    await asyncio.sleep(0)
    write.cancel()
    await asyncio.sleep(0)
    assert not write.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert done == ["all of it"]


async def test_a_write_that_has_not_begun_is_dropped(worker: WorkerThread) -> None:
    gate = Gate()
    ran: list[str] = []
    busy = asyncio.create_task(worker.write(gate))
    await gate.has_begun()
    waiting = asyncio.create_task(worker.write(lambda: ran.append("waiting")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.open.set()
    await busy
    await worker.read(lambda: None)
    assert ran == []


async def test_closing_finishes_what_runs_and_refuses_what_comes_later() -> None:
    worker = WorkerThread("test-worker")
    gate = Gate()
    order: list[str] = []
    busy = asyncio.create_task(worker.write(gate))
    await gate.has_begun()
    waiting = asyncio.create_task(worker.read(lambda: order.append("waiting")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(worker.aclose(lambda: order.append("closed"), patience=10))
    await asyncio.sleep(0)
    gate.open.set()
    await closing
    await busy
    with pytest.raises(IndexUnavailable):
        await waiting
    assert order == ["closed"]
    with pytest.raises(IndexUnavailable):
        await worker.read(lambda: None)
    await worker.aclose(lambda: order.append("again"), patience=1)
    assert order == ["closed"]


async def test_closing_one_that_was_never_used_starts_nothing() -> None:
    worker = WorkerThread("test-worker-unused")
    await worker.aclose(lambda: None, patience=1)
    assert all(thread.name != "test-worker-unused" for thread in threading.enumerate())
