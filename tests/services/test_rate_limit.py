from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.asking_kitchen import StillClock
from tui.core.clock import SystemClock
from tui.services.rate_limit import SlidingWindow


def window_of(calls: int, seconds: float, clock: StillClock) -> SlidingWindow:
    return SlidingWindow(calls, seconds, clock, sleep=clock.sleep)


async def test_a_hundred_go_at_once_and_the_next_waits_a_whole_window() -> None:
    clock = StillClock()
    window = window_of(100, 60, clock)
    for _ in range(100):
        await window.take()
    assert clock.seconds == 100
    assert window.wait_needed() == 60
    await window.take()
    assert clock.seconds == 160


async def test_the_oldest_call_decides() -> None:
    clock = StillClock()
    window = window_of(3, 60, clock)
    for pause in (0, 20, 20):
        clock.seconds += pause
        await window.take()
    assert window.wait_needed() == 20
    clock.seconds += 19
    assert window.wait_needed() == 1
    clock.seconds += 1
    assert window.wait_needed() == 0


async def test_there_is_no_burst_at_the_edge_of_a_window() -> None:
    clock = StillClock()
    window = window_of(100, 60, clock)
    clock.seconds += 59
    for _ in range(100):
        await window.take()
    clock.seconds += 2
    assert window.wait_needed() == 58


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60), st.integers(1, 5))
def test_no_window_ever_holds_more_than_allowed(pauses: list[float], calls: int) -> None:
    clock = StillClock()
    window = window_of(calls, 10.0, clock)
    taken: list[float] = []

    async def run() -> None:
        for pause in pauses:
            clock.seconds += pause
            await window.take()
            taken.append(clock.seconds)

    asyncio.run(run())
    for place, moment in enumerate(taken[calls:]):
        assert moment - taken[place] >= 10.0 - 1e-9


async def test_a_timer_that_goes_off_early_does_not_let_anything_through() -> None:
    clock = StillClock()

    async def impatient(seconds: float) -> None:
        clock.seconds += seconds / 2 if seconds > 0.001 else seconds

    window = SlidingWindow(1, 60, clock, sleep=impatient)
    await window.take()
    await window.take()
    assert clock.seconds >= 160


async def test_who_waits_first_goes_first() -> None:
    clock = StillClock()
    window = window_of(1, 60, clock)
    order: list[int] = []

    async def take(number: int) -> None:
        await window.take()
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(take(number))
    assert order == [0, 1, 2, 3, 4]
    assert clock.seconds == 100 + 4 * 60


async def test_cancelling_a_wait_counts_nothing() -> None:
    clock = StillClock()
    never = asyncio.Event()
    waiting = asyncio.Event()

    async def wait(_: float) -> None:
        waiting.set()
        await never.wait()

    window = SlidingWindow(1, 60, clock, sleep=wait)
    await window.take()
    task = asyncio.create_task(window.take())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert window.wait_needed() == 60
    clock.seconds += 60
    assert window.wait_needed() == 0
    await window.take()


async def test_real_time_passes_by_itself() -> None:
    window = SlidingWindow(1, 0.01, SystemClock())
    began = SystemClock().monotonic()
    for _ in range(3):
        await window.take()
    assert SystemClock().monotonic() - began >= 0.02
