"""One thread that owns a synchronous resource: reads go first, a long write stops between its steps to let them by."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from tui.core.cancelling import settled
from tui.core.errors import IndexUnavailable

T = TypeVar("T")
Steps = Generator[None, None, T]
"""A write cut into steps: each ``yield`` is a place where waiting reads may run before it goes on."""

# CPython hands the interpreter over after 5 ms (`sys.getswitchinterval`). Sleeping after work of about that length lets
# a waiting screen in at once instead of making it ask, and costs about two percent of the thread's time.
_BUSY_SECONDS = 0.004
_BREATH_SECONDS = 0.0001


@dataclass(slots=True)
class _Job:
    work: Callable[[], Any]
    future: Future[Any]


class WorkerThread:
    """Runs reads and writes one after the other on a thread of its own.

    Everything between two steps runs on that thread alone, so what it owns needs no lock. Writes run in the order they
    were submitted; reads run before the next step of a write. The thread starts with the first job.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._reads: deque[_Job] = deque()
        self._writes: deque[_Job] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._on_close: Callable[[], None] | None = None
        self._rested = 0.0

    async def read(self, work: Callable[[], T]) -> T:
        """Returns what `work` returns. When the caller is cancelled, work that has not begun is dropped."""
        return await asyncio.wrap_future(self._submit(self._reads, work))

    @overload
    async def write(self, work: Callable[[], Steps[T]]) -> T: ...
    @overload
    async def write(self, work: Callable[[], T]) -> T: ...
    async def write(self, work: Callable[[], Any]) -> Any:
        """Returns what `work`, or the generator of steps that it makes, returns.

        When the caller is cancelled, a write that has not begun is dropped; one that has begun is finished first, and
        only then the cancellation goes on, so that nothing is written behind the caller's back.
        """
        future = self._submit(self._writes, work)
        outcome = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            if not future.cancel():
                await settled(outcome)
            raise

    async def aclose(self, on_close: Callable[[], None], *, patience: float) -> None:
        """Refuses what has not begun, finishes the write that has, runs `on_close` on the thread and waits for its end.

        Waits at most `patience` seconds. Later jobs raise `IndexUnavailable`. Safe to call twice.
        """
        with self._changed:
            if not self._closing:
                self._closing = True
                self._on_close = on_close
                _drop(self._reads)
                _drop(self._writes)
                self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread.is_alive():
            await asyncio.to_thread(thread.join, patience)

    def _submit(self, lane: deque[_Job], work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            if self._closing:
                raise _closed()
            if self._thread is None:
                # A daemon: a program that ends without closing the index must not hang on this thread, and an
                # unfinished transaction is rolled back by the next one to open the file.
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            lane.append(_Job(work, future))
            self._changed.notify_all()
        return future

    def _run(self) -> None:
        while (job := self._next_job()) is not None:
            if job.future.set_running_or_notify_cancel():
                self._carry_out(job)
            del job
        if self._on_close is not None:
            self._on_close()

    def _next_job(self) -> _Job | None:
        with self._changed:
            while not (self._reads or self._writes or self._closing):
                self._changed.wait()
            if self._reads:
                return self._reads.popleft()
            return self._writes.popleft() if self._writes else None

    def _carry_out(self, job: _Job) -> None:
        try:
            outcome = job.work()
            if isinstance(outcome, Generator):
                outcome = self._walk(outcome)
        except BaseException as error:  # noqa: BLE001 - handed to the caller whole, whatever it is
            job.future.set_exception(error)
        else:
            job.future.set_result(outcome)
        self._breathe()

    def _walk(self, steps: Steps[Any]) -> Any:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            self._breathe()
            self._let_reads_by()

    def _let_reads_by(self) -> None:
        while self._reads:
            with self._changed:
                job = self._reads.popleft() if self._reads else None
            if job is not None and job.future.set_running_or_notify_cancel():
                self._carry_out(job)

    def _breathe(self) -> None:
        if time.monotonic() - self._rested > _BUSY_SECONDS:
            time.sleep(_BREATH_SECONDS)
            self._rested = time.monotonic()


def _drop(lane: deque[_Job]) -> None:
    while lane:
        job = lane.popleft()
        if job.future.set_running_or_notify_cancel():
            job.future.set_exception(_closed())


def _closed() -> IndexUnavailable:
    return IndexUnavailable("The index is closed.", hint="Start ragfood again.")
