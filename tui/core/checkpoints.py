"""Named places in durable work where a crash test can strike.

Durable code calls ``checkpoint("upsert.committed")`` right before and after each commit. In the app that does nothing;
a crash test passes a function that kills the process when the name it waits for comes by.
"""

from __future__ import annotations

from collections.abc import Callable

Checkpoint = Callable[[str], None]


def no_checkpoint(name: str) -> None:
    """The checkpoint of every normal run: nothing happens."""
